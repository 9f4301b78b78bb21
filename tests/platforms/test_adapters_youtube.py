from datetime import UTC, datetime

import pytest
import respx

from config import clock
from platforms.adapters.base import Profile
from platforms.adapters.youtube import YouTubeAdapter, seconds_to_reset
from platforms.errors import PlatformError
from platforms.metrics import Availability, PostReading, UnifiedMetrics
from platforms.transport import Http

URL = "https://youtube.test/youtube/v3/videos"
ADAPTER = YouTubeAdapter({"base_url": "https://youtube.test", "credentials": {"api_key": "the-key"}})
HTTP = Http()
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def video(video_id, statistics=None, **parts):
    return {
        "kind": "youtube#video",
        "id": video_id,
        "snippet": {
            "publishedAt": "2026-11-01T10:00:00Z",
            "channelId": "UCabc",
            "channelTitle": "A channel",
            "title": "A video",
            "description": "About it.\n#ad",
        },
        "status": {"uploadStatus": "processed", "privacyStatus": "unlisted"},
        "statistics": statistics
        if statistics is not None
        else {"viewCount": "10", "likeCount": "2", "commentCount": "1"},
        **parts,
    }


def fetch(*ids, status=200, **answer):
    with respx.mock(assert_all_called=False) as router, clock.at(NOW):
        router.get(URL).respond(status, **answer)
        return ADAPTER.fetch(HTTP, ids)


def refusal(status=403, **answer):
    with pytest.raises(PlatformError) as caught:
        fetch("a", status=status, **answer)
    return caught.value


def test_a_batch_is_one_call_with_the_key_and_all_ids():
    with respx.mock() as router:
        router.get(URL).respond(json={"items": []})
        ADAPTER.fetch(HTTP, ["abc", "def", "abc"])
        (call,) = router.calls
    assert dict(call.request.url.params) == {
        "part": "snippet,statistics,status",
        "id": "abc,def",
        "key": "the-key",
    }


def test_a_video_becomes_a_reading():
    item = video("abc")
    answer = fetch("abc", json={"items": [item]})
    assert answer.data_calls == 1
    assert answer.readings == {
        "abc": PostReading(
            "abc",
            Availability.LIVE,
            UnifiedMetrics(views=10, likes=2, comments=1, shares=None),
            posted_at=datetime(2026, 11, 1, 10, 0, tzinfo=UTC),
            author_id="UCabc",
            author_handle="A channel",
            title="A video",
            text="About it. #ad",
            raw=item,
        )
    }


def test_ids_are_matched_as_text_in_any_order_and_strangers_are_ignored():
    answer = fetch("abc", "ABC", "gone", json={"items": [video("zzz"), video("ABC", {"viewCount": "7"}), video("abc")]})
    assert list(answer.readings) == ["abc", "ABC", "gone"]
    assert answer.readings["abc"].metrics.views == 10
    assert answer.readings["ABC"].metrics.views == 7
    assert answer.readings["gone"] == PostReading("gone", Availability.MISSING)


def test_gone_private_and_unknown_are_missing_and_not_called_deleted():
    answer = fetch("gone", json={"items": [], "pageInfo": {"totalResults": 0, "resultsPerPage": 0}})
    assert answer.readings == {"gone": PostReading("gone", Availability.MISSING, deleted=False)}


@pytest.mark.parametrize("upload_status", ["deleted", "rejected"])
def test_a_video_that_youtube_says_it_took_away_is_deleted(upload_status):
    item = video("abc", status={"uploadStatus": upload_status})
    reading = fetch("abc", json={"items": [item]}).readings["abc"]
    assert reading == PostReading("abc", Availability.MISSING, deleted=True, raw=item)


@pytest.mark.parametrize(
    ("statistics", "metrics", "error"),
    [
        ({}, UnifiedMetrics(), None),
        ({"viewCount": "0"}, UnifiedMetrics(views=0), None),
        ({"viewCount": "10", "favoriteCount": "0", "dislikeCount": "3"}, UnifiedMetrics(views=10), None),
        ({"viewCount": 10}, UnifiedMetrics(views=10), None),
        ({"viewCount": "9007199254740991"}, UnifiedMetrics(views=2**53 - 1), None),
        ({"viewCount": "9007199254740992", "likeCount": "2"}, UnifiedMetrics(likes=2), "malformed_figure"),
        ({"viewCount": "18446744073709551615"}, UnifiedMetrics(), "malformed_figure"),
        ({"viewCount": "-1", "commentCount": "1"}, UnifiedMetrics(comments=1), "malformed_figure"),
        ({"viewCount": True, "likeCount": 1.5, "commentCount": "<b>"}, UnifiedMetrics(), "malformed_figure"),
    ],
)
def test_figures_are_read_one_by_one(statistics, metrics, error):
    reading = fetch("abc", json={"items": [video("abc", statistics)]}).readings["abc"]
    assert (reading.availability, reading.metrics, reading.error) == ("live", metrics, error)


