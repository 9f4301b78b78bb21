"""OAuth as each platform speaks it: what we ask for, what we take for a grant, and what for a refusal."""

import json
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import respx

from config import clock
from platforms import oauth
from platforms.errors import ErrorKind, PlatformError
from platforms.oauth import PROVIDERS, Client, Grant
from platforms.transport import Http

HTTP = Http()
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
URLS = {
    "authorize_url": "https://platform.test/authorize",
    "token_url": "https://platform.test/token",
    "revoke_url": "https://platform.test/revoke",
    "graph_url": "https://graph.test",
}
GRANTED = {"access_token": "an-access-token", "refresh_token": "a-refresh-token", "expires_in": 7200}
TWO_STEPS = ("instagram", "facebook")
ONE_STEP = tuple(slug for slug in PROVIDERS if slug not in TWO_STEPS)


def client(slug, *, is_public=False):
    return Client(PROVIDERS[slug], URLS, "the-id", "" if is_public else "the-secret")


def exchange(slug, status=200, body=GRANTED, text=None, headers=None):
    """What an answer of the token endpoint comes to, and the call that was made."""
    with respx.mock(assert_all_called=False) as router, clock.at(NOW):
        route = router.post(URLS["token_url"]).respond(
            status, json=None if text is not None else body, text=text, headers=headers
        )
        grant = oauth.exchange(HTTP, client(slug), code="the-code", redirect_uri="https://us.test/back", verifier="v")
        return grant, route.calls.last.request


def refusal(slug, *args, **kwargs):
    with pytest.raises(PlatformError) as caught:
        exchange(slug, *args, **kwargs)
    return caught.value


def form_of(request):
    return {name: values[0] for name, values in parse_qs(request.content.decode()).items()}


# --- What we ask for


@pytest.mark.parametrize(
    ("slug", "asked"),
    [
        (
            "tiktok",
            {
                "client_key": "the-id",
                "scope": "user.info.basic,user.info.profile,user.info.stats,video.list",
            },
        ),
        ("instagram", {"client_id": "the-id", "scope": "instagram_business_basic,instagram_business_manage_insights"}),
        (
            "facebook",
            {
                "client_id": "the-id",
                "scope": "pages_show_list,pages_read_engagement,pages_read_user_content,read_insights",
            },
        ),
        (
            "x",
            {
                "client_id": "the-id",
                "scope": "tweet.read users.read offline.access",
                "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
                "code_challenge_method": "S256",
            },
        ),
        (
            "youtube",
            {
                "client_id": "the-id",
                "scope": "https://www.googleapis.com/auth/youtube.readonly",
                "access_type": "offline",
                "prompt": "consent",
                "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
                "code_challenge_method": "S256",
            },
        ),
    ],
)
def test_the_way_to_a_platform_says_who_asks_and_for_what(slug, asked):
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636, appendix B
    back = "https://us.test/back?a=1&b=2"
    address = oauth.authorize_url(client(slug), redirect_uri=back, state="a state", verifier=verifier)
    assert address.startswith(f"{URLS['authorize_url']}?")
    given = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert given == asked | {"redirect_uri": back, "response_type": "code", "state": "a state"}
    assert "the-secret" not in address


def test_tiktok_and_google_are_told_who_we_are_in_the_form_and_x_in_the_header():
    for slug, name in (("tiktok", "client_key"), ("youtube", "client_id")):
        form = form_of(exchange(slug)[1])
        assert (form[name], form["client_secret"]) == ("the-id", "the-secret")
    request = exchange("x")[1]
    assert b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"the-id:the-secret"
    assert "client_secret" not in form_of(request)
    assert {form_of(exchange(slug)[1])["grant_type"] for slug in ONE_STEP} == {"authorization_code"}


def test_only_who_was_given_a_challenge_gets_the_verifier():
    assert {slug for slug in ONE_STEP if "code_verifier" in form_of(exchange(slug)[1])} == {"x", "youtube"}


def test_a_public_client_of_x_says_its_id_in_the_form():
    with respx.mock() as router:
        route = router.post(URLS["token_url"]).respond(json=GRANTED)
        oauth.renew(HTTP, client("x", is_public=True), secrets={"access_token": "a", "refresh_token": "r"})
        request = route.calls.last.request
    assert form_of(request) == {"grant_type": "refresh_token", "refresh_token": "r", "client_id": "the-id"}
    assert "authorization" not in request.headers


# --- What we take for a grant


def test_a_grant_tells_how_long_it_lasts():
    body = GRANTED | {"refresh_expires_in": 31_536_000, "scope": "video.list,user.info.basic"}
    grant, _ = exchange("tiktok", body=body)
    assert grant == Grant(
        "an-access-token",
        "a-refresh-token",
        NOW + timedelta(hours=2),
        NOW + timedelta(days=365),
        ("video.list", "user.info.basic"),
    )
    assert grant.lacks(PROVIDERS["tiktok"]) == ["user.info.profile", "user.info.stats"]


