import base64
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import respx

from config import clock
from platforms.adapters.base import Profile
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
        "permalink": f"/r/a/comments/{post_id}/a_post/",
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
        self.router = router
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
            text="Text",
            permalink="https://www.reddit.com/r/a/comments/1abc/a_post/",
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
        {"author": "[deleted]", "selftext": "[removed]"},
        {"author": "[deleted]", "selftext": "", "title": "[deleted by user]"},
        *({"banned_by": each} for each in ("AutoModerator", True)),
        *({each: True} for each in ("removed", "spam")),
        {"removal_reason": "legal"},
        {"title": "[ Removed by Reddit ]"},
        {"selftext": "[removed by reddit]"},
        {"selftext": "[ Removed by Reddit in response to a copyright notice. ]"},
        *({"selftext": each} for each in ("[removed]", "[deleted]")),
        {"author": "[deleted]", "selftext": "", "is_robot_indexable": False},
    ],
)
def test_removed_and_deleted_posts_are_missing_though_their_figures_stay(reddit, fields):
    item = post("1abc", **fields)
    reddit.info.respond(json=listing(item))
    assert reddit.fetch("1abc").readings["1abc"] == PostReading("1abc", Availability.MISSING, deleted=True, raw=item)


def test_before_there_was_a_category_the_text_alone_said_removed(reddit):
    item = post("1abc", selftext="[removed]")
    del item["removed_by_category"]
    reddit.info.respond(json=listing(item))
    assert reddit.fetch("1abc").readings["1abc"].deleted


@pytest.mark.parametrize(
    "fields",
    [
        {"is_robot_indexable": False},
        {"removal_reason": None},
        {"author": "[deleted]", "is_robot_indexable": True},
        {"title": "Why was this removed by Reddit?", "selftext": "They wrote [removed] below."},
    ],
)
def test_what_live_posts_say_too_removes_nothing(reddit, fields):
    reddit.info.respond(json=listing(post("1abc", **fields)))
    assert reddit.fetch("1abc").readings["1abc"].availability == "live"


@pytest.mark.parametrize("fields", [{"banned_by": None}, {"removed": False, "spam": False}, {"approved": True}])
def test_what_a_moderator_sees_of_a_live_post_removes_nothing(reddit, fields):
    reddit.info.respond(json=listing(post("1abc", **fields)))
    assert reddit.fetch("1abc").readings["1abc"].availability == "live"


@pytest.mark.parametrize("selftext", ["", "Text"])
def test_a_post_whose_author_left_is_live(reddit, selftext):
    reddit.info.respond(json=listing(post("1abc", author="[deleted]", selftext=selftext, author_fullname=None)))
    reading = reddit.fetch("1abc").readings["1abc"]
    assert (reading.availability, reading.author_handle, reading.metrics.likes) == ("live", None, 120)


@pytest.mark.parametrize("score", [1.5, True, "many", 10**30, [], 2**53])
def test_a_score_that_is_no_count_leaves_the_rest_of_the_reading(reddit, score):
    reddit.info.respond(json=listing(post("1abc", score=score)))
    reading = reddit.fetch("1abc").readings["1abc"]
    assert (reading.metrics, reading.error) == (UnifiedMetrics(comments=8), "malformed_figure")


def test_more_votes_down_than_up_are_no_count_and_no_fault(reddit):
    reddit.info.respond(json=listing(post("1abc", score=-7)))
    reading = reddit.fetch("1abc").readings["1abc"]
    assert (reading.availability, reading.metrics, reading.error) == ("live", UnifiedMetrics(comments=8), None)


@pytest.mark.parametrize(
    ("headers", "rest"),
    [
        ({"X-Ratelimit-Remaining": "0.0", "X-Ratelimit-Reset": "42"}, 42),
        ({"X-Ratelimit-Remaining": "0.9", "X-Ratelimit-Reset": "42"}, 42),
        ({"X-Ratelimit-Remaining": "1.0", "X-Ratelimit-Reset": "42"}, None),
        ({"X-Ratelimit-Remaining": "0.0"}, None),
        ({"X-Ratelimit-Remaining": "none", "X-Ratelimit-Reset": "42"}, None),
        ({}, None),
    ],
)
def test_a_good_answer_says_when_nothing_is_left(reddit, headers, rest):
    reddit.info.respond(json=listing(), headers=headers)
    assert reddit.fetch("1abc").rest_s == rest


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