@pytest.mark.parametrize(
    ("details", "disclosed"),
    [({"hasPaidProductPlacement": True}, True), ({"hasPaidProductPlacement": False}, False), ({}, None)],
)
def test_paid_placement_is_read_where_it_is_told(details, disclosed):
    item = video("abc", paidProductPlacementDetails=details)
    assert fetch("abc", json={"items": [item]}).readings["abc"].disclosed is disclosed


def test_a_list_without_items_is_empty_when_it_says_it_is_a_list():
    answer = fetch("gone", json={"kind": "youtube#videoListResponse", "pageInfo": {"totalResults": 0}})
    assert answer.readings["gone"].availability == "missing"


def test_a_connections_token_speaks_instead_of_our_key():
    with respx.mock() as router:
        router.get(URL).respond(json={"items": []})
        spent = []
        ADAPTER.fetch(HTTP, ["abc"], token="their-token", spend=spent.append)
        (call,) = router.calls
    assert call.request.headers["Authorization"] == "Bearer their-token"
    assert "key" not in call.request.url.params
    assert spent == [1]


CHANNEL = {
    "id": "UC" + "a" * 22,
    "snippet": {"customUrl": "@somebody", "description": "ck-1234"},
    "statistics": {"subscriberCount": "120"},
}


@pytest.mark.parametrize(
    ("handle", "asked"),
    [
        ("@somebody", {"forHandle": "@somebody"}),
        ("somebody", {"forHandle": "@somebody"}),
        (CHANNEL["id"], {"id": CHANNEL["id"]}),
    ],
)
def test_a_profile_is_a_channel(handle, asked):
    with respx.mock() as router:
        router.get("https://youtube.test/youtube/v3/channels").respond(json={"items": [CHANNEL]})
        assert ADAPTER.profile(HTTP, handle) == Profile(CHANNEL["id"], "@somebody", "ck-1234", 120)
        (call,) = router.calls
    assert dict(call.request.url.params) == {"part": "snippet,statistics", "key": "the-key"} | asked


def test_a_tokens_owner_is_its_channel():
    with respx.mock() as router:
        channels = router.get("https://youtube.test/youtube/v3/channels").respond(json={"items": [CHANNEL]})
        assert ADAPTER.owner(HTTP, "their-token").external_id == CHANNEL["id"]
        assert dict(channels.calls.last.request.url.params) == {"part": "snippet,statistics", "mine": "true"}
        channels.respond(json={"items": []})
        with pytest.raises(PlatformError) as caught:
            ADAPTER.owner(HTTP, "their-token")
        assert (caught.value.kind, caught.value.code) == ("permission", "no_channel")
        channels.respond(json={"kind": "youtube#channelListResponse"})
        assert ADAPTER.profile(HTTP, "nobody") is None


def test_parts_that_are_null_are_not_there():
    item = {"id": "abc", "statistics": None, "snippet": None, "status": None}
    assert fetch("abc", json={"items": [item]}).readings["abc"] == PostReading("abc", Availability.LIVE, raw=item)


def test_a_nan_hides_no_code():
    content = b'{"error": {"x": NaN, "errors": [{"reason": "quotaExceeded"}]}}'
    assert refusal(403, content=content).code == "quotaExceeded"


def test_parts_that_are_not_there_are_none():
    reading = fetch("abc", json={"items": [{"id": "abc"}]}).readings["abc"]
    assert reading == PostReading("abc", Availability.LIVE, raw={"id": "abc"})


@pytest.mark.parametrize(
    "body",
    [
        *(
            {},
            [],
            "null",
            "text",
            5,
            {"items": None},
            {"items": {}},
            {"items": "abc"},
            {"items": [None]},
            {"items": ["abc"]},
        ),
        *({"items": [{}]}, {"items": [{"id": 5}]}, {"items": [{"id": {"videoId": "abc"}}]}),
        *({"items": [video("abc", statistics=[])]}, {"items": [video("abc", snippet="x")]}),
        *({"items": [video("abc", status=5)]}, {"error": {"code": 403, "errors": [{"reason": "quotaExceeded"}]}}),
    ],
)
def test_an_answer_of_another_shape_makes_no_post_missing(body):
    error = refusal(200, json=body)
    assert (error.kind, error.code, error.retryable) == ("malformed", "unexpected_shape", True)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>502 Bad Gateway</html>", b'{"items":', b"\xff\xfe\x00", b'{"items": [NaN]}', b"[" * 100_000],
)
def test_a_200_that_is_no_json_is_malformed(content):
    error = refusal(200, content=content)
    assert (error.kind, error.code) == ("malformed", "not_json")


def reason(name, domain="youtube.quota", **more):
    return {
        "error": {
            "code": 403,
            "message": 'You <a href="/x">key=the-key</a>',
            "errors": [{"reason": name, "domain": domain}],
            **more,
        }
    }


def bad_key(message):
    return {"error": {"code": 400, "message": message, "errors": [{"reason": "badRequest", "domain": "global"}]}}


def exhausted(name, limit):
    details = [{"reason": name, "domain": "googleapis.com", "metadata": {"quota_limit": limit}}]
    return reason("rateLimitExceeded", "global", status="RESOURCE_EXHAUSTED", details=details)