def test_without_a_refresh_token_a_grant_ends_with_its_token():
    grant, _ = exchange("x", body={"access_token": "a", "expires_in": "7200"})
    assert (grant.refresh_token, grant.expires_at) == (None, NOW + timedelta(hours=2))
    assert grant.refresh_expires_at == grant.expires_at
    assert not grant.lacks(PROVIDERS["x"])  # nobody said what was allowed


def test_a_grant_does_not_show_its_tokens():
    grant, _ = exchange("x")
    assert "token" not in repr(grant).replace("refresh_token_", "")
    assert "the-secret" not in repr(client("x"))


@pytest.mark.parametrize(
    "body",
    [
        {"access_token": None},
        {"access_token": ""},
        {"access_token": 5},
        {"access_token": ["a"]},
        {"access_token": "two\nlines"},
        {"access_token": "ünïcode"},
        {"access_token": "x" * 5_000},
        {"access_token": "a", "refresh_token": {"a": 1}},
        {"access_token": "a", "refresh_token": "nul\0"},
        {"access_token": "a", "expires_in": "soon"},
        {"access_token": "a", "expires_in": -1},
        {"access_token": "a", "expires_in": True},
        {"access_token": "a", "expires_in": 1.5},
        {"access_token": "a", "expires_in": [7200]},
        {"access_token": "a", "expires_in": 10**30},
        {"access_token": "a", "refresh_token": "r", "refresh_expires_in": "never"},
        [],
        "a token",
        None,
    ],
    ids=lambda body: json.dumps(body)[:40],
)
def test_what_could_not_stand_in_a_header_or_is_no_life_makes_the_answer_malformed(body):
    assert refusal("x", body=body).kind is ErrorKind.MALFORMED


@pytest.mark.parametrize("life", [10**15, 10**19])
def test_a_life_beyond_all_measure_is_cut(life):
    grant, _ = exchange("x", body=GRANTED | {"expires_in": life})
    assert grant.expires_at < NOW + timedelta(days=4_000)


@pytest.mark.parametrize(
    ("given", "scopes"),
    [
        ("a b", ("a", "b")),
        ("a,b,,a", ("a", "b")),
        (["a", "b c", 5, None, "d"], ("a", "d")),
        ({"a": 1}, ()),
        (None, ()),
        ("x" * 10_000, ("x" * 100,)),
    ],
)
def test_scopes_are_read_in_every_shape_and_never_trusted(given, scopes):
    assert exchange("x", body=GRANTED | {"scope": given})[0].scopes == scopes


# --- What we take for a refusal


@pytest.mark.parametrize(
    ("slug", "status", "body", "code"),
    [
        ("tiktok", 400, {"error": "invalid_grant", "error_description": "used", "log_id": "1"}, "invalid_grant"),
        ("tiktok", 200, {"error": "invalid_grant", "error_description": "used", "log_id": "1"}, "invalid_grant"),
        ("x", 400, {"error": "invalid_request", "error_description": "Value passed was invalid."}, "invalid_request"),
        ("youtube", 400, {"error": "invalid_grant", "error_description": "Malformed auth code."}, "invalid_grant"),
        ("instagram", 400, {"error_type": "OAuthException", "code": 400, "error_message": "used"}, "400"),
    ],
)
def test_a_grant_that_is_void_is_refused_for_good(slug, status, body, code):
    error = refusal(slug, status, body)
    assert (error.kind, error.code, error.retryable) == (ErrorKind.AUTH, code, False)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"error": "invalid_client"}, ErrorKind.UNAVAILABLE),  # our own mistake, and no fault of the person's
        (401, {"error": "unauthorized_client"}, ErrorKind.UNAVAILABLE),
        (400, {"error": "unsupported_grant_type"}, ErrorKind.UNAVAILABLE),
        (400, {}, ErrorKind.UNAVAILABLE),
        (429, {"error": "slow_down"}, ErrorKind.RATE_LIMIT),
        (500, {"error": "invalid_grant"}, ErrorKind.UNAVAILABLE),
        (503, {}, ErrorKind.UNAVAILABLE),
        (302, {}, ErrorKind.UNAVAILABLE),
        (400, {"error": {"code": 2, "message": "later", "is_transient": True}}, ErrorKind.UNAVAILABLE),
        (400, {"error": {"code": 190, "is_transient": True}}, ErrorKind.UNAVAILABLE),
        (400, {"error": {"code": 101, "message": "no such app"}}, ErrorKind.UNAVAILABLE),
        (400, {"error": {"code": 190}}, ErrorKind.AUTH),
    ],
)
def test_whatever_else_a_platform_says_may_pass(status, body, kind):
    assert refusal("tiktok", status, body).kind is kind


def test_the_platforms_own_clock_is_kept():
    assert refusal("x", 429, {}, headers={"Retry-After": "30"}).retry_after_s == 30


