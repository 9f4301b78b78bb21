"""People in the sandbox: profiles with a bio, tokens that are taken back, private metrics, and edited posts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from platforms.sandbox import words
from platforms.sandbox.server import SandboxServer
from platforms.sandbox.tokens import Kind, Token
from platforms.sandbox.traits import PLATFORMS
from platforms.sandbox.wire import FaultKind
from platforms.sandbox.world import SPAN, Presence, Series, WorldPost

EPOCH = datetime(2026, 10, 23, tzinfo=UTC)
NOW = EPOCH + SPAN
PROFILES, TEXTS, REVOKE = "/__sandbox__/profiles", "/__sandbox__/texts", "/__sandbox__/revoke"
BEARER = {"Authorization": "Bearer anything"}
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


def token(platform: str, author: int = AUTHOR, number: int = 1) -> str:
    kind = Kind.PAGE if platform == "facebook" else Kind.ACCESS
    return Token(platform, author, number, 0, kind).text


def bearer(platform: str, author: int = AUTHOR, number: int = 1) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(platform, author, number)}"}


def me(http: httpx.Client, platform: str, number: int = 1) -> httpx.Response:
    """What a platform says about whoever a token is of."""
    path, params = {
        "youtube": ("/youtube/v3/channels", {"part": "snippet", "mine": "true"}),
        "x": ("/2/users/me", {"user.fields": "description"}),
        "tiktok": ("/v2/user/info/", {"fields": "bio_description"}),
        "instagram": ("/instagram/v26.0/me", {"fields": "biography"}),
        "facebook": ("/facebook/v26.0/me", {"fields": "about"}),
    }[platform]
    return http.get(path, params=params, headers=bearer(platform, number=number))


# --- Bios and texts


@pytest.mark.parametrize(
    ("platform", "path", "params"),
    [
        ("youtube", "/youtube/v3/channels", {"part": "snippet", "forHandle": "@TheRapidFork"}),
        ("reddit", "/user/Rapid-Fork-106/about", {}),
        ("x", "/2/users/by/username/RapidFork", {"user.fields": "description"}),
        ("instagram", "/instagram/v26.0/me", {"fields": "business_discovery.username(rapid_fork){biography}"}),
    ],
)
def test_a_bio_is_there_for_everybody(http: httpx.Client, platform: str, path: str, params: dict[str, str]) -> None:
    headers = bearer("instagram", 9) if platform == "instagram" else BEARER
    profile = {"platform": platform, "handle": words.handle(platform, AUTHOR), "bio": "find me: cc-4711"}
    assert "cc-4711" not in http.get(path, params=params, headers=headers).text
    assert http.post(PROFILES, json=profile).status_code == 200
    assert "find me: cc-4711" in http.get(path, params=params, headers=headers).raise_for_status().text
    http.post("/__sandbox__/reset")
    assert "cc-4711" not in http.get(path, params=params, headers=headers).text


@pytest.mark.parametrize("platform", ["youtube", "x", "tiktok", "instagram", "facebook"])
def test_a_bio_is_there_for_its_owner(http: httpx.Client, platform: str) -> None:
    profile = {"platform": platform, "handle": words.handle(platform, AUTHOR), "bio": "cc-4711"}
    http.post(PROFILES, json=profile).raise_for_status()
    assert "cc-4711" in me(http, platform).text


def test_a_profile_counts_followers(http: httpx.Client) -> None:
    expected = words.followers(AUTHOR)
    channel = {"part": "statistics", "forHandle": "TheRapidFork"}
    (item,) = http.get("/youtube/v3/channels", params=channel, headers=BEARER).json()["items"]
    assert item["statistics"]["subscriberCount"] == str(expected)
    on_x = http.get("/2/users/by/username/RapidFork", params={"user.fields": "public_metrics"}, headers=BEARER).json()
    assert on_x["data"]["public_metrics"]["followers_count"] == expected
    on_reddit = http.get("/user/Rapid-Fork-106/about", headers=BEARER).json()
    assert on_reddit["data"]["subreddit"]["subscribers"] == expected


def test_youtube_finds_channels_by_id_too(server: SandboxServer, http: httpx.Client) -> None:
    channel_id = server.state.world.author_id("youtube", AUTHOR)
    params = {"part": "id,snippet", "id": f"{channel_id},UCnobody", "key": "k"}
    (channel,) = http.get("/youtube/v3/channels", params=params).json()["items"]
    assert (channel["id"], channel["snippet"]["title"]) == (channel_id, "Rapid Fork")


@pytest.mark.parametrize(
    ("params", "status", "reason"),
    [
        ({"part": "id", "id": "a"}, 403, "forbidden"),
        ({"id": "a", "key": "k"}, 400, "required"),
        ({"part": "id", "key": "k"}, 400, "missingRequiredParameter"),
        ({"part": "id", "key": "k", "mine": "true"}, 401, "required"),
    ],
)
def test_youtube_says_what_is_wrong_with_a_request_for_channels(
    http: httpx.Client, params: dict[str, str], status: int, reason: str
) -> None:
    answer = http.get("/youtube/v3/channels", params=params)
    assert (answer.status_code, answer.json()["error"]["errors"][0]["reason"]) == (status, reason)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/user/nobody/about", 404),
        ("/2/users/by/username/nobody", 200),
        ("/2/users/by/username/no-body", 400),
        ("/youtube/v3/channels?part=id&forHandle=nobody", 200),
    ],
)
def test_nobody_is_nowhere(http: httpx.Client, path: str, status: int) -> None:
    answer = http.get(path, headers=BEARER)
    assert answer.status_code == status
    assert "data" not in answer.json()
    assert not answer.json().get("items")


def test_only_a_user_is_told_who_they_are_on_x(http: httpx.Client) -> None:
    answer = http.get("/2/users/me", headers=BEARER)
    assert (answer.status_code, answer.json()["title"]) == (403, "Unsupported Authentication")
    for path in ("/2/users/me", "/2/users/by/username/RapidFork", "/user/Rapid-Fork-106/about"):
        assert http.get(path).status_code == 401


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_posts_text_can_be_set(server: SandboxServer, http: httpx.Client, platform: str) -> None:
    post = server.state.world.post(platform, Series.EVEN, AUTHOR)
    text = {"platform": platform, "external_id": post.external_id, "text": "cc-4711 & more"}
    assert http.post(TEXTS, json=text).status_code == 200
    path, params = {
        "youtube": ("/youtube/v3/videos", {"part": "snippet", "id": post.external_id}),
        "reddit": ("/api/info", {"id": f"t3_{post.external_id}", "raw_json": "1"}),
        "x": ("/2/tweets", {"ids": post.external_id}),
        "tiktok": ("/v2/video/list/", {"fields": "video_description"}),
        "instagram": (f"/instagram/v26.0/{post.api_id}", {"fields": "caption"}),
        "facebook": (f"/facebook/v26.0/{post.api_id}", {"fields": "description"}),
    }[platform]
    headers = BEARER if platform == "reddit" else bearer(platform)
    answer = http.request("POST" if platform == "tiktok" else "GET", path, params=params, headers=headers)
    assert "cc-4711 & more" in answer.raise_for_status().text


# --- Tokens that are taken back


@pytest.mark.parametrize("platform", ["youtube", "x", "tiktok", "instagram", "facebook"])
@pytest.mark.parametrize("by", ["token", "handle"])
def test_a_token_that_is_taken_back_opens_nothing_and_others_go_on(
    server: SandboxServer, http: httpx.Client, platform: str, by: str
) -> None:
    assert me(http, platform).status_code == 200
    handle = {"platform": platform, "handle": words.handle(platform, AUTHOR)}
    http.post(REVOKE, json={"token": token(platform)} if by == "token" else handle).raise_for_status()
    assert me(http, platform).status_code == (400 if platform in ("instagram", "facebook") else 401)
    # A token given later is good again, and so are other people's.
    assert me(http, platform, number=server.state.notes.next_number()).status_code == 200
    other = http.get("/2/users/me", headers=bearer("x", AUTHOR + 1))
    assert other.status_code == 200
    http.post("/__sandbox__/reset")
    assert me(http, platform).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        (PROFILES, {"platform": "x", "handle": "nobody", "bio": ""}, "handle: nobody on x goes by 'nobody'"),
        (PROFILES, {"platform": "x", "handle": 5, "bio": ""}, "handle: a text"),
        (PROFILES, {"platform": "x", "handle": "RapidFork"}, "bio: a text"),
        (PROFILES, {"platform": "myspace", "handle": "RapidFork", "bio": ""}, "platform: one of"),
        (TEXTS, {"platform": "x", "external_id": "1", "text": ""}, "external_id: x has no such post"),
        (TEXTS, {"platform": "x", "external_id": "1", "words": ""}, "words: unknown"),
        (REVOKE, {"token": "abc"}, "token: one that the sandbox issued"),
        (REVOKE, {"platform": "x"}, "handle: a text"),
        (REVOKE, {}, "platform: one of"),
    ],
)
def test_bad_input_is_refused_with_the_reason(http: httpx.Client, path: str, body: dict[str, Any], reason: str) -> None:
    answer = http.post(path, json=body)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]


# --- X: private metrics and edits


def tweets(http: httpx.Client, *ids: str, headers: dict[str, str], fields: str) -> dict[str, Any]:
    params = {"ids": ",".join(ids), "tweet.fields": fields}
    body: dict[str, Any] = http.get("/2/tweets", params=params, headers=headers).json()
    return body


def live(server: SandboxServer) -> WorldPost:
    posts = server.state.world.posts("x", Series.CURRENT)
    return next(post for post in posts if post.presence_at(NOW) is Presence.LIVE)


def test_private_metrics_are_for_the_owner_of_a_young_post(server: SandboxServer, http: httpx.Client) -> None:
    post = live(server)
    fields = "public_metrics,non_public_metrics"
    (data,) = tweets(http, post.external_id, headers=bearer("x", post.author), fields=fields)["data"]
    assert data["non_public_metrics"]["impression_count"] == data["public_metrics"]["impression_count"]
    assert data["non_public_metrics"]["url_link_clicks"] >= 0
    # Asked for what is not theirs, people lose the post itself; it has not gone.
    for headers in (bearer("x", post.author + 1), BEARER):
        body = tweets(http, post.external_id, headers=headers, fields=fields)
        assert "data" not in body
        assert body["errors"][0]["type"].endswith("/not-authorized-for-field")
    server.state.set_clock(post.published_at + timedelta(days=30), frozen=True)
    assert "data" not in tweets(http, post.external_id, headers=bearer("x", post.author), fields=fields)


def test_every_version_of_an_edited_post_names_them_all(server: SandboxServer, http: httpx.Client) -> None:
    edited = next(post for post in server.state.world.posts("x", Series.CURRENT) if len(post.versions) == 2)
    found = tweets(http, *edited.versions, headers=BEARER, fields="public_metrics")["data"]
    assert [each["id"] for each in found] == list(edited.versions)
    assert [each["edit_history_tweet_ids"] for each in found] == [list(edited.versions)] * 2
    views = [each["public_metrics"]["impression_count"] for each in found]
    assert views[0] < views[1]


# --- Posts in the list, and partial answers


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_listed_post_says_whose_it_is_and_what_else_it_goes_by(
    server: SandboxServer, http: httpx.Client, platform: str
) -> None:
    (listed,) = http.get("/__sandbox__/posts", params={"platform": platform, "count": "1", "offset": "4"}).json()[
        "posts"
    ]
    post = server.state.world.post(platform, Series.CURRENT, 4)
    for name in ("external_id", "api_id", "url", "short_url", "author_handle", "author_id"):
        assert listed[name] == getattr(post, name)


@pytest.mark.parametrize("platform", ["tiktok", "instagram", "facebook"])
def test_posts_are_listed_by_handle(server: SandboxServer, http: httpx.Client, platform: str) -> None:
    handle = words.handle(platform, AUTHOR)
    params = {"platform": platform, "handle": handle, "series": "even", "count": "3", "offset": "1"}
    listed = http.get("/__sandbox__/posts", params=params).json()["posts"]
    expected = [server.state.world.post(platform, Series.EVEN, AUTHOR + 400 * turn) for turn in (1, 2, 3)]
    assert [each["external_id"] for each in listed] == [post.external_id for post in expected]
    assert {each["author_handle"] for each in listed} == {handle}


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"platform": "x", "handle": "RapidFork"}, "on tiktok, instagram, facebook alone"),
        ({"platform": "tiktok", "handle": "nobody"}, "nobody on tiktok"),
    ],
)
def test_a_handle_that_lists_nothing_is_refused(http: httpx.Client, params: dict[str, str], reason: str) -> None:
    answer = http.get("/__sandbox__/posts", params=params)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]


@pytest.mark.parametrize("platform", ["youtube", "reddit", "x"])
def test_a_partial_answer_leaves_out_every_second_post(
    server: SandboxServer, http: httpx.Client, platform: str
) -> None:
    ids = [server.state.world.post(platform, Series.EVEN, index).external_id for index in range(5)]
    server.state.set_fault(platform, FaultKind.PARTIAL, 1, 30)
    path, params = {
        "youtube": ("/youtube/v3/videos", {"part": "id", "id": ",".join(ids)}),
        "reddit": ("/api/info", {"id": ",".join(f"t3_{each}" for each in ids)}),
        "x": ("/2/tweets", {"ids": ",".join(ids)}),
    }[platform]
    text = http.get(path, params=params, headers=BEARER).raise_for_status().text
    assert [each in text for each in ids] == [True, False, True, False, True]
