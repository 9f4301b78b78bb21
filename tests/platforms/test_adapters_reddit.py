import base64
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import respx

from config import clock
from platforms.adapters.reddit import RedditAdapter
from platforms.errors import PlatformError
from platforms.metrics import Availability, PostReading, UnifiedMetrics
from platforms.transport import Http

URL = "https://oauth.reddit.test/api/info"
TOKEN_URL = "https://www.reddit.test/api/v1/access_token"
GRANT = {"access_token": "token-1", "token_type": "bearer", "expires_in": 3600, "scope": "*"}
HTTP = Http()
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def post(post_id, **fields):
    return {
        "id": post_id,
        "name": f"t3_{post_id}",
        "author": "somebody",
        "author_fullname": "t2_abc",
        "title": "A post",
        "selftext": "Text",
        "created_utc": 1795341600.0,
        "score": 120,
        "ups": 120,
        "num_comments": 8,
        "num_crossposts": 3,
        "view_count": None,
        "likes": None,
        "removed_by_category": None,
        **fields,
    }


def listing(*posts):
    return {"kind": "Listing", "data": {"after": None, "children": [{"kind": "t3", "data": each} for each in posts]}}


class Reddit:
    """The two hosts, and an adapter that has not met them yet."""

    def __init__(self, router):
        self.token = router.post(TOKEN_URL).respond(json=GRANT)
        self.info = router.get(URL).respond(json=listing())
        self.adapter = RedditAdapter(
            {
                "base_url": "https://oauth.reddit.test",
                "token_url": TOKEN_URL,
                "credentials": {"client_id": "the-id", "client_secret": "the-secret"},
            }
        )

    def fetch(self, *ids):
        return self.adapter.fetch(HTTP, ids)

    def refusal(self):
        with pytest.raises(PlatformError) as caught:
            self.fetch("1abc")
        return caught.value


@pytest.fixture
def reddit():
    with respx.mock(assert_all_called=False) as router, clock.at(NOW):
        yield Reddit(router)


def test_the_token_is_asked_for_as_the_application(reddit):
    reddit.fetch("1abc")
    request = reddit.token.calls.last.request
    assert request.headers["Authorization"] == f"Basic {base64.b64encode(b'the-id:the-secret').decode()}"
    assert request.content == b"grant_type=client_credentials"
    assert request.headers["User-Agent"] == "web:claimcheck:0.1.0 (by /u/claimcheck)"


def test_a_batch_is_one_call_for_full_names(reddit):
    answer = reddit.fetch("1abc", "2def", "1abc")
    request = reddit.info.calls.last.request
    assert dict(request.url.params) == {"id": "t3_1abc,t3_2def", "raw_json": "1"}
    assert request.headers["Authorization"] == "bearer token-1"
    assert request.headers["User-Agent"] == "web:claimcheck:0.1.0 (by /u/claimcheck)"
    assert answer.data_calls == 1


def test_a_post_becomes_a_reading_without_views_and_shares(reddit):
    item = post("1abc")
    reddit.info.respond(json=listing(item))
    assert reddit.fetch("1abc").readings == {
        "1abc": PostReading(
            "1abc",
            Availability.LIVE,
            UnifiedMetrics(views=None, likes=120, comments=8, shares=None),
            posted_at=NOW - timedelta(hours=2),
            author_id="t2_abc",
            author_handle="somebody",
            title="A post",
            raw=item,
        )
    }


def test_the_viewers_own_vote_is_no_count(reddit):
    reddit.info.respond(json=listing(post("1abc", likes=True, view_count=99)))
    assert reddit.fetch("1abc").readings["1abc"].metrics == UnifiedMetrics(likes=120, comments=8)


def test_strangers_in_the_answer_are_ignored_and_absent_ids_missing(reddit):
    children = listing(post("9zzz"), post("2def"))
    children["data"]["children"].append({"kind": "t1", "data": post("1abc")})
    children["data"]["children"].append({"kind": "t5", "data": {}})
    reddit.info.respond(json=children)
    readings = reddit.fetch("1abc", "2def").readings
    assert readings["1abc"] == PostReading("1abc", Availability.MISSING)
    assert readings["2def"].availability == "live"
    assert list(readings) == ["1abc", "2def"]


@pytest.mark.parametrize(
    "fields",
    [
        *({"removed_by_category": each} for each in ("moderator", "reddit", "author", "deleted", "copyright_takedown")),
        {"removed_by_category": "moderator", "author": "somebody", "selftext": "[removed]"},
        {"author": "[deleted]", "selftext": "[deleted]"},
    ],
)
def test_removed_and_deleted_posts_are_missing_though_their_figures_stay(reddit, fields):
    item = post("1abc", **fields)
    reddit.info.respond(json=listing(item))
    assert reddit.fetch("1abc").readings["1abc"] == PostReading("1abc", Availability.MISSING, deleted=True, raw=item)


@pytest.mark.parametrize("selftext", ["", "Text", "[removed]"])
def test_a_post_whose_author_left_is_live(reddit, selftext):
    reddit.info.respond(json=listing(post("1abc", author="[deleted]", selftext=selftext, author_fullname=None)))
    reading = reddit.fetch("1abc").readings["1abc"]
    assert (reading.availability, reading.author_handle, reading.metrics.likes) == ("live", None, 120)


