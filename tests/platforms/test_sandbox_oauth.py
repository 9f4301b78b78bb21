"""The sandbox's authorising side: from the page to a token that opens its owner's data, for each platform."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from platforms.sandbox import tokens
from platforms.sandbox.server import SandboxServer
from platforms.sandbox.tokens import Kind, Token
from platforms.sandbox.wire import FaultKind
from platforms.sandbox.world import SPAN

EPOCH = datetime(2026, 10, 23, tzinfo=UTC)
NOW = EPOCH + SPAN
BACK = "https://claimcheck.example/back?from=sandbox"
VERIFIER = "a-verifier-of-at-least-forty-three-characters"
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
PAGES = {
    "tiktok": "/v2/auth/authorize/",
    "x": "/i/oauth2/authorize",
    "youtube": "/o/oauth2/v2/auth",
    "facebook": "/facebook/v26.0/dialog/oauth",
    "instagram": "/instagram/oauth/authorize",
}
TOKENS = {
    "tiktok": "/v2/oauth/token/",
    "x": "/2/oauth2/token",
    "youtube": "/token",
    "facebook": "/facebook/v26.0/oauth/access_token",
    "instagram": "/instagram/oauth/access_token",
}
SCOPES = {"tiktok": "video.list", "x": "tweet.read offline.access"}
HANDLES = {
    "tiktok": "rapidfork",
    "x": "RapidFork",
    "youtube": "TheRapidFork",
    "facebook": "rapid.fork",
    "instagram": "rapid_fork",
}
AUTHOR = 3


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(seed=7, epoch=EPOCH) as running:
        yield running


@pytest.fixture
def http(server: SandboxServer) -> Iterator[httpx.Client]:
    server.state.reset()
    server.state.set_clock(NOW, frozen=True)
    with httpx.Client(base_url=server.url, timeout=5) as client:
        yield client


def client_name(platform: str) -> str:
    return "client_key" if platform == "tiktok" else "client_id"


def request(platform: str, **more: str) -> dict[str, str]:
    """What an application says when it asks for authorisation."""
    said = {
        client_name(platform): "Claimcheck",
        "redirect_uri": BACK,
        "response_type": "code",
        "state": "s t&te",
        "scope": SCOPES.get(platform, ""),
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return {**said, **more}


def redirect(http: httpx.Client, platform: str, **more: str) -> dict[str, str]:
    """What the application is told after the decision."""
    params = request(platform, **{"handle": HANDLES[platform], "decision": "allow", **more})
    answer = http.get(PAGES[platform], params=params)
    assert answer.status_code == 302
    location = answer.headers["location"]
    assert location.startswith(BACK + "&")
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def exchange(http: httpx.Client, platform: str, code: str, **more: str) -> httpx.Response:
    form = {
        client_name(platform): "Claimcheck",
        "client_secret": "secret",
        "code": code,
        "grant_type": "authorization_code",
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
    }
    return http.post(TOKENS[platform], data={name: value for name, value in (form | more).items() if value})


def allowed(http: httpx.Client, platform: str, **more: str) -> dict[str, Any]:
    answer = exchange(http, platform, redirect(http, platform, **more)["code"])
    assert answer.status_code == 200
    grant: dict[str, Any] = answer.json()
    return grant


def lifetime_s(text: str) -> float:
    token = tokens.parse(text)
    assert token is not None
    return token.expiry - NOW.timestamp()


# --- The page


@pytest.mark.parametrize("platform", PAGES)
def test_the_page_asks_in_plain_html(http: httpx.Client, platform: str) -> None:
    answer = http.get(PAGES[platform], params=request(platform, **{client_name(platform): "<b>App</b>"}))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "&lt;b&gt;App&lt;/b&gt; wants to read your videos and their figures" in answer.text
    assert "<script" not in answer.text
    assert answer.text.count("<option") == 11
    assert 'value="s t&amp;te"' in answer.text


@pytest.mark.parametrize(("chosen", "author"), [({}, 0), ({"pick": "rapidfork"}, 3), ({"handle": "@RapidFork"}, 3)])
def test_the_pages_own_form_leads_on(http: httpx.Client, chosen: dict[str, str], author: int) -> None:
    text = http.get(PAGES["tiktok"], params=request("tiktok")).text
    fields = {"handle": text.split('name="handle" value="')[1].split('"')[0], "pick": "", "decision": "allow"}
    for each in text.split('<input type="hidden" ')[1:]:
        name, value = each.split('name="')[1].split('"')[0], each.split('value="')[1].split('"')[0]
        fields[name] = unescape(value)
    answer = http.post(PAGES["tiktok"], data=fields | chosen)
    assert answer.status_code == 302
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    token = tokens.parse(exchange(http, "tiktok", code).json()["access_token"])
    assert token is not None
    assert token.author == author


@pytest.mark.parametrize("platform", PAGES)
def test_a_denial_is_said_with_the_state(http: httpx.Client, platform: str) -> None:
    told = redirect(http, platform, decision="deny")
    assert (told["error"], told["state"]) == ("access_denied", "s t&te")
    assert "code" not in told


def test_a_handle_that_is_nobodys_is_refused_with_a_sentence(http: httpx.Client) -> None:
    answer = http.get(PAGES["x"], params=request("x", handle="<nobody>", decision="allow"))
    assert answer.status_code == 400
    assert "Nobody goes by “&lt;nobody&gt;” here." in answer.text
    assert 'name="decision"' in answer.text


@pytest.mark.parametrize(
    ("platform", "wrong"),
    [
        ("tiktok", {"client_key": ""}),
        ("x", {"redirect_uri": ""}),
        ("x", {"redirect_uri": "javascript:alert(1)"}),
        ("x", {"redirect_uri": "https://"}),
        ("x", {"redirect_uri": "https://a.example/\r\nx: y"}),
        ("x", {"redirect_uri": "http://[::1"}),
        ("x", {"response_type": "token"}),
        ("x", {"code_challenge": ""}),
        ("x", {"code_challenge_method": "plain"}),
        ("x", {"state": ""}),
        ("youtube", {"code_challenge_method": "md5"}),
    ],
)
def test_a_request_that_makes_no_sense_goes_nowhere(http: httpx.Client, platform: str, wrong: dict[str, str]) -> None:
    answer = http.get(PAGES[platform], params=request(platform, decision="allow", handle="x", **wrong))
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "decision" not in answer.text


# --- Codes

REFUSALS: dict[str, Any] = {
    "tiktok": "invalid_grant",
    "x": "invalid_request",
    "youtube": "invalid_grant",
    "facebook": 100,
    "instagram": "OAuthException",
}


def assert_refused(answer: httpx.Response, platform: str) -> None:
    """The refusal of a code, in the platform's own shape."""
    body = answer.json()
    said = body["error_type"] if platform == "instagram" else body["error"]
    assert answer.status_code == 400
    assert (said["code"] if platform == "facebook" else said) == REFUSALS[platform]
    assert "access_token" not in body


