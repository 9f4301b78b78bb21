from datetime import UTC, datetime

import pytest
import respx

from config import clock
from platforms.adapters.base import Profile
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
        "tweet.fields": "public_metrics,created_at,author_id,referenced_tweets,edit_history_tweet_ids,note_tweet",
        "expansions": "author_id",
        "user.fields": "username,public_metrics",
    }
    assert [each.availability for each in answer.readings.values()] == ["live", "missing", "missing", "missing", "live"]
    assert answer.data_calls == 1


def test_a_post_becomes_a_reading():
    item = tweet("12")
    user = {"id": "77", "username": "somebody", "public_metrics": {"followers_count": 12}}
    answer = fetch("12", json={"data": [item], "includes": {"users": [user]}})
    assert answer.readings == {
        "12": PostReading(
            "12",
            Availability.LIVE,
            UnifiedMetrics(views=900, likes=20, comments=3, shares=4),
            posted_at=datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
            author_id="77",
            author_handle="somebody",
            followers=12,
            text="Hello",
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
        ({"impression_count": 1.5, "reply_count": True}, UnifiedMetrics(), "malformed_figure"),
        ({"impression_count": 12.0, "like_count": 1e3}, UnifiedMetrics(views=12, likes=1000), None),
        (None, UnifiedMetrics(), None),
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
    ],
)
def test_a_nought_from_before_x_counted_views_is_no_figure(created_at, views, read):
    item = tweet("1", {"impression_count": views}, created_at=created_at)
    assert fetch("1", json={"data": [item]}).readings["1"].metrics.views == read


def test_a_repost_of_any_age_has_a_nought_of_its_own():
    old = {"created_at": "2021-01-01T00:00:00Z", "referenced_tweets": [{"type": "retweeted", "id": "9"}]}
    assert fetch("1", json={"data": [tweet("1", {"impression_count": 0}, **old)]}).readings["1"].metrics.views == 0
    old["referenced_tweets"] = [{"type": "quoted", "id": "9"}]
    assert fetch("1", json={"data": [tweet("1", {"impression_count": 0}, **old)]}).readings["1"].metrics.views is None


def test_what_is_null_is_absent():
    answer = fetch("1", json={"data": [tweet("1")], "errors": None, "includes": {"users": None}})
    assert answer.readings["1"].availability == "live"
    assert fetch("1", json={"data": None, "errors": [problem("1")], "includes": None}).readings["1"] == PostReading(
        "1", Availability.MISSING, raw=problem("1")
    )


def test_an_id_in_an_error_may_be_a_number():
    numeric = problem("9", "not-authorized-for-resource", resource_id=1790000000000000001, parameter=None)
    assert fetch("1790000000000000001", json={"errors": [numeric]}).readings["1790000000000000001"].error == (
        "not-authorized-for-resource"
    )


@pytest.mark.parametrize(("post_id", "read"), [("20", None), ("1500000000000000000", None), ("1790000000000000001", 0)])
def test_where_no_time_is_told_the_id_tells_about_when(post_id, read):
    item = {"id": post_id, "public_metrics": {"impression_count": 0}}
    assert fetch(post_id, json={"data": [item]}).readings[post_id].metrics.views == read


@pytest.mark.parametrize("kind", ["retweeted", "quoted", "replied_to"])
def test_a_repost_has_its_figures_as_sent(kind):
    item = tweet("1", FIGURES | {"like_count": 0, "impression_count": 0}, referenced_tweets=[{"type": kind, "id": "9"}])
    metrics = fetch("1", json={"data": [item]}).readings["1"].metrics
    assert metrics == UnifiedMetrics(views=0, likes=0, comments=3, shares=4)


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        ({"edit_history_tweet_ids": ["1", "2", "3"]}, "3"),
        ({"edit_history_tweet_ids": ["0", "1"]}, None),
        *(({"edit_history_tweet_ids": each}, None) for each in ([], None, "2", [5])),
    ],
)
def test_an_edited_post_goes_on_under_its_newest_id(fields, read):
    assert fetch("1", json={"data": [tweet("1", **fields)]}).readings["1"].api_id == read


def test_the_newest_id_is_read_under_its_new_name():
    item = tweet("1", edit_history_post_ids=["1", "2"])
    del item["edit_history_tweet_ids"]
    assert fetch("1", json={"data": [item]}).readings["1"].api_id == "2"


def test_a_long_posts_text_is_its_note_and_its_label_is_read():
    item = tweet("1", text="The begin…", note_tweet={"text": "The beginning and\nthe end"}, paid_partnership=True)
    reading = fetch("1", json={"data": [item]}).readings["1"]
    assert (reading.text, reading.disclosed) == ("The beginning and the end", True)


def test_an_error_without_parameter_is_about_us_when_it_names_our_id():
    errors = [{k: v for k, v in problem(each).items() if k != "parameter"} for each in ("1", "9")]
    errors += [problem("2", parameter="id"), problem("3", "not-authorized-for-field", parameter="tweet.fields")]
    readings = fetch("1", "2", "3", json={"errors": errors}).readings
    assert [each.availability for each in readings.values()] == ["missing", "missing", "denied"]