@pytest.mark.parametrize("score", [-1, 1.5, True, "many", 10**30, [], 2**53])
def test_a_score_that_is_no_count_leaves_the_rest_of_the_reading(reddit, score):
    reddit.info.respond(json=listing(post("1abc", score=score)))
    reading = reddit.fetch("1abc").readings["1abc"]
    assert (reading.metrics, reading.error) == (UnifiedMetrics(comments=8), "malformed_figure")


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], "text", {"data": None}, {"data": {}}, {"data": {"children": {}}}, {"data": {"children": [5]}}),
        *({"data": {"children": [{"kind": "t3"}]}}, {"data": {"children": [{"kind": "t3", "data": {"id": 5}}]}}),
        {"message": "Forbidden", "error": 403},
    ],
)
def test_an_answer_of_another_shape_makes_no_post_missing(reddit, body):
    reddit.info.respond(json=body)
    assert (reddit.refusal().kind, reddit.refusal().code) == ("malformed", "unexpected_shape")


def test_an_html_page_with_status_200_is_malformed(reddit):
    reddit.info.respond(html="<html>whoa there, pardner!</html>")
    assert (reddit.refusal().kind, reddit.refusal().retryable) == ("malformed", True)


def test_a_token_is_kept_until_a_minute_before_its_end(reddit):
    for minutes, calls in ((0, 1), (58, 1), (59, 2), (60, 2), (117, 2), (118, 3)):
        with clock.at(NOW + timedelta(minutes=minutes)):
            reddit.fetch("1abc")
        assert reddit.token.call_count == calls, minutes


@pytest.mark.parametrize(
    ("life", "kept_hours", "gone_hours"),
    [(86400, 23, 24), (10**9, 23, 24), (59, 0, 0), (0, 0, 0), *((each, 0, 0) for each in (-5, "3600", None, 3600.5))],
)
def test_the_life_of_a_token_is_read_and_not_assumed(reddit, life, kept_hours, gone_hours):
    reddit.token.respond(json=GRANT | {"expires_in": life})
    reddit.fetch("1abc")
    if kept_hours:
        with clock.at(NOW + timedelta(hours=kept_hours)):
            reddit.fetch("1abc")
        assert reddit.token.call_count == 1
    with clock.at(NOW + timedelta(hours=gone_hours)):
        reddit.fetch("1abc")
    assert reddit.token.call_count == 2


def test_a_revoked_token_is_renewed_once_and_the_call_repeated(reddit):
    reddit.token.side_effect = [httpx.Response(200, json=GRANT | {"access_token": f"token-{each}"}) for each in (1, 2)]
    reddit.info.side_effect = [httpx.Response(401), httpx.Response(200, json=listing(post("1abc")))]
    answer = reddit.fetch("1abc")
    assert answer.readings["1abc"].availability == "live"
    assert answer.data_calls == 2
    assert [each.request.headers["Authorization"] for each in reddit.info.calls] == ["bearer token-1", "bearer token-2"]


def test_a_token_refused_twice_is_an_auth_error(reddit):
    reddit.info.respond(401, headers={"WWW-Authenticate": 'Bearer realm="reddit", error="invalid_token"'})
    error = reddit.refusal()
    assert (error.kind, error.retryable) == ("auth", False)
    assert (reddit.token.call_count, reddit.info.call_count) == (2, 2)


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (200, {"error": "unauthorized_client", "error_description": "x"}, "auth", "unauthorized_client"),
        (200, {"error": 401}, "auth", "http_200"),
        (400, {"error": 400}, "auth", "http_400"),
        (401, {"message": "Unauthorized", "error": 401}, "auth", "http_401"),
        (403, {}, "permission", "http_403"),
        (429, {"message": "Too Many Requests", "error": 429}, "rate_limit", "http_429"),
        (500, {"error": "unauthorized_client"}, "unavailable", "http_500"),
        (302, {}, "unavailable", "http_302"),
        (200, {}, "malformed", "no_token"),
        (200, [], "malformed", "unexpected_shape"),
        *((200, {"access_token": each}, "malformed", "no_token") for each in (None, "", 5, "a\r\nb", "tökén", "a\x00")),
    ],
)
def test_a_token_that_is_not_given_is_told_apart(reddit, status, body, kind, code):
    reddit.token.respond(status, json=body)
    error = reddit.refusal()
    assert (error.kind, error.code) == (kind, code)
    assert reddit.info.call_count == 0


def test_a_token_answer_in_html_is_malformed(reddit):
    reddit.token.respond(html="<html>")
    assert reddit.refusal().code == "not_json"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "4"}, 4),
        ({"X-Ratelimit-Reset": "597.0", "X-Ratelimit-Remaining": "0.0"}, 597),
        ({"X-Ratelimit-Reset": "12.3"}, 13),
        ({"X-Ratelimit-Reset": "12", "Retry-After": "4"}, 4),
        ({"X-Ratelimit-Reset": "12", "Retry-After": "soon"}, 12),
        ({"X-Ratelimit-Reset": "1795348800"}, 86400),
        ({"X-Ratelimit-Reset": "-3"}, None),
        ({"X-Ratelimit-Reset": "nan"}, None),
        ({}, None),
    ],
)
def test_a_throttled_call_waits_as_long_as_reddit_says(reddit, headers, wait):
    reddit.info.respond(429, html="<html>", headers=headers)
    error = reddit.refusal()
    assert (error.kind, error.retry_after_s, error.retryable) == ("rate_limit", wait, True)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((each, "unavailable") for each in (500, 502, 503, 504, 520, 522)),
        *((302, "unavailable"), (400, "invalid"), (403, "permission"), (404, "not_found")),
    ],
)
def test_other_refusals_go_by_their_status(reddit, status, kind):
    reddit.info.respond(status, headers={"X-Ratelimit-Reset": "12", "Location": "https://evil.test/"})
    error = reddit.refusal()
    assert (error.kind, error.code, error.retry_after_s) == (kind, f"http_{status}", None)
    assert "the-secret" not in str(error)