@pytest.mark.parametrize("platform", PAGES)
def test_a_code_works_once_and_for_ten_minutes(server: SandboxServer, http: httpx.Client, platform: str) -> None:
    code = redirect(http, platform)["code"]
    assert exchange(http, platform, code).status_code == 200
    assert_refused(exchange(http, platform, code), platform)
    code = redirect(http, platform)["code"]
    server.state.set_clock(NOW + timedelta(minutes=10), frozen=True)
    assert_refused(exchange(http, platform, code), platform)


@pytest.mark.parametrize("platform", PAGES)
@pytest.mark.parametrize("verifier", ["other", ""])
def test_a_code_needs_its_verifier(http: httpx.Client, platform: str, verifier: str) -> None:
    code = redirect(http, platform)["code"]
    assert_refused(exchange(http, platform, code, code_verifier=verifier), platform)


@pytest.mark.parametrize("platform", PAGES)
def test_a_code_cannot_be_guessed(http: httpx.Client, platform: str) -> None:
    assert_refused(exchange(http, platform, "guess"), platform)


@pytest.mark.parametrize("platform", PAGES)
def test_a_code_needs_its_client_and_its_redirect(http: httpx.Client, platform: str) -> None:
    for wrong in ({client_name(platform): "Somebody"}, {"redirect_uri": BACK + "/"}):
        answer = exchange(http, platform, redirect(http, platform)["code"], **wrong)
        assert answer.status_code in (400, 401)
        assert "error" in answer.json() or "error_message" in answer.json()
        assert "access_token" not in answer.json()