UNREADABLE: list[object] = [
    *([], None, "x", {"error": 403}, {"error": {}}, {"error": {"errors": {}}}, {"error": {"errors": [5]}}),
    *({"error": {"errors": [{}]}}, {"error": {"errors": [{"reason": 5}]}}),
]


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "wait"),
    [
        (403, reason("quotaExceeded"), "quota", "quotaExceeded", 20 * 3600),
        (403, reason("dailyLimitExceeded"), "quota", "dailyLimitExceeded", 20 * 3600),
        (403, reason("rateLimitExceeded"), "rate_limit", "rateLimitExceeded", None),
        (403, reason("userRateLimitExceeded"), "rate_limit", "userRateLimitExceeded", None),
        (429, reason("rateLimitExceeded"), "rate_limit", "rateLimitExceeded", None),
        (429, reason("quotaExceeded"), "quota", "quotaExceeded", 20 * 3600),
        (429, {}, "rate_limit", "http_429", None),
        (400, reason("keyInvalid"), "auth", "keyInvalid", None),
        (400, reason("badRequest", details=[{"reason": "API_KEY_INVALID"}]), "auth", "API_KEY_INVALID", None),
        (400, reason("badRequest"), "invalid", "badRequest", None),
        (401, reason("authError"), "auth", "authError", None),
        (400, bad_key("API key not valid. Please pass a valid API key."), "auth", "badRequest", None),
        (403, reason("SERVICE_DISABLED"), "permission", "SERVICE_DISABLED", None),
        (429, exhausted("RATE_LIMIT_EXCEEDED", "defaultPerMinutePerProject"), "rate_limit", "rateLimitExceeded", None),
        (429, exhausted("RATE_LIMIT_EXCEEDED", "defaultPerDayPerProject"), "quota", "rateLimitExceeded", 20 * 3600),
        (
            403,
            reason("rateLimitExceeded", message="Quota exceeded for 'Queries per day'"),
            "quota",
            "rateLimitExceeded",
            20 * 3600,
        ),
        (429, {"error": {"code": 429, "message": "limit 'Queries per day'"}}, "quota", "http_429", 20 * 3600),
        (403, reason("rateLimitExceeded", message="'Queries per minute'"), "rate_limit", "rateLimitExceeded", None),
        (429, reason("rateLimitExceeded", details=None), "rate_limit", "rateLimitExceeded", None),
        *(
            (403, reason(each), "rate_limit", each, None)
            for each in (
                *("userRateLimitExceededUnreg", "servingLimitExceeded", "concurrentLimitExceeded", "limitExceeded"),
            )
        ),
        (403, reason("forbidden", message="Method doesn't allow unregistered callers"), "auth", "forbidden", None),
        (403, reason("forbidden", message="The request is missing a valid API key."), "auth", "forbidden", None),
        (403, reason("forbidden"), "permission", "forbidden", None),
        (403, reason("accessNotConfigured"), "permission", "accessNotConfigured", None),
        (403, reason("ipRefererBlocked"), "permission", "ipRefererBlocked", None),
        (403, reason("<script>"), "permission", "http_403", None),
        (404, reason("videoNotFound"), "not_found", "videoNotFound", None),
        (500, reason("quotaExceeded"), "unavailable", "quotaExceeded", None),
        (503, reason("backendError"), "unavailable", "backendError", None),
        *((403, each, "permission", "http_403", None) for each in UNREADABLE),
        (400, {"error": {"errors": []}}, "invalid", "http_400", None),
        (302, {}, "unavailable", "http_302", None),
    ],
)
def test_the_reason_decides_what_a_refusal_means(status, body, kind, code, wait):
    error = refusal(status, json=body)
    assert (error.kind, error.code, error.retry_after_s) == (kind, code, wait)
    assert error.retryable is (kind in ("rate_limit", "unavailable", "quota"))
    assert "the-key" not in error.message
    assert "<" not in error.message


@pytest.mark.parametrize("status", [403, 429, 500, 502, 503, 504])
def test_a_refusal_in_html_goes_by_its_status(status):
    error = refusal(status, html="<html>Error</html>", headers={"Retry-After": "30"})
    assert error.code == f"http_{status}"
    assert error.retry_after_s == (None if status == 403 else 30)


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        (datetime(2026, 11, 22, 12, 0, tzinfo=UTC), 20),
        (datetime(2026, 7, 1, 6, 59, tzinfo=UTC), 1 / 60),
        (datetime(2026, 7, 1, 7, 0, tzinfo=UTC), 24),
        (datetime(2026, 3, 8, 8, 0, tzinfo=UTC), 23),  # clocks go forward
        (datetime(2026, 11, 1, 8, 0, tzinfo=UTC), 24),  # back, at 09:00 UTC: 24 of the day's 25 hours are left
        (datetime(2026, 11, 1, 7, 0, tzinfo=UTC), 24),  # a wait is a day at most, on a day of 25 hours too
        (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), 9),
    ],
)
def test_the_quota_comes_back_at_midnight_pacific(now, hours):
    assert seconds_to_reset(now) == round(hours * 3600)
