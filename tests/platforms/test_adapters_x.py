from datetime import UTC, datetime

import pytest
import respx

from config import clock
from platforms.adapters.x import XAdapter
from platforms.errors import PlatformError
from platforms.metrics import Availability, PostReading, UnifiedMetrics
from platforms.transport import Http

URL = "https://x.test/2/tweets"
ADAPTER = XAdapter({"base_url": "https://x.test", "credentials": {"bearer_token": "the-token"}})
HTTP = Http()
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
FIGURES = {
    "retweet_count": 4,
    "reply_count": 3,
    "like_count": 20,
    "quote_count": 1,
    "bookmark_count": 2,
    "impression_count": 900,
}


def tweet(post_id, figures=FIGURES, **fields):
    return {
        "id": post_id,
        "text": "Hello",
        "created_at": "2026-11-22T10:00:00.000Z",
        "author_id": "77",
        "edit_history_tweet_ids": [post_id],
        "public_metrics": figures,
        **fields,
    }


def problem(post_id, kind="resource-not-found", host="api.twitter.com", **fields):
    return {
        "value": post_id,
        "resource_id": post_id,
        "resource_type": "tweet",
        "parameter": "ids",
        "title": "Not Found Error",
        "detail": "Could not find it.",
        "type": f"https://{host}/2/problems/{kind}",
        **fields,
    }


def fetch(*ids, status=200, **answer):
    with respx.mock(assert_all_called=False) as router, clock.at(NOW):
        router.get(URL).respond(status, **answer)
        return ADAPTER.fetch(HTTP, ids)


def refusal(status, **answer):
    with pytest.raises(PlatformError) as caught:
        fetch("1", status=status, **answer)
    return caught.value


def test_a_batch_is_one_call_without_the_ids_that_x_would_choke_on():
    with respx.mock() as router:
        router.get(URL).respond(json={"data": [tweet("34"), tweet("12")]})
        answer = ADAPTER.fetch(HTTP, ["12", "abc", "1" * 20, "٣", "34"])
        (call,) = router.calls
    assert call.request.headers["Authorization"] == "Bearer the-token"
    assert dict(call.request.url.params) == {
        "ids": "12,34",
        "tweet.fields": "public_metrics,created_at,author_id,referenced_tweets,edit_history_tweet_ids",
        "expansions": "author_id",
        "user.fields": "username",
    }
    assert [each.availability for each in answer.readings.values()] == ["live", "missing", "missing", "missing", "live"]
    assert answer.data_calls == 1


def test_a_post_becomes_a_reading():
    item = tweet("12")
    answer = fetch("12", json={"data": [item], "includes": {"users": [{"id": "77", "username": "somebody"}]}})
    assert answer.readings == {
        "12": PostReading(
            "12",
            Availability.LIVE,
            UnifiedMetrics(views=900, likes=20, comments=3, shares=4),
            posted_at=datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
            author_id="77",
            author_handle="somebody",
            raw=item,
        )
    }


def test_ids_beyond_2_to_the_53_stay_themselves():
    readings = fetch(
        "1790000000000000001", "1790000000000000003", json={"data": [tweet("1790000000000000003", {"like_count": 3})]}
    ).readings
    assert readings["1790000000000000001"].availability == "missing"
    assert readings["1790000000000000003"].metrics.likes == 3


@pytest.mark.parametrize("host", ["api.twitter.com", "api.x.com"])
def test_each_absence_has_its_own_reason(host):
    body = {
        "data": [tweet("1")],
        "errors": [
            problem("2", host=host),
            problem("3", "not-authorized-for-resource", host),
            problem("4", "not-authorized-for-field", host),
            problem("5", "something-new", host),
            problem("6", host=host, resource_id=None),
            problem("7", "", host),
        ],
    }
    readings = fetch("1", "2", "3", "4", "5", "6", "7", "8", json=body).readings
    assert {each.external_id: (each.availability.value, each.error) for each in readings.values()} == {
        "1": ("live", None),
        "2": ("missing", None),
        "3": ("denied", "not-authorized-for-resource"),
        "4": ("denied", "not-authorized-for-field"),
        "5": ("denied", "something-new"),
        "6": ("missing", None),
        "7": ("denied", "unknown"),
        "8": ("missing", None),
    }
    assert not any(each.deleted for each in readings.values())
    assert readings["2"].raw == body["errors"][0]


def test_nothing_found_has_errors_and_no_data():
    answer = fetch("1", "2", json={"errors": [problem("1"), problem("2", "not-authorized-for-resource")]})
    assert [each.availability for each in answer.readings.values()] == ["missing", "denied"]


def test_an_error_about_a_quoted_post_says_nothing_about_ours():
    quoted = problem("9", parameter="referenced_tweets.id")
    about_us = problem("1", parameter="referenced_tweets.id")
    readings = fetch("1", json={"data": [tweet("1")], "errors": [quoted, about_us]}).readings
    assert readings["1"].availability == "live"
    assert list(readings) == ["1"]


def test_a_post_that_is_shown_is_live_whatever_errors_say():
    body = {"errors": [problem("1", "not-authorized-for-field")], "data": [tweet("1")]}
    assert fetch("1", json=body).readings["1"].availability == "live"