def test_a_code_of_one_platform_is_none_of_another(http: httpx.Client) -> None:
    assert_refused(exchange(http, "tiktok", redirect(http, "x")["code"]), "tiktok")


@pytest.mark.parametrize("platform", ["tiktok", "youtube", "facebook", "instagram"])
def test_where_pkce_is_not_required_it_may_be_left_out(http: httpx.Client, platform: str) -> None:
    code = redirect(http, platform, code_challenge="", code_challenge_method="S256")["code"]
    assert exchange(http, platform, code, code_verifier="").status_code == 200


def test_tiktoks_hexadecimal_challenge_is_accepted(http: httpx.Client) -> None:
    code = redirect(http, "tiktok", code_challenge=hashlib.sha256(VERIFIER.encode()).hexdigest())["code"]
    assert exchange(http, "tiktok", code).status_code == 200


@pytest.mark.parametrize("platform", PAGES)
def test_a_client_needs_a_name(http: httpx.Client, platform: str) -> None:
    answer = exchange(http, platform, redirect(http, platform)["code"], **{client_name(platform): ""})
    assert answer.status_code in (400, 401)
    assert "access_token" not in answer.json()


@pytest.mark.parametrize("platform", ["tiktok", "x", "youtube", "instagram"])
def test_an_unknown_grant_is_refused(http: httpx.Client, platform: str) -> None:
    answer = exchange(http, platform, "", grant_type="magic")
    assert answer.status_code == 400


# --- What each platform gives


def test_tiktok_gives_an_open_id_and_rotates_its_refresh_token(server: SandboxServer, http: httpx.Client) -> None:
    grant = allowed(http, "tiktok")
    assert grant["open_id"] == server.state.world.author_id("tiktok", AUTHOR)
    assert (grant["expires_in"], grant["refresh_expires_in"]) == (86_400, 31_536_000)
    assert (grant["scope"], grant["token_type"]) == ("video.list", "Bearer")
    assert lifetime_s(grant["access_token"]) == 86_400
    headers = {"Authorization": f"Bearer {grant['access_token']}"}
    user = http.get("/v2/user/info/", params={"fields": "username"}, headers=headers).json()["data"]["user"]
    assert user == {"username": "rapidfork"}
    renewal = {"grant_type": "refresh_token", "refresh_token": grant["refresh_token"]}
    renewed = exchange(http, "tiktok", "", **renewal).json()
    assert renewed["refresh_token"] != grant["refresh_token"]
    again = exchange(http, "tiktok", "", **renewal)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert set(again.json()) == {"error", "error_description", "log_id"}


def test_tiktok_takes_a_token_back(http: httpx.Client) -> None:
    grant = allowed(http, "tiktok")
    form = {"client_key": "k", "client_secret": "s", "token": grant["access_token"]}
    assert http.post("/v2/oauth/revoke/", data=form).json() == {}
    headers = {"Authorization": f"Bearer {grant['access_token']}"}
    assert http.get("/v2/user/info/", params={"fields": "username"}, headers=headers).status_code == 401
    assert http.post("/v2/oauth/revoke/", data=form | {"token": "x"}).status_code == 400