def test_a_token_revoked_before_its_time_is_renewed_once_and_the_call_repeated(reddit):
    reddit.token.side_effect = [httpx.Response(200, json=GRANT | {"access_token": f"token-{each}"}) for each in (1, 2)]
    reddit.info.side_effect = [
        httpx.Response(200, json=listing()),
        httpx.Response(401),
        httpx.Response(200, json=listing(post("1abc"))),
    ]
    reddit.fetch("1abc")
    spent = []
    answer = reddit.adapter.fetch(HTTP, ["1abc"], spend=spent.append)
    assert answer.readings["1abc"].availability == "live"
    assert (answer.data_calls, spent) == (2, [1, 1])
    assert [each.request.headers["Authorization"] for each in reddit.info.calls] == [
        f"bearer token-{each}" for each in (1, 1, 2)
    ]


def test_whoever_repeats_nothing_gets_the_refusal(reddit):
    reddit.adapter = RedditAdapter(dict(reddit.adapter.config) | {"renews_tokens": False})
    reddit.info.side_effect = [httpx.Response(200, json=listing()), httpx.Response(401)]
    reddit.fetch("1abc")
    assert reddit.refusal().kind == "auth"
    assert (reddit.token.call_count, reddit.info.call_count) == (1, 2)


def test_a_new_token_that_is_refused_is_an_auth_error_at_once(reddit):
    reddit.info.respond(401, headers={"WWW-Authenticate": 'Bearer realm="reddit", error="invalid_token"'})
    error = reddit.refusal()
    assert (error.kind, error.code, error.retryable) == ("auth", "invalid_token", False)
    assert (reddit.token.call_count, reddit.info.call_count) == (1, 1)


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        ({"message": "Forbidden", "error": 403}, {}, "http_403"),
        ({"reason": "private", "message": "Forbidden", "error": 403}, {}, "private"),
        ({}, {"WWW-Authenticate": 'Bearer realm="reddit", error="insufficient_scope"'}, "insufficient_scope"),
    ],
)
def test_a_403_says_whether_the_scope_or_the_place_is_closed(reddit, body, headers, code):
    reddit.info.respond(403, json=body, headers=headers)
    assert (reddit.refusal().kind, reddit.refusal().code) == ("permission", code)


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (200, {"error": "unauthorized_client", "error_description": "x"}, "auth", "unauthorized_client"),
        (200, {"error": 401}, "auth", "http_401"),
        (200, {"message": "Too Many Requests", "error": 429}, "rate_limit", "http_429"),
        (200, {"error": 503}, "unavailable", "http_503"),
        (200, {"error": 1}, "auth", "http_200"),
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


ABOUT = "https://oauth.reddit.test/user/somebody/about"


def test_a_profile_has_the_bio_in_which_a_code_can_stand(reddit):
    about = {"public_description": "I write.\nck-1234", "subscribers": 5}
    account = {"id": "abc", "name": "Somebody", "subreddit": about}
    reddit.router.get(ABOUT).respond(json={"kind": "t2", "data": account})
    assert reddit.adapter.profile(HTTP, "somebody") == Profile("t2_abc", "Somebody", "I write. ck-1234", 5)


@pytest.mark.parametrize(("status", "body"), [(404, {}), (200, {"data": {"name": "somebody", "is_suspended": True}})])
def test_nobody_has_no_profile(reddit, status, body):
    reddit.router.get(ABOUT).respond(status, json=body)
    assert reddit.adapter.profile(HTTP, "somebody") is None


def test_a_profile_that_is_refused_is_an_error(reddit):
    reddit.router.get(ABOUT).respond(503)
    with pytest.raises(PlatformError):
        reddit.adapter.profile(HTTP, "somebody")


@pytest.mark.parametrize("handle", ["", "../admin", "a/b", "a?b", "é"])
def test_a_name_that_is_none_is_not_asked_for(reddit, handle):
    assert reddit.adapter.profile(HTTP, handle) is None


def test_the_user_agent_is_a_setting(reddit):
    reddit.adapter = RedditAdapter(dict(reddit.adapter.config) | {"user_agent": "web:ours:1 (by /u/us)"})
    reddit.fetch("1abc")
    assert {call.request.headers["User-Agent"] for call in reddit.info.calls} == {"web:ours:1 (by /u/us)"}
