import json
from datetime import UTC, datetime

import pytest
import respx

from platforms.adapters.base import Profile
from platforms.adapters.tiktok import USER_FIELDS, VIDEO_FIELDS, TikTokAdapter
from platforms.errors import PlatformError
from platforms.metrics import Availability, PostReading, UnifiedMetrics
from platforms.transport import Http

URL = "https://tiktok.test/v2/video/query/"
ADAPTER = TikTokAdapter({"base_url": "https://tiktok.test", "version": "v2", "credentials": {}})
HTTP = Http()
OK = {"code": "ok", "message": "", "log_id": "20261122"}
ID = "7080213458555737986"


def video(video_id=ID, **fields):
    return {
        "id": video_id,
        "create_time": 1795341600,
        "share_url": f"https://www.tiktok.com/@somebody/video/{video_id}?utm=1",
        "title": "Look! #ad",
        "video_description": "Look! #ad",
        "duration": 15,
        "view_count": 900,
        "like_count": 20,
        "comment_count": 3,
        "share_count": 4,
        **fields,
    }


def videos(*items, **fields):
    return {"data": {"videos": list(items), "cursor": 0, "has_more": False}, "error": OK} | fields


def fetch(*ids, status=200, **answer):
    with respx.mock() as router:
        router.post(URL).respond(status, **answer)
        return ADAPTER.fetch(HTTP, ids or [ID], token="their-token")


def refusal(status=200, **answer):
    with pytest.raises(PlatformError) as caught:
        fetch(status=status, **answer)
    return caught.value


def test_a_batch_is_one_call_with_its_owners_token():
    with respx.mock() as router:
        router.post(URL).respond(json=videos())
        spent = []
        ADAPTER.fetch(HTTP, [ID, "abc", "1" * 21, "2", ID], token="their-token", spend=spent.append)
        (call,) = router.calls
    assert json.loads(call.request.content) == {"filters": {"video_ids": [ID, "2"]}}
    assert dict(call.request.url.params) == {"fields": VIDEO_FIELDS}
    assert call.request.headers["Authorization"] == "Bearer their-token"
    assert call.request.headers["Content-Type"] == "application/json"
    assert spent == [1]


def test_a_video_becomes_a_reading():
    item = video()
    answer = fetch(json=videos(item))
    assert answer.data_calls == 1
    assert answer.readings == {
        ID: PostReading(
            ID,
            Availability.LIVE,
            UnifiedMetrics(views=900, likes=20, comments=3, shares=4),
            posted_at=datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
            title="Look! #ad",
            text="Look! #ad",
            permalink=f"https://www.tiktok.com/@somebody/video/{ID}?utm=1",
            raw=item,
        )
    }


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"title": "A", "video_description": "B"}, "A B"),
        ({"title": "", "video_description": "B"}, "B"),
        ({"title": None, "video_description": None}, None),
    ],
)
def test_a_videos_text_is_its_title_and_description(fields, text):
    assert fetch(json=videos(video(**fields))).readings[ID].text == text


@pytest.mark.parametrize(
    "body",
    [
        videos(),
        videos(data={}),
        videos(data=None),
        videos(data={"videos": None}),
        {"error": OK},
        videos(video("7080213458555737985")),
    ],
)
def test_gone_private_and_other_peoples_videos_are_missing(body):
    assert fetch(json=body).readings == {ID: PostReading(ID, Availability.MISSING)}


@pytest.mark.parametrize(
    ("fields", "metrics", "error"),
    [
        ({"view_count": "900", "share_count": 0}, UnifiedMetrics(900, 20, 3, 0), None),
        ({"like_count": -1}, UnifiedMetrics(900, None, 3, 4), "malformed_figure"),
        ({"comment_count": None}, UnifiedMetrics(900, 20, None, 4), None),
    ],
)
def test_figures_are_read_one_by_one(fields, metrics, error):
    reading = fetch(json=videos(video(**fields))).readings[ID]
    assert (reading.availability, reading.metrics, reading.error) == ("live", metrics, error)