def test_x_renews_once_with_each_refresh_token(http: httpx.Client) -> None:
    code = redirect(http, "x")["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
    grant = http.post(TOKENS["x"], data=form, auth=("Claimcheck", "secret")).json()
    assert (grant["token_type"], grant["expires_in"], grant["scope"]) == ("bearer", 7_200, "tweet.read offline.access")
    headers = {"Authorization": f"Bearer {grant['access_token']}"}
    assert http.get("/2/users/me", headers=headers).json()["data"]["username"] == "RapidFork"
    renewal = {"grant_type": "refresh_token", "refresh_token": grant["refresh_token"]}
    answers = [http.post(TOKENS["x"], data=renewal, auth=("Claimcheck", "s")) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 400]
    assert answers[1].json()["error_description"] == "Value passed for the token was invalid."
    assert answers[0].json()["refresh_token"]


def test_x_gives_no_refresh_token_unless_it_is_asked_for(http: httpx.Client) -> None:
    assert "refresh_token" not in allowed(http, "x", scope="tweet.read")


def test_x_takes_a_token_back(http: httpx.Client) -> None:
    grant = allowed(http, "x")
    assert http.post("/2/oauth2/revoke", data={"token": grant["access_token"]}).json() == {"revoked": True}
    headers = {"Authorization": f"Bearer {grant['access_token']}"}
    assert http.get("/2/tweets", params={"ids": "1"}, headers=headers).status_code == 401
    assert http.post("/2/oauth2/revoke", data={"token": "x"}).status_code == 400


def test_google_keeps_its_refresh_token(http: httpx.Client) -> None:
    grant = allowed(http, "youtube", access_type="offline")
    assert grant["token_type"] == "Bearer"
    headers = {"Authorization": f"Bearer {grant['access_token']}"}
    (mine,) = http.get("/youtube/v3/channels", params={"part": "snippet", "mine": "true"}, headers=headers).json()[
        "items"
    ]
    assert mine["snippet"]["customUrl"] == "@therapidfork"
    renewal = {"grant_type": "refresh_token", "refresh_token": grant["refresh_token"]}
    for _ in range(2):
        renewed = exchange(http, "youtube", "", **renewal).json()
        assert "refresh_token" not in renewed
        assert renewed["access_token"] != grant["access_token"]
    assert http.post("/revoke", params={"token": grant["refresh_token"]}).status_code == 200
    assert exchange(http, "youtube", "", **renewal).json()["error"] == "invalid_grant"
    assert http.post("/revoke", data={"token": grant["refresh_token"]}).json()["error"] == "invalid_token"
    assert http.get("/youtube/v3/videos", params={"part": "id", "id": "a"}, headers=headers).status_code == 401


def test_google_gives_no_refresh_token_for_online_access(http: httpx.Client) -> None:
    assert "refresh_token" not in allowed(http, "youtube")


def test_facebook_goes_from_code_to_page_token(server: SandboxServer, http: httpx.Client) -> None:
    short = allowed(http, "facebook")
    assert (short["token_type"], short["expires_in"]) == ("bearer", 7_200)
    params = {"client_id": "c", "client_secret": "s", "grant_type": "fb_exchange_token"}
    long = http.get(TOKENS["facebook"], params=params | {"fb_exchange_token": short["access_token"]}).json()
    assert long["expires_in"] == 5_184_000 == lifetime_s(long["access_token"])
    accounts = http.get("/facebook/v26.0/me/accounts", params={"access_token": long["access_token"]}).json()["data"]
    token = tokens.parse(accounts[0]["access_token"])
    assert token == Token("facebook", AUTHOR, token.number if token else 0, 0, Kind.PAGE)
    assert accounts[0]["id"] == server.state.world.author_id("facebook", AUTHOR)
    expired = http.get(TOKENS["facebook"], params=params | {"fb_exchange_token": "sb.facebook.3.1.9"}).json()
    assert (expired["error"]["code"], expired["error"]["error_subcode"]) == (190, 463)


def test_facebook_takes_everything_back(http: httpx.Client) -> None:
    access = {"access_token": allowed(http, "facebook")["access_token"]}
    assert http.delete("/facebook/v26.0/me/permissions", params=access).json() == {"success": True}
    error = http.get("/facebook/v26.0/me", params=access).json()["error"]
    assert (error["code"], error["error_subcode"]) == (190, 458)
    assert http.delete("/facebook/v26.0/me/permissions", params=access).status_code == 400


def test_instagram_goes_from_code_to_a_token_that_is_renewed(server: SandboxServer, http: httpx.Client) -> None:
    short = allowed(http, "instagram")
    assert set(short) == {"access_token", "user_id", "permissions"}
    assert short["user_id"] == server.state.world.author_id("instagram", AUTHOR)
    params = {"grant_type": "ig_exchange_token", "client_secret": "s", "access_token": short["access_token"]}
    long = http.get("/instagram/access_token", params=params).json()
    assert (long["token_type"], long["expires_in"]) == ("bearer", 5_184_000)
    renewal = {"grant_type": "ig_refresh_token", "access_token": long["access_token"]}
    assert "24 hours old" in http.get("/instagram/refresh_access_token", params=renewal).json()["error"]["message"]
    server.state.set_clock(NOW + timedelta(days=1), frozen=True)
    renewed = http.get("/instagram/v26.0/refresh_access_token", params=renewal).json()
    assert renewed["access_token"] != long["access_token"]
    server.state.set_clock(NOW + timedelta(days=61), frozen=True)
    assert http.get("/instagram/refresh_access_token", params=renewal).json()["error"]["code"] == 190


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("access_token", {"grant_type": "magic", "client_secret": "s"}, 100),
        ("access_token", {"grant_type": "ig_exchange_token", "client_secret": "s", "access_token": "x"}, 190),
        (
            "access_token",
            {"grant_type": "ig_exchange_token", "client_secret": "s", "access_token": "sb.instagram.3.1.0"},
            452,
        ),
        ("refresh_access_token", {"grant_type": "magic"}, 100),
        ("refresh_access_token", {"grant_type": "ig_refresh_token", "access_token": "sb.instagram.3.s1.0"}, 100),
    ],
)
def test_instagram_says_why_it_gives_no_token(http: httpx.Client, path: str, params: dict[str, str], code: int) -> None:
    answer = http.get(f"/instagram/{path}", params=params)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


