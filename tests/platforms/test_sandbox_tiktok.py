"""TikTok's Display API in the sandbox, over HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from platforms.sandbox.server import SandboxServer
from platforms.sandbox.tokens import Kind, Token
from platforms.sandbox.wire import FaultKind
from platforms.sandbox.world import SPAN, Presence, Series, WorldPost

EPOCH = datetime(2026, 10, 23, tzinfo=UTC)
NOW = EPOCH + SPAN
QUERY, LIST, INFO = "/v2/video/query/", "/v2/video/list/", "/v2/user/info/"
FIELDS = "id,create_time,share_url,title,duration,view_count,like_count,comment_count,share_count"
AUTHOR = 3


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(seed=7, epoch=EPOCH) as running:
        running.state.set_clock(NOW, frozen=True)
        yield running


@pytest.fixture
def http(server: SandboxServer) -> Iterator[httpx.Client]:
    server.state.reset()
    with httpx.Client(base_url=server.url, timeout=5) as client:
        yield client


def bearer(
    author: int = AUTHOR, *, platform: str = "tiktok", kind: Kind = Kind.ACCESS, expiry: int = 0
) -> dict[str, str]:
    return {"Authorization": f"Bearer {Token(platform, author, 1, expiry, kind).text}"}


def ask(http: httpx.Client, *ids: Any, fields: str = FIELDS, headers: dict[str, str] | None = None) -> httpx.Response:
    params = {"fields": fields} if fields else {}
    return http.post(QUERY, params=params, json={"filters": {"video_ids": ids}}, headers=headers or bearer())


def own(server: SandboxServer, presence: Presence = Presence.LIVE, author: int = AUTHOR) -> WorldPost:
    posts = server.state.world.posts_of("tiktok", author, Series.CURRENT)
    return next(post for post in posts if post.presence_at(NOW) is presence)


def test_it_answers_counts_as_numbers_and_ids_as_texts(server: SandboxServer, http: httpx.Client) -> None:
    post = server.state.world.post("tiktok", Series.EVEN, AUTHOR)
    body = ask(http, post.external_id).json()
    assert body["data"]["videos"] == [
        {
            "id": post.external_id,
            "create_time": int(post.published_at.timestamp()),
            "share_url": post.url,
            "title": post.title,
            "duration": 18,
            "view_count": post.final.views,
            "like_count": post.final.likes,
            "comment_count": post.final.comments,
            "share_count": post.final.shares,
        }
    ]
    assert body["data"]["has_more"] is False
    assert (body["error"]["code"], body["error"]["message"]) == ("ok", "")
    assert body["error"]["log_id"]


def test_a_field_that_is_not_named_is_absent(server: SandboxServer, http: httpx.Client) -> None:
    (video,) = ask(http, own(server).external_id, fields="id,view_count").json()["data"]["videos"]
    assert set(video) == {"id", "view_count"}


@pytest.mark.parametrize("presence", [Presence.REMOVED, Presence.DELETED, Presence.PRIVATE])
def test_what_is_gone_or_not_ones_own_is_silently_left_out(
    server: SandboxServer, http: httpx.Client, presence: Presence
) -> None:
    gone = next(
        post
        for author in range(400)
        for post in server.state.world.posts_of("tiktok", author, Series.CURRENT)
        if post.presence_at(NOW) is presence
    )
    mine, foreign = own(server, author=gone.author), own(server, author=(gone.author + 1) % 400)
    wanted = (gone.external_id, foreign.external_id, "7123456789012345678", "x", mine.external_id)
    answer = ask(http, *wanted, headers=bearer(gone.author))
    assert answer.status_code == 200
    assert [video["id"] for video in answer.json()["data"]["videos"]] == [mine.external_id]
    assert answer.json()["error"]["code"] == "ok"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": ""},
        {"Authorization": "Bearer sandbox"},
        bearer(platform="x"),
        bearer(kind=Kind.REFRESH),
        bearer(expiry=int(NOW.timestamp())),
        bearer(author=400),
        {"Authorization": "Bearer sb.tiktok.3"},
    ],
)
@pytest.mark.parametrize("path", [QUERY, LIST, INFO])
def test_only_a_users_token_opens_anything(http: httpx.Client, headers: dict[str, str], path: str) -> None:
    answer = http.request("GET" if path == INFO else "POST", path, params={"fields": "id"}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "access_token_invalid")
    assert answer.json()["data"] == {}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"json": {"filters": {"video_ids": ["1"]}}}, "fields"),
        ({"params": {"fields": "id,views"}, "json": {"filters": {"video_ids": ["1"]}}}, "views"),
        ({"params": {"fields": "id"}, "json": {"filters": {"video_ids": [str(n) for n in range(21)]}}}, "at most 20"),
        ({"params": {"fields": "id"}, "json": {"filters": {"video_ids": []}}}, "video_ids"),
        ({"params": {"fields": "id"}, "json": {"filters": {"video_ids": [7]}}}, "video_ids"),
        ({"params": {"fields": "id"}, "json": {"filters": []}}, "video_ids"),
        ({"params": {"fields": "id"}, "json": []}, "JSON object"),
        ({"params": {"fields": "id"}, "content": b"{"}, "JSON object"),
    ],
)
def test_wrong_parameters_are_refused(http: httpx.Client, options: dict[str, Any], reason: str) -> None:
    answer = http.post(QUERY, headers=bearer(), **options)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_params")
    assert reason in answer.json()["error"]["message"]


def test_twenty_ids_are_not_too_many(http: httpx.Client) -> None:
    assert ask(http, *[str(number) for number in range(20)]).status_code == 200


def test_a_users_videos_are_listed_page_by_page(server: SandboxServer, http: httpx.Client) -> None:
    seen: list[str] = []
    cursor = 0
    for _ in range(3):
        page = {"max_count": 20, "cursor": cursor}
        data = http.post(LIST, params={"fields": "id"}, json=page, headers=bearer()).json()["data"]
        seen += [video["id"] for video in data["videos"]]
        cursor = data["cursor"]
        assert data["has_more"] is True
    expected = [
        post.external_id
        for post in server.state.world.posts_of("tiktok", AUTHOR)
        if post.presence_at(NOW) is Presence.LIVE
    ]
    assert seen == expected[:60]
    last = http.post(LIST, params={"fields": "id"}, json={"cursor": 1_499}, headers=bearer()).json()["data"]
    assert (len(last["videos"]), last["has_more"]) == (1, False)


def test_ten_videos_are_listed_if_nothing_is_said(http: httpx.Client) -> None:
    answer = http.post(LIST, params={"fields": "id"}, headers=bearer())
    assert len(answer.json()["data"]["videos"]) == 10


@pytest.mark.parametrize(
    "page", [{"max_count": 21}, {"max_count": 0}, {"max_count": "5"}, {"cursor": -1}, {"cursor": "x"}]
)
def test_a_page_that_makes_no_sense_is_refused(http: httpx.Client, page: dict[str, Any]) -> None:
    answer = http.post(LIST, params={"fields": "id"}, json=page, headers=bearer())
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_params")


def test_a_user_is_told_who_they_are(server: SandboxServer, http: httpx.Client) -> None:
    profile = {"platform": "tiktok", "handle": "rapidfork", "bio": "cc-4711"}
    http.post("/__sandbox__/profiles", json=profile).raise_for_status()
    fields = "open_id,username,display_name,bio_description"
    user = http.get(INFO, params={"fields": fields}, headers=bearer()).json()["data"]["user"]
    assert user == {
        "open_id": server.state.world.author_id("tiktok", AUTHOR),
        "username": "rapidfork",
        "display_name": "Rapid Fork",
        "bio_description": "cc-4711",
    }


def test_a_partial_answer_leaves_out_every_second_video(server: SandboxServer, http: httpx.Client) -> None:
    ids = [server.state.world.post("tiktok", Series.EVEN, AUTHOR + 400 * turn).external_id for turn in range(5)]
    server.state.set_fault("tiktok", FaultKind.PARTIAL, 1, 30)
    assert [video["id"] for video in ask(http, *ids).json()["data"]["videos"]] == ids[::2]


def test_there_are_no_rate_headers(http: httpx.Client) -> None:
    assert not any("rate" in name for name in ask(http, "1").headers)