@pytest.mark.parametrize(
    "text", ["", "<html>", "nul\0", '{"error": "' + "x" * 5_000 + '"}', '{"error": ["a"]}', '{"error": "a b\\u202e"}']
)
def test_what_a_refusal_says_is_not_repeated(text):
    error = refusal("x", 400, text=text)
    assert (error.kind, error.code) == (ErrorKind.UNAVAILABLE, "http_400")
    assert "\u202e" not in error.message


# --- The steps of Meta's two


def test_instagrams_short_token_becomes_a_long_one():
    with respx.mock() as router, clock.at(NOW):
        router.post(URLS["token_url"]).respond(
            json={"data": [{"access_token": "short", "user_id": 5, "permissions": "a,b"}]}
        )
        route = router.get("https://graph.test/access_token").respond(
            json={"access_token": "long", "token_type": "bearer", "expires_in": 5_183_944}
        )
        grant = oauth.exchange(HTTP, client("instagram"), code="c", redirect_uri="r", verifier="")
        asked = route.calls.last.request.url.params
    assert dict(asked) == {
        "grant_type": "ig_exchange_token",
        "access_token": "short",
        "client_secret": "the-secret",
    }
    end = NOW + timedelta(seconds=5_183_944)
    assert grant == Grant("long", None, end, end, ("a", "b"))


def test_an_instagram_token_renews_itself():
    with respx.mock() as router, clock.at(NOW):
        route = router.get("https://graph.test/refresh_access_token").respond(
            json={"access_token": "longer", "expires_in": 5_184_000}
        )
        grant = oauth.renew(HTTP, client("instagram"), secrets={"access_token": "long"})
        asked = route.calls.last.request.url.params
    assert dict(asked) == {"grant_type": "ig_refresh_token", "access_token": "long"}
    assert (grant.access_token, grant.refresh_expires_at) == ("longer", NOW + timedelta(days=60))


def facebook(pages):
    with respx.mock(assert_all_called=False) as router:
        tokens = iter([{"access_token": "short"}, {"access_token": "long", "expires_in": 5_184_000}])
        router.get("https://graph.test/oauth/access_token").mock(
            side_effect=lambda request: respx.MockResponse(200, json=next(tokens))
        )
        accounts = router.get("https://graph.test/me/accounts").respond(json={"data": pages})
        grant = oauth.exchange(HTTP, client("facebook"), code="c", redirect_uri="r", verifier="")
        return grant, accounts.calls.last.request


def test_a_facebook_page_is_read_with_its_own_token():
    grant, request = facebook([{"id": "1", "access_token": "the-pages"}])
    assert grant == Grant("the-pages")
    assert request.headers["authorization"] == "Bearer long"


@pytest.mark.parametrize(
    ("pages", "code"),
    [
        ([], "no_page"),
        ([{"id": "1"}], "no_page"),
        ([{"id": "1", "access_token": "a"}, {"id": "2", "access_token": "b"}], "several_pages"),
    ],
)
def test_which_page_is_meant_is_never_guessed(pages, code):
    with pytest.raises(PlatformError) as caught:
        facebook(pages)
    assert (caught.value.kind, caught.value.code) == (ErrorKind.PERMISSION, code)


# --- Renewing and giving back


def renew(slug, body):
    with respx.mock() as router, clock.at(NOW):
        router.post(URLS["token_url"]).respond(json=body)
        return oauth.renew(HTTP, client(slug), secrets={"access_token": "a", "refresh_token": "the-old-one"})


@pytest.mark.parametrize("slug", ["tiktok", "x"])
def test_a_new_refresh_token_takes_the_old_ones_place(slug):
    assert renew(slug, GRANTED).refresh_token == "a-refresh-token"


def test_google_keeps_the_refresh_token():
    grant = renew("youtube", {"access_token": "b", "expires_in": 3599})
    assert (grant.access_token, grant.refresh_token, grant.refresh_expires_at) == ("b", "the-old-one", None)


def test_what_holds_no_refresh_token_is_not_renewed():
    with pytest.raises(PlatformError) as caught:
        oauth.renew(HTTP, client("x"), secrets={"access_token": "a"})
    assert caught.value.kind is ErrorKind.AUTH


@pytest.mark.parametrize(("slug", "token"), [("tiktok", "a"), ("x", "r"), ("youtube", "r")])
def test_a_grant_is_given_back(slug, token):
    with respx.mock() as router:
        route = router.post(URLS["revoke_url"]).respond(json={})
        oauth.revoke(HTTP, client(slug), secrets={"access_token": "a", "refresh_token": "r"})
        assert form_of(route.calls.last.request)["token"] == token


@pytest.mark.parametrize("slug", TWO_STEPS)
def test_metas_two_take_nothing_back(slug):
    with respx.mock() as router:
        oauth.revoke(HTTP, client(slug), secrets={"access_token": "a"})
        assert not router.calls


def test_a_platform_without_a_client_id_has_no_client(settings):
    settings.OAUTH = settings.OAUTH | {"x": settings.OAUTH["x"] | {"client_id": ""}}
    assert oauth.client_of("x", livemode=True) is None
    assert oauth.client_of("x", livemode=False) is not None
    assert oauth.client_of("reddit", livemode=True) is None