# --- Faults, counters and restarts


@pytest.mark.parametrize("platform", PAGES)
def test_an_auth_fault_refuses_the_application_and_not_the_page(
    server: SandboxServer, http: httpx.Client, platform: str
) -> None:
    server.state.set_fault(platform, FaultKind.AUTH, 1, 30)
    code = redirect(http, platform)["code"]
    assert exchange(http, platform, code).status_code in (400, 401)
    server.state.set_fault(platform, FaultKind.AUTH, 0, 0)
    assert exchange(http, platform, code).status_code == 200
    assert server.state.stats()[platform] == {"data_calls": 0, "posts": 0}


def test_a_token_outlives_a_restart() -> None:
    with SandboxServer(seed=7, epoch=EPOCH) as running, httpx.Client(base_url=running.url) as http:
        grant = allowed(http, "tiktok")
    with SandboxServer(seed=7, epoch=EPOCH) as running, httpx.Client(base_url=running.url) as http:
        headers = {"Authorization": f"Bearer {grant['access_token']}"}
        assert http.get("/v2/user/info/", params={"fields": "username"}, headers=headers).status_code == 200
        renewal = {"grant_type": "refresh_token", "refresh_token": grant["refresh_token"]}
        assert exchange(http, "tiktok", "", **renewal).status_code == 200