def test_counts_that_are_not_sent_are_none():
    assert fetch(json=videos({"id": ID})).readings[ID].metrics == UnifiedMetrics()


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], "x", {"data": {}}, {"data": []}, {"data": {"cursor": 0}}, {"code": 0, "data": {}}),
        *(videos(data=[1]), videos(data={"videos": {}}), videos(5), videos({}), videos({"id": 7080213458555737986})),
    ],
)
def test_an_answer_of_another_shape_makes_no_post_missing(body):
    assert (refusal(json=body).kind, refusal(json=body).code) == ("malformed", "unexpected_shape")


def error(code, **fields):
    return {"data": {}, "error": {"code": code, "message": "their-token", "log_id": "1"}} | fields


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        *((status, error("access_token_invalid"), "auth", "access_token_invalid") for status in (200, 401)),
        *((status, error("scope_not_authorized"), "permission", "scope_not_authorized") for status in (200, 401)),
        *((status, error("scope_permission_missed"), "permission", "scope_permission_missed") for status in (200, 400)),
        *((status, error("invalid_params"), "invalid", "invalid_params") for status in (200, 400)),
        *((status, error("rate_limit_exceeded"), "rate_limit", "rate_limit_exceeded") for status in (200, 429)),
        *((status, error("internal_error"), "unavailable", "internal_error") for status in (200, 500)),
        (200, error("something_new"), "malformed", "something_new"),
        (200, error(10008), "auth", "10008"),
        (200, {"data": {"error_code": 10008, "description": "x"}, "message": "error"}, "auth", "10008"),
        (200, {"code": 40100, "message": "x", "data": {}}, "rate_limit", "40100"),
        *((200, {"code": each, "message": "x"}, "auth", str(each)) for each in (40104, 40105)),
        (200, {"code": 49999, "message": "x", "data": {}}, "malformed", "49999"),
        (400, error("something_new"), "invalid", "something_new"),
        (403, error("something_new"), "permission", "something_new"),
        (500, error("access_token_invalid"), "unavailable", "access_token_invalid"),
        (401, {"error": "invalid_grant", "error_description": "x"}, "auth", "invalid_grant"),
        (401, error("ok"), "auth", "ok"),
        (404, {}, "not_found", "http_404"),
        (429, [], "rate_limit", "http_429"),
    ],
)
def test_the_code_decides_whatever_the_status(status, body, kind, code):
    refused = refusal(status, json=body)
    assert (refused.kind, refused.code, refused.retry_after_s) == (kind, code, None)
    assert refused.retryable is (kind in ("rate_limit", "unavailable", "malformed"))
    assert "their-token" not in str(refused)


def test_a_page_instead_of_an_answer_goes_by_its_status():
    assert refusal(503, html="<html>").kind == "unavailable"
    assert refusal(200, html="<html>").kind == "malformed"
    assert refusal(200, content=b"").kind == "malformed"
    assert refusal(429, html="<html>", headers={"Retry-After": "9"}).retry_after_s == 9


USER = {"open_id": "o-1", "username": "Somebody", "bio_description": "ck-1234", "follower_count": 5}


def test_a_tokens_owner_is_its_creator():
    with respx.mock() as router:
        route = router.get("https://tiktok.test/v2/user/info/").respond(json={"data": {"user": USER}, "error": OK})
        assert ADAPTER.owner(HTTP, "their-token") == Profile("o-1", "Somebody", "ck-1234", 5)
        assert dict(route.calls.last.request.url.params) == {"fields": USER_FIELDS}
        assert ADAPTER.profile(HTTP, "@somebody", token="t") == Profile("o-1", "Somebody", "ck-1234", 5)
        assert ADAPTER.profile(HTTP, "another", token="t") is None


def test_nobodys_profile_is_shown_without_their_token():
    with pytest.raises(PlatformError) as caught:
        ADAPTER.profile(HTTP, "somebody")
    assert caught.value.code == "connection_required"
