"""Persons and what only looks at a link; visitors as hashes."""

import pytest

from campaigns.tracking import visitors

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
INSTAGRAM = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Mobile/15E148 Instagram 330.0.0.40.92 (iPhone14,5; iOS 17_5)"
)


@pytest.mark.parametrize("agent", [CHROME, INSTAGRAM, "Mozilla/5.0 (Linux; Android 11; CUBOT X30) Chrome/120.0"])
def test_a_browser_is_a_persons(agent):
    assert visitors.invalid_reason({"HTTP_USER_AGENT": agent}, "GET") == ""


@pytest.mark.parametrize(
    "agent",
    [
        "",
        "   ",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Twitterbot/1.0",
        "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
        "WhatsApp/2.23.20.0",
        "curl/8.5.0",
        "python-requests/2.31.0",
        f"{CHROME} HeadlessChrome/130.0",
    ],
)
def test_robots_are_known_by_the_list_or_by_having_no_name(agent):
    assert visitors.invalid_reason({"HTTP_USER_AGENT": agent}, "GET") == "robot"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PURPOSE", "prefetch"),
        ("HTTP_SEC_PURPOSE", "prefetch;prerender"),
        ("HTTP_X_MOZ", "prefetch"),
        ("HTTP_X_PURPOSE", "Preview"),
    ],
)
def test_what_a_browser_loads_ahead_is_no_visit(name, value):
    assert visitors.invalid_reason({"HTTP_USER_AGENT": CHROME, name: value}, "GET") == "prefetch"


def test_a_question_for_the_headers_is_no_visit():
    assert visitors.invalid_reason({"HTTP_USER_AGENT": CHROME}, "HEAD") == "head"


@pytest.mark.parametrize(
    ("forwarded", "proxies", "expected"),
    [
        ("", 0, "192.0.2.1"),
        ("203.0.113.5", 0, "192.0.2.1"),
        ("203.0.113.5", 1, "203.0.113.5"),
        ("1.1.1.1, 203.0.113.5", 1, "203.0.113.5"),
        ("1.1.1.1, 203.0.113.5, 198.51.100.1", 2, "203.0.113.5"),
        ("203.0.113.5", 3, "203.0.113.5"),
        (" , ", 1, "192.0.2.1"),
    ],
)
def test_the_address_is_the_one_our_own_proxies_saw(forwarded, proxies, expected):
    meta = {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": forwarded}
    assert visitors.address_of(meta, proxies=proxies) == expected


def visitor(address="192.0.2.1", agent=CHROME, key="key"):
    return visitors.visitor({"REMOTE_ADDR": address, "HTTP_USER_AGENT": agent}, proxies=0, key=key)


def test_a_visitor_is_an_address_and_a_browser_under_our_own_key():
    assert visitor() == visitor()
    others = [visitor(address="192.0.2.2"), visitor(agent="x"), visitor(key="other")]
    assert len({visitor().who, *(other.who for other in others)}) == 4
    assert b"192.0.2.1" not in visitor().who


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.254", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.9", True),
        ("nonsense", "nonsense", True),
        ("nonsense", "192.0.2.1", False),
    ],
)
def test_a_network_is_a_24_or_a_64(one, other, same):
    assert (visitor(address=one).whence == visitor(address=other).whence) is same
