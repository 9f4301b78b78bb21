"""The sandbox over HTTP: each platform's words, its errors included."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from platforms.sandbox import words
from platforms.sandbox.server import SandboxServer
from platforms.sandbox.world import SPAN, Presence, Series, WorldPost

EPOCH = datetime(2026, 10, 23, tzinfo=UTC)
NOW = EPOCH + SPAN
VIDEOS, TOKEN, INFO, TWEETS = "/youtube/v3/videos", "/api/v1/access_token", "/api/info", "/2/tweets"
BEARER = {"Authorization": "Bearer anything"}
X_FIELDS = "public_metrics,created_at,author_id,referenced_tweets"


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(seed=7, epoch=EPOCH) as running:
        running.state.set_clock(NOW, frozen=True)
        yield running


@pytest.fixture(scope="module")
def http(server: SandboxServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=5) as client:
        yield client


def pick(server: SandboxServer, platform: str, presence: Presence) -> WorldPost:
    posts = server.state.world.posts(platform, Series.CURRENT)
    return next(post for post in posts if post.presence_at(NOW) is presence)


def youtube(http: httpx.Client, *ids: str, **more: str) -> httpx.Response:
    return http.get(VIDEOS, params={"part": "snippet,statistics,status", "key": "k", "id": ",".join(ids), **more})


def reddit(http: httpx.Client, *ids: str, **more: str) -> list[dict[str, Any]]:
    names = ",".join(f"t3_{each}" for each in ids)
    answer = http.get(INFO, params={"id": names, "raw_json": "1", **more}, headers=BEARER)
    assert answer.status_code == 200
    return [child["data"] for child in answer.json()["data"]["children"]]


def x(http: httpx.Client, *ids: str) -> httpx.Response:
    return http.get(TWEETS, params={"ids": ",".join(ids), "tweet.fields": X_FIELDS}, headers=BEARER)


# --- YouTube


def test_youtube_answers_counts_as_strings(server: SandboxServer, http: httpx.Client) -> None:
    post = server.state.world.post("youtube", Series.EVEN, 0)
    body = youtube(http, post.external_id).json()
    (item,) = body["items"]
    assert body["pageInfo"] == {"totalResults": 1, "resultsPerPage": 1}
    assert item["id"] == post.external_id
    assert item["statistics"] == {
        "viewCount": str(post.final.views),
        "likeCount": str(post.final.likes),
        "favoriteCount": "0",
        "commentCount": str(post.final.comments),
    }
    assert item["snippet"]["title"] == post.title
    assert item["snippet"]["channelId"] == post.author_id
    assert datetime.fromisoformat(item["snippet"]["publishedAt"]) == post.published_at
    assert item["status"]["privacyStatus"] == "public"


@pytest.mark.parametrize(("figure", "name"), [("comments", "commentCount"), ("likes", "likeCount")])
def test_youtube_leaves_out_a_count_that_the_owner_hides(
    server: SandboxServer, http: httpx.Client, figure: str, name: str
) -> None:
    posts = server.state.world.posts("youtube", Series.CURRENT)
    post = next(post for post in posts if getattr(post.final, figure) is None)
    (item,) = youtube(http, post.external_id).json()["items"]
    assert name not in item["statistics"]
    assert "viewCount" in item["statistics"]


def test_youtube_gives_only_the_parts_asked_for(server: SandboxServer, http: httpx.Client) -> None:
    post = server.state.world.post("youtube", Series.ARCHIVE, 0)
    (item,) = youtube(http, post.external_id, part="id").json()["items"]
    assert set(item) == {"kind", "etag", "id"}


@pytest.mark.parametrize("presence", [Presence.REMOVED, Presence.DELETED, Presence.PRIVATE])
def test_youtube_leaves_out_what_it_does_not_show(
    server: SandboxServer, http: httpx.Client, presence: Presence
) -> None:
    absent = pick(server, "youtube", presence).external_id
    live = pick(server, "youtube", Presence.LIVE).external_id
    items = youtube(http, absent, "dQw4w9WgXcQ", live, live).json()["items"]
    assert [item["id"] for item in items] == [live]
    assert youtube(http, absent).json()["items"] == []


YOUTUBE_ERRORS = [
    ({"part": "statistics", "id": "a"}, 403, "global", "forbidden", "Method doesn't allow unregistered callers"),
    ({"part": "statistics", "id": "a", "key": ""}, 403, "global", "forbidden", "Please use API Key"),
    ({"id": "a", "key": "k"}, 400, "global", "required", "Required parameter: part"),
    ({"part": "statistic", "id": "a", "key": "k"}, 400, "youtube.part", "unknownPart", "'statistic'"),
    ({"part": "id", "key": "k"}, 400, "youtube.parameter", "missingRequiredParameter", "No filter selected."),
    ({"part": "id", "id": "", "key": "k"}, 400, "youtube.parameter", "missingRequiredParameter", "No filter selected."),
    (
        {"part": "id", "id": "a", "key": "k", "maxResults": "50"},
        400,
        "youtube.parameter",
        "incompatibleParameters",
        "Incompatible parameters specified in the request: id, maxResults",
    ),
    (
        {"part": "id", "id": ",".join("a" * 51), "key": "k"},
        400,
        "youtube.parameter",
        "invalidFilters",
        "The request specifies an invalid filter parameter.",
    ),
]


@pytest.mark.parametrize(("params", "status", "domain", "reason", "message"), YOUTUBE_ERRORS)
def test_youtube_says_what_is_wrong_with_a_request(
    http: httpx.Client, params: dict[str, str], status: int, domain: str, reason: str, message: str
) -> None:
    answer = http.get(VIDEOS, params=params)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, status)
    assert message in error["message"]
    assert error["errors"][0]["message"] == error["message"]
    assert (error["errors"][0]["domain"], error["errors"][0]["reason"]) == (domain, reason)


def test_youtube_takes_fifty_ids_repeated_ids_and_any_form_of_credential(http: httpx.Client) -> None:
    for headers in (BEARER, {"X-Goog-Api-Key": "k"}):
        assert http.get(VIDEOS, params={"part": "id", "id": ["a"] * 50}, headers=headers).status_code == 200
    # The place after a last comma is a fifty-first.
    assert youtube(http, *["a"] * 50, "").status_code == 400


# --- Reddit


def test_reddit_gives_a_token_to_any_application(http: httpx.Client) -> None:
    answer = http.post(TOKEN, data={"grant_type": "client_credentials"}, auth=("id", "secret"))
    grant = answer.json()
    assert answer.status_code == 200
    assert (grant["token_type"], grant["scope"]) == ("bearer", "*")
    assert grant["expires_in"] > 0
    headers = {"Authorization": f"bearer {grant['access_token']}"}
    assert http.get(INFO, params={"id": "t3_a"}, headers=headers).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic Og=="}, {"Authorization": "Basic %%"}, BEARER])
def test_reddit_gives_no_token_without_an_application(http: httpx.Client, headers: dict[str, str]) -> None:
    answer = http.post(TOKEN, data={"grant_type": "client_credentials"}, headers=headers)
    assert answer.status_code == 401
    assert answer.json() == {"message": "Unauthorized", "error": 401}


def test_reddit_refuses_another_grant_with_status_200(http: httpx.Client) -> None:
    answer = http.post(TOKEN, data={"grant_type": "magic"}, auth=("id", "secret"))
    assert (answer.status_code, answer.json()) == (200, {"error": "unsupported_grant_type"})


def test_reddit_refuses_data_without_a_token(http: httpx.Client) -> None:
    answer = http.get(INFO, params={"id": "t3_a"})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_reddit_answers_score_and_comments_but_never_views(server: SandboxServer, http: httpx.Client) -> None:
    post = server.state.world.post("reddit", Series.ARCHIVE, 0)
    (data,) = reddit(http, post.external_id)
    assert data["name"] == f"t3_{post.external_id}"
    assert (data["score"], data["num_comments"]) == (post.final.likes, post.final.comments)
    assert data["ups"] == data["score"]
    assert data["num_crossposts"] == post.final.shares
    assert data["view_count"] is None
    assert data["likes"] is None
    assert data["removed_by_category"] is None
    assert data["title"] == post.title
    assert data["author"] == post.author_handle
    assert data["created_utc"] == post.published_at.timestamp()
    assert data["permalink"] == httpx.URL(post.url).path


def test_reddit_keeps_the_order_asked_and_leaves_out_the_unknown(server: SandboxServer, http: httpx.Client) -> None:
    ids = [server.state.world.post("reddit", Series.ARCHIVE, index).external_id for index in (3, 1, 2)]
    assert [data["id"] for data in reddit(http, ids[0], "0000001", ids[1], ids[2], ids[0])] == ids
    mixed = http.get(INFO, params={"id": f"t1_{ids[0]},t5_abc,{ids[1]},t3_{ids[2]}"}, headers=BEARER).json()
    assert [child["data"]["id"] for child in mixed["data"]["children"]] == [ids[2]]


def test_reddit_still_shows_what_moderators_removed(server: SandboxServer, http: httpx.Client) -> None:
    post = pick(server, "reddit", Presence.REMOVED)
    (data,) = reddit(http, post.external_id)
    assert (data["removed_by_category"], data["author"]) == ("moderator", post.author_handle)
    assert data["score"] == post.figures_at(NOW).likes


def test_reddit_still_shows_what_its_author_deleted(server: SandboxServer, http: httpx.Client) -> None:
    post = pick(server, "reddit", Presence.DELETED)
    (data,) = reddit(http, post.external_id)
    assert (data["removed_by_category"], data["author"], data["selftext"]) == ("deleted", "[deleted]", "[deleted]")
    assert "author_fullname" not in data


def test_reddit_leaves_out_what_is_private(server: SandboxServer, http: httpx.Client) -> None:
    assert reddit(http, pick(server, "reddit", Presence.PRIVATE).external_id) == []


def test_reddit_escapes_texts_unless_asked_for_raw_ones(server: SandboxServer, http: httpx.Client) -> None:
    post = next(post for post in server.state.world.posts("reddit", Series.ARCHIVE) if "&" in post.title)
    assert reddit(http, post.external_id)[0]["title"] == post.title
    assert reddit(http, post.external_id, raw_json="0")[0]["title"] == post.title.replace("&", "&amp;")


def test_reddit_counts_down_in_float_text_with_the_seconds_left(server: SandboxServer, http: httpx.Client) -> None:
    server.state.reset()
    answer = http.get(INFO, params={"id": "t3_a"}, headers=BEARER)
    assert answer.headers["x-ratelimit-used"] == "1"
    assert answer.headers["x-ratelimit-remaining"] == "999.0"
    assert answer.headers["x-ratelimit-reset"] == "600"


def test_reddit_takes_a_hundred_names(http: httpx.Client) -> None:
    for count, status in ((100, 200), (101, 400)):
        answer = http.get(INFO, params={"id": ",".join(["t3_a"] * count)}, headers=BEARER)
        assert answer.status_code == status
    assert answer.json() == {"message": "Bad Request", "error": 400}


# --- X


def test_x_answers_public_metrics_as_numbers(server: SandboxServer, http: httpx.Client) -> None:
    post = server.state.world.post("x", Series.EVEN, 0)
    body = x(http, post.external_id).json()
    (data,) = body["data"]
    assert "errors" not in body
    assert (data["id"], data["author_id"], data["text"]) == (post.external_id, post.author_id, post.title)
    assert data["created_at"].endswith(".000Z")
    assert datetime.fromisoformat(data["created_at"]) == post.published_at
    metrics = data["public_metrics"]
    assert metrics["impression_count"] == post.final.views
    assert metrics["like_count"] == post.final.likes
    assert metrics["reply_count"] == post.final.comments
    assert metrics["retweet_count"] == post.final.shares
    assert {"quote_count", "bookmark_count"} < set(metrics)


def test_x_gives_only_id_and_text_unless_asked(server: SandboxServer, http: httpx.Client) -> None:
    post = server.state.world.post("x", Series.ARCHIVE, 0)
    (data,) = http.get(TWEETS, params={"ids": post.external_id}, headers=BEARER).json()["data"]
    assert set(data) == {"id", "text", "edit_history_tweet_ids"}


def test_x_expands_authors(server: SandboxServer, http: httpx.Client) -> None:
    post = server.state.world.post("x", Series.ARCHIVE, 0)
    params = {"ids": post.external_id, "expansions": "author_id"}
    users = http.get(TWEETS, params=params, headers=BEARER).json()["includes"]["users"]
    assert users == [{"id": post.author_id, "name": words.display_name(post.author), "username": post.author_handle}]


@pytest.mark.parametrize(
    ("presence", "title", "problem"),
    [
        (Presence.REMOVED, "Not Found Error", "resource-not-found"),
        (Presence.DELETED, "Not Found Error", "resource-not-found"),
        (Presence.PRIVATE, "Authorization Error", "not-authorized-for-resource"),
    ],
)
def test_x_mixes_posts_and_errors_in_one_200(
    server: SandboxServer, http: httpx.Client, presence: Presence, title: str, problem: str
) -> None:
    absent = pick(server, "x", presence).external_id
    live = server.state.world.post("x", Series.ARCHIVE, 0).external_id
    answer = x(http, absent, live)
    (error,) = answer.json()["errors"]
    assert answer.status_code == 200
    assert [data["id"] for data in answer.json()["data"]] == [live]
    assert (error["title"], error["type"].rsplit("/", 1)[1]) == (title, problem)
    assert (error["resource_id"], error["value"], error["parameter"]) == (absent, absent, "ids")
    assert "data" not in x(http, absent, "1").json()


X_COMPLAINTS = [
    ({}, "can not be empty"),
    ({"ids": "abc"}, "[abc] does not match ^[0-9]{1,19}$"),
    ({"ids": "1,,2"}, "[] does not match"),
    ({"ids": "1" * 20}, "does not match"),
    ({"ids": ",".join(["1"] * 101)}, "list [101] is not between 1 and 100"),
]


@pytest.mark.parametrize(("params", "complaint"), X_COMPLAINTS)
def test_x_fails_a_whole_call_for_one_bad_id(http: httpx.Client, params: dict[str, str], complaint: str) -> None:
    answer = http.get(TWEETS, params=params, headers=BEARER)
    assert answer.status_code == 400
    assert (answer.json()["title"], answer.json()["type"].rsplit("/", 1)[1]) == ("Invalid Request", "invalid-request")
    assert complaint in answer.json()["errors"][0]["message"]


def test_x_refuses_data_without_a_token(http: httpx.Client) -> None:
    answer = http.get(TWEETS, params={"ids": "1"})
    refusal = {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}
    assert (answer.status_code, answer.json()) == (401, refusal)


def test_x_counts_down_to_a_moment(server: SandboxServer, http: httpx.Client) -> None:
    server.state.reset()
    answer = x(http, "1")
    assert answer.headers["x-rate-limit-limit"] == "3500"
    assert answer.headers["x-rate-limit-remaining"] == "3499"
    assert int(answer.headers["x-rate-limit-reset"]) == int((NOW + timedelta(minutes=15)).timestamp())


# --- All


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", "/__sandbox__/clock", 405)])
def test_paths_and_methods_it_does_not_have_are_refused(
    http: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = http.request(method, path)
    assert answer.status_code == status
    assert path in answer.json()["error"]


def test_a_post_is_not_there_before_it_is_published(server: SandboxServer, http: httpx.Client) -> None:
    post = pick(server, "youtube", Presence.LIVE)
    server.state.set_clock(post.published_at - timedelta(minutes=1), frozen=True)
    before = youtube(http, post.external_id).json()["items"]
    server.state.set_clock(post.published_at + timedelta(hours=1), frozen=True)
    after = youtube(http, post.external_id).json()["items"]
    server.state.set_clock(NOW, frozen=True)
    assert (before, len(after)) == ([], 1)
