"""Where tracking links lead: the landing page's own site, and nowhere else."""

import pytest

from campaigns import landing

SHOP = "https://shop.example/bowls?lang=en&x=%20a+b#top"


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example",
        "http://shop.example/",
        "https://shop.example:8443/a/b?c=d#e",
        "https://xn--bcher-kva.example/",
        "https://192.0.2.7/",
        "https://[2001:db8::1]/",
    ],
)
def test_a_landing_page_is_a_plain_address(url):
    assert landing.refusal(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example",
        "//shop.example/",
        "ftp://shop.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://",
        "https:///path",
        "https://user@shop.example/",
        "https://user:word@shop.example/",
        "https://shop.example\\@evil.example/",
        "https://shop.example/\r\nSet-Cookie: a=b",
        "https://shop.example/a b",
        "https://bücher.example/",
        "https://shop.example:port/",
        "https://shop.example:99999/",
        "https://[::1/",
        "https://-shop.example/",
        "https://shop_.example/",
        "https://shop.example/" + "x" * 500,
    ],
)
def test_what_is_none_is_refused_with_a_reason(url):
    assert landing.refusal(url)


@pytest.mark.parametrize(
    "destination", ["", "/", "/sale?a=b", "https://shop.example/sale", "https://SHOP.example/sale"]
)
def test_a_destination_is_on_the_same_site(destination):
    assert landing.destination_refusal(SHOP, destination) is None


OFF_SITE = [
    "//evil.example/",
    "/\\evil.example/",
    "\\\\evil.example",
    "https://evil.example/",
    "https://shop.example.evil.example/",
    "https://shop.example@evil.example/",
    "https://shop.example:444/",
    "http://shop.example/",
    "https://sub.shop.example/",
    "javascript:alert(1)",
    "sale",
    "/\t/evil.example",
    "/ evil",
]


@pytest.mark.parametrize("destination", OFF_SITE)
def test_a_destination_elsewhere_is_refused_and_never_followed(destination):
    assert "shop.example" in (landing.destination_refusal(SHOP, destination) or "")
    assert landing.target(SHOP, destination, "c1").startswith("https://shop.example/bowls?")


@pytest.mark.parametrize(
    ("page", "destination", "expected"),
    [
        (SHOP, "", "https://shop.example/bowls?lang=en&x=%20a+b&ck_click=c1#top"),
        ("https://shop.example", "", "https://shop.example/?ck_click=c1"),
        ("https://shop.example/?ck_click=old&a=1", "", "https://shop.example/?a=1&ck_click=c1"),
        ("https://shop.example/?ck%5Fclick=old&a=%C3%BC", "", "https://shop.example/?a=%C3%BC&ck_click=c1"),
        (SHOP, "/sale?x=1", "https://shop.example/sale?x=1&ck_click=c1"),
        (SHOP, "https://shop.example/sale", "https://shop.example/sale?ck_click=c1"),
        ("https://new.example/home", "https://shop.example/sale", "https://new.example/home?ck_click=c1"),
    ],
)
def test_the_pages_own_query_stays_and_the_click_is_added(page, destination, expected):
    assert landing.target(page, destination, "c1") == expected