@pytest.mark.parametrize(
    ("code", "kind"), [(88, "rate_limit"), (89, "auth"), (32, "auth"), (130, "malformed"), ("88", "malformed")]
)
def test_errors_without_data_that_name_none_of_ours_make_no_post_missing(code, kind):
    assert refusal(200, json={"errors": [{"code": code, "message": "the-token"}]}).kind == kind
    assert refusal(200, json={"errors": [problem("9", parameter="referenced_tweets.id")]}).kind == "malformed"


@pytest.mark.parametrize(
    ("headers", "rest"),
    [
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "1795348860"}, 60),
        ({"x-rate-limit-remaining": "1", "x-rate-limit-reset": "1795348860"}, None),
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "1795348000"}, None),
        ({"x-rate-limit-remaining": "0"}, None),
    ],
)
def test_a_good_answer_says_when_nothing_is_left(headers, rest):
    assert fetch("1", json={"data": [tweet("1")]}, headers=headers).rest_s == rest


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], "text", {"meta": {}}, {"data": None}, {"data": {}}, {"data": [5]}, {"data": [{}]}),
        *({"data": [{"id": 5}]}, {"errors": {}}, {"errors": [5]}, {"errors": [{"parameter": "ids"}]}),
        *({"data": [tweet("1", [])]}, {"data": [], "includes": []}, {"data": [], "includes": {"users": 5}}),
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


def day(limit, left="0"):
    return {f"x-{limit}-limit-24hour-remaining": left, f"x-{limit}-limit-24hour-reset": "1795356000"}


CAPPED = "https://api.twitter.com/2/problems/usage-capped"


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "code", "wait"),
    [
        (429, titled(), {"x-rate-limit-reset": "1795349100"}, "rate_limit", "http_429", 300),
        (429, titled(), {"x-rate-limit-reset": "1795348799"}, "rate_limit", "http_429", None),
        (429, titled(), {"x-rate-limit-reset": "9999999999"}, "rate_limit", "http_429", 86400),
        (429, titled(), {"x-rate-limit-reset": "soon"}, "rate_limit", "http_429", None),
        (429, titled(), {}, "rate_limit", "http_429", None),
        (429, {"errors": [{"code": 88, "message": "Rate limit exceeded"}]}, {}, "rate_limit", "88", None),
        (400, {"errors": [{"code": 88}]}, {"x-rate-limit-reset": "1795349100"}, "rate_limit", "88", 300),
        (401, {"errors": [{"code": 89, "message": "Invalid or expired token."}]}, {}, "auth", "89", None),
        (400, {"errors": [{"code": 32}]}, {}, "auth", "32", None),
        (503, {"errors": [{"code": 130, "message": "Over capacity"}]}, {}, "unavailable", "http_503", None),
        (429, [], {}, "rate_limit", "http_429", None),
        (429, titled(CAPPED), {"x-rate-limit-reset": "1795349100"}, "quota", "usage-capped", None),
        (403, titled(CAPPED), {}, "quota", "usage-capped", None),
        (402, titled("https://api.x.com/2/problems/credits"), {"retry-after": "5"}, "quota", "credits", None),
        (402, {}, {}, "quota", "http_402", None),
        *(
            (
                403,
                titled(f"https://api.x.com/2/problems/{each}"),
                {"x-rate-limit-reset": "1795349100"},
                "quota",
                each,
                None,
            )
            for each in ("credits", "credits-depleted", "spend-cap-reached")
        ),
        *(
            (status, titled() | {"title": each}, {}, "quota", each, None)
            for status in (403, 429)
            for each in ("SpendCapReached", "CreditsDepleted")
        ),
        *(
            (429, titled(), {"x-rate-limit-reset": "1795348860", **day(limit)}, "rate_limit", "http_429", 7200)
            for limit in ("app", "user")
        ),
        (429, titled(), {"x-rate-limit-reset": "1795348860", **day("app", left="5")}, "rate_limit", "http_429", 60),
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


def test_a_connections_token_speaks_instead_of_ours():
    with respx.mock() as router:
        router.get(URL).respond(json={"data": [tweet("1")]})
        spent = []
        ADAPTER.fetch(HTTP, ["1"], token="their-token", spend=spent.append)
        (call,) = router.calls
    assert call.request.headers["Authorization"] == "Bearer their-token"
    assert spent == [1]


USER = {"id": "77", "username": "Somebody", "description": "ck-1234", "public_metrics": {"followers_count": 5}}


def test_profiles_are_read_by_name_and_by_token():
    with respx.mock() as router:
        router.get("https://x.test/2/users/by/username/somebody").respond(json={"data": USER})
        router.get("https://x.test/2/users/by/username/nobody").respond(json={"errors": [problem("nobody")]})
        router.get("https://x.test/2/users/me").respond(json={"data": USER})
        assert ADAPTER.profile(HTTP, "@somebody") == Profile("77", "Somebody", "ck-1234", 5)
        assert ADAPTER.profile(HTTP, "nobody") is None
        assert ADAPTER.profile(HTTP, "no/body") is None
        assert ADAPTER.owner(HTTP, "their-token").external_id == "77"
        assert router.calls.last.request.headers["Authorization"] == "Bearer their-token"