@pytest.mark.parametrize(
    ("figures", "metrics", "error"),
    [
        ({}, UnifiedMetrics(), None),
        ({"repost_count": 4, "like_count": 0}, UnifiedMetrics(likes=0, shares=4), None),
        ({"retweet_count": 4, "repost_count": 5}, UnifiedMetrics(shares=4), None),
        ({"impression_count": 0}, UnifiedMetrics(views=0), None),
        ({"impression_count": -1, "like_count": 2}, UnifiedMetrics(likes=2), "malformed_figure"),
        ({"impression_count": 1.0, "reply_count": True}, UnifiedMetrics(), "malformed_figure"),
        ({"impression_count": 10**30, "retweet_count": "<b>"}, UnifiedMetrics(), "malformed_figure"),
        ({"impression_count": 2**53 - 1}, UnifiedMetrics(views=2**53 - 1), None),
    ],
)
def test_figures_are_read_one_by_one_under_old_and_new_names(figures, metrics, error):
    reading = fetch("1", json={"data": [tweet("1", figures)]}).readings["1"]
    assert (reading.availability, reading.metrics, reading.error) == ("live", metrics, error)


@pytest.mark.parametrize(
    ("created_at", "views", "read"),
    [
        ("2022-11-30T23:59:59Z", 0, None),
        ("2022-11-30T23:59:59Z", 5, 5),
        ("2022-12-01T00:00:00Z", 0, 0),
        (None, 0, 0),
    ],
)
def test_a_nought_from_before_x_counted_views_is_no_figure(created_at, views, read):
    item = tweet("1", {"impression_count": views}, created_at=created_at)
    assert fetch("1", json={"data": [item]}).readings["1"].metrics.views == read


@pytest.mark.parametrize(
    ("fields", "shares"),
    [
        ({"referenced_tweets": [{"type": "retweeted", "id": "9"}]}, None),
        ({"referenced_posts": [{"type": "reposted", "id": "9"}]}, None),
        ({"referenced_tweets": [{"type": "quoted", "id": "9"}]}, 4),
        ({"referenced_tweets": []}, 4),
        ({"referenced_tweets": [{}]}, 4),
    ],
)
def test_a_pure_repost_does_not_boast_of_the_originals_shares(fields, shares):
    assert fetch("1", json={"data": [tweet("1", **fields)]}).readings["1"].metrics.shares == shares


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], "text", {"meta": {}}, {"data": None}, {"data": {}}, {"data": [5]}, {"data": [{}]}),
        *({"data": [{"id": 5}]}, {"errors": {}}, {"errors": [5]}, {"errors": [{"parameter": "ids"}]}),
        *({"data": [tweet("1", [])]}, {"data": [], "includes": []}, {"data": [], "includes": {"users": 5}}),
        {"data": [tweet("1", referenced_tweets="x")]},
    ],
)
def test_an_answer_of_another_shape_makes_no_post_missing(body):
    error = refusal(200, json=body)
    assert (error.kind, error.code, error.retryable) == ("malformed", "unexpected_shape", True)


@pytest.mark.parametrize("users", [[], [{}], [{"id": "77"}], [{"id": "77", "username": 5}], [{"id": []}]])
def test_a_name_that_is_not_given_is_none(users):
    handle = fetch("1", json={"data": [tweet("1")], "includes": {"users": users}}).readings["1"].author_handle
    assert handle is None


def titled(kind="about:blank", **fields):
    return {"title": "Too Many Requests", "detail": "the-token", "type": kind, **fields}


CAPPED = "https://api.twitter.com/2/problems/usage-capped"


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "code", "wait"),
    [
        (429, titled(), {"x-rate-limit-reset": "1795349100"}, "rate_limit", "http_429", 300),
        (429, titled(), {"x-rate-limit-reset": "1795348799"}, "rate_limit", "http_429", None),
        (429, titled(), {"x-rate-limit-reset": "9999999999"}, "rate_limit", "http_429", 86400),
        (429, titled(), {"x-rate-limit-reset": "soon"}, "rate_limit", "http_429", None),
        (429, titled(), {}, "rate_limit", "http_429", None),
        (429, {"errors": [{"code": 88, "message": "Rate limit exceeded"}]}, {}, "rate_limit", "http_429", None),
        (429, [], {}, "rate_limit", "http_429", None),
        (429, titled(CAPPED), {"x-rate-limit-reset": "1795349100"}, "quota", "usage-capped", None),
        (403, titled(CAPPED), {}, "quota", "usage-capped", None),
        (402, titled("https://api.x.com/2/problems/credits"), {"retry-after": "5"}, "quota", "credits", None),
        (402, {}, {}, "quota", "http_402", None),
        (401, titled(), {}, "auth", "http_401", None),
        (
            403,
            titled("https://api.x.com/2/problems/client-not-enrolled"),
            {},
            "permission",
            "client-not-enrolled",
            None,
        ),
        (400, titled("https://api.x.com/2/problems/invalid-request"), {}, "invalid", "invalid-request", None),
        (404, {}, {}, "not_found", "http_404", None),
        (500, titled(CAPPED), {}, "unavailable", "usage-capped", None),
        (503, {}, {"x-rate-limit-reset": "1795349100"}, "unavailable", "http_503", None),
        (503, {}, {"retry-after": "20"}, "unavailable", "http_503", 20),
        (301, {}, {"location": "https://x.com/"}, "unavailable", "http_301", None),
    ],
)
def test_a_refusal_says_what_it_means(status, body, headers, kind, code, wait):
    error = refusal(status, json=body, headers=headers)
    assert (error.kind, error.code, error.retry_after_s) == (kind, code, wait)
    assert error.retryable is (kind in ("rate_limit", "unavailable"))
    assert "the-token" not in str(error)


def test_a_refusal_in_html_goes_by_its_status():
    assert refusal(503, html="<html>").kind == "unavailable"
    assert refusal(200, html="<html>").kind == "malformed"
