"""Moving a running sandbox: clock, faults, counters, and the list of its posts."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from platforms.sandbox.server import SandboxServer
from platforms.sandbox.tokens import Token
from platforms.sandbox.traits import PLATFORMS
from platforms.sandbox.wire import FaultKind
from platforms.sandbox.world import SPAN, Series

EPOCH = datetime(2026, 10, 23, tzinfo=UTC)
NOW = EPOCH + SPAN
BEARER = {"Authorization": "Bearer anything"}
CLOCK, FAULTS, STATS = "/__sandbox__/clock", "/__sandbox__/faults", "/__sandbox__/stats"
RESET, POSTS = "/__sandbox__/reset", "/__sandbox__/posts"
TIKTOK_TOKEN = Token("tiktok", author=3, number=1, expiry=0).text
BATCH = json.dumps([{"method": "GET", "relative_url": f"{node}?fields=id"} for node in ("1", "2")])
CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "youtube": ("GET", "/youtube/v3/videos", {"params": {"part": "id", "id": "a,b", "key": "k"}}),
    "reddit": ("GET", "/api/info", {"params": {"id": "t3_a,t3_b,t3_c"}}),
    "x": ("GET", "/2/tweets", {"params": {"ids": "1"}}),
    "tiktok": (
        "POST",
        "/v2/video/query/",
        {
            "params": {"fields": "id"},
            "json": {"filters": {"video_ids": ["1", "2", "3", "4"]}},
            "headers": {"Authorization": f"Bearer {TIKTOK_TOKEN}"},
        },
    ),
    "instagram": ("POST", "/instagram/v26.0/", {"data": {"batch": BATCH, "access_token": "sandbox"}}),
    "facebook": ("POST", "/facebook/v26.0/", {"data": {"batch": BATCH, "access_token": "sandbox"}}),
}


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
    server.state.reset()


def call(http: httpx.Client, platform: str) -> httpx.Response:
    method, path, options = CALLS[platform]
    return http.request(method, path, **{"headers": BEARER, **options})


def set_fault(http: httpx.Client, platform: str, kind: str, rate: float = 1, seconds: float = 30) -> httpx.Response:
    fault = {"platform": platform, "kind": kind, "rate": rate, "seconds": seconds}
    return http.post(FAULTS, json=fault).raise_for_status()


# --- The clock


def test_the_clock_stands_where_it_was_frozen(http: httpx.Client) -> None:
    answer = http.post(CLOCK, json={"now": "2026-11-01T14:00:00+02:00", "frozen": True})
    assert answer.json() == {"now": "2026-11-01T12:00:00Z", "frozen": True}
    time.sleep(0.02)
    assert http.get(CLOCK).json() == answer.json()


def test_the_clock_runs_on_from_where_it_was_set(http: httpx.Client) -> None:
    http.post(CLOCK, json={"now": "2026-11-01T12:00:00Z", "frozen": False})
    looks = [datetime.fromisoformat(http.get(CLOCK).json()["now"]) for _ in range(2)]
    assert datetime(2026, 11, 1, 12, tzinfo=UTC) < looks[0] < looks[1] < datetime(2026, 11, 1, 12, 1, tzinfo=UTC)


def test_null_is_the_real_time(http: httpx.Client) -> None:
    http.post(CLOCK, json={"now": None, "frozen": False})
    told = datetime.fromisoformat(http.get(CLOCK).json()["now"])
    assert abs(told.timestamp() - time.time()) < 5


def test_figures_follow_the_clock(server: SandboxServer, http: httpx.Client) -> None:
    # The first post is neither gone nor revised in this seed.
    post = server.state.world.post("x", Series.CURRENT, 0)
    seen = []
    for day in (1, 5, 20, 40):
        http.post(CLOCK, json={"now": (post.published_at + timedelta(days=day)).isoformat(), "frozen": True})
        params = {"ids": post.external_id, "tweet.fields": "public_metrics"}
        answer = http.get("/2/tweets", params=params, headers=BEARER).json()
        seen.append(answer["data"][0]["public_metrics"]["impression_count"])
    assert seen[0] < seen[1] < seen[2] == seen[3] == post.final.views


# --- Faults that answer

ANSWERS = [
    ("youtube", "rate_limit", 403, "rateLimitExceeded"),
    ("youtube", "quota", 403, "quotaExceeded"),
    ("youtube", "auth", 400, "API_KEY_INVALID"),
    ("youtube", "server_error", 503, "backendError"),
    ("reddit", "rate_limit", 429, "<html>"),
    ("reddit", "quota", 429, '{"message":"Too Many Requests","error":429}'),
    ("reddit", "auth", 401, '{"message":"Unauthorized","error":401}'),
    ("reddit", "server_error", 503, ""),
    ("x", "rate_limit", 429, '"title":"Too Many Requests","type":"about:blank","status":429'),
    ("x", "quota", 429, "problems/usage-capped"),
    ("x", "auth", 401, '"title":"Unauthorized"'),
    ("x", "server_error", 503, '"status":503'),
    ("tiktok", "rate_limit", 429, '"code":"rate_limit_exceeded"'),
    ("tiktok", "quota", 429, "daily quota"),
    ("tiktok", "auth", 401, '"code":"access_token_invalid"'),
    ("tiktok", "server_error", 500, '"code":"internal_error"'),
    ("instagram", "rate_limit", 400, '"type":"OAuthException","code":80002'),
    ("instagram", "quota", 403, '"type":"OAuthException","code":4,"is_transient":true'),
    ("instagram", "auth", 400, '"code":190,"error_subcode":460'),
    ("instagram", "server_error", 503, '"code":2,"is_transient":true'),
    ("facebook", "rate_limit", 403, '"type":"OAuthException","code":32'),
    ("facebook", "quota", 403, '"code":4'),
    ("facebook", "auth", 400, '"code":190,"error_subcode":460'),
    ("facebook", "server_error", 503, '"code":2'),
]


@pytest.mark.parametrize(("platform", "kind", "status", "words"), ANSWERS)
def test_a_fault_speaks_as_its_platform_does(
    http: httpx.Client, platform: str, kind: str, status: int, words: str
) -> None:
    set_fault(http, platform, kind)
    answer = call(http, platform)
    assert answer.status_code == status
    assert words in answer.text
    assert bool(answer.content) == bool(words)
    for other in set(PLATFORMS) - {platform}:
        assert call(http, other).status_code == 200


def test_youtubes_quota_message_holds_html(http: httpx.Client) -> None:
    set_fault(http, "youtube", "quota")
    error = call(http, "youtube").json()["error"]
    assert '<a href="/youtube/v3/getting-started#quota">' in error["message"]
    assert error["errors"][0]["domain"] == "youtube.quota"


def test_throttling_ends_when_the_fault_does_and_says_so(http: httpx.Client) -> None:
    set_fault(http, "*", "rate_limit", seconds=90)
    assert 89 <= int(call(http, "reddit").headers["retry-after"]) <= 90
    headers = call(http, "x").headers
    assert headers["x-rate-limit-remaining"] == "0"
    assert 89 <= int(headers["x-rate-limit-reset"]) - NOW.timestamp() <= 90
    assert "retry-after" not in headers
    # Meta counts minutes, TikTok says nothing.
    for platform in ("instagram", "facebook"):
        headers = call(http, platform).headers
        (uses,) = json.loads(headers["x-business-use-case-usage"]).values()
        assert (uses[0]["call_count"], uses[0]["estimated_time_to_regain_access"]) == (100, 2)
        assert "retry-after" not in headers
    assert not {"retry-after", "x-rate-limit-reset"} & set(call(http, "tiktok").headers)


def test_only_a_refused_application_reaches_reddits_tokens(http: httpx.Client) -> None:
    form, auth = {"grant_type": "client_credentials"}, ("id", "secret")
    set_fault(http, "reddit", "server_error")
    assert http.post("/api/v1/access_token", data=form, auth=auth).status_code == 200
    set_fault(http, "reddit", "auth")
    assert http.post("/api/v1/access_token", data=form, auth=auth).status_code == 401


@pytest.mark.parametrize("platform", PLATFORMS)
def test_malformed_is_a_success_that_is_no_json(http: httpx.Client, platform: str) -> None:
    set_fault(http, platform, "malformed")
    answer = call(http, platform)
    assert answer.status_code == 200
    assert answer.content
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_slow_answers_late_but_rightly(http: httpx.Client) -> None:
    set_fault(http, "x", "slow")
    answer = call(http, "x")
    assert answer.status_code == 200
    assert answer.elapsed > timedelta(seconds=1.9)


# --- Faults that do not


def test_reset_drops_the_connection(server: SandboxServer, http: httpx.Client) -> None:
    set_fault(http, "x", "reset")
    with socket.create_connection(("127.0.0.1", httpx.URL(server.url).port or 0), timeout=5) as plain:
        plain.sendall(b"GET /2/tweets?ids=1 HTTP/1.1\r\nHost: sandbox\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            plain.recv(1)
    with pytest.raises(httpx.NetworkError):
        call(http, "x")


def test_timeout_lets_a_call_wait_in_vain(http: httpx.Client) -> None:
    set_fault(http, "x", "timeout")
    with pytest.raises(httpx.ReadTimeout):
        http.get("/2/tweets", params={"ids": "1"}, headers=BEARER, timeout=0.2)
    assert call(http, "youtube").status_code == 200


@pytest.mark.parametrize("ending", ["the seconds are over", "reset", "rate 0"])
def test_a_call_that_hangs_is_let_go_when_the_fault_ends(http: httpx.Client, ending: str) -> None:
    set_fault(http, "x", "timeout", seconds=0.3 if ending == "the seconds are over" else 30)
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(call, http, "x")
        time.sleep(0.1)
        if ending == "reset":
            http.post(RESET)
        elif ending == "rate 0":
            set_fault(http, "x", "timeout", rate=0)
        with pytest.raises(httpx.RemoteProtocolError):
            hanging.result(timeout=3)
    assert call(http, "x").status_code == 200


def test_a_stopped_sandbox_ends_kept_alive_connections_at_once() -> None:
    with SandboxServer(seed=7, epoch=EPOCH) as running, httpx.Client(base_url=running.url) as client:
        assert client.get("/").status_code == 200
        running.__exit__(None, None, None)
        with pytest.raises(httpx.NetworkError):
            client.get("/")


# --- When faults strike


def test_a_fault_lasts_its_seconds_of_real_time(http: httpx.Client) -> None:
    set_fault(http, "x", "auth", seconds=0.2)
    assert call(http, "x").status_code == 401
    time.sleep(0.25)
    assert call(http, "x").status_code == 200


def test_rate_nought_takes_a_fault_away(http: httpx.Client) -> None:
    set_fault(http, "x", "auth")
    set_fault(http, "x", "quota")
    kinds = [
        fault["kind"] for fault in http.post(FAULTS, json={"platform": "x", "kind": "auth", "rate": 0}).json()["faults"]
    ]
    assert kinds == ["quota"]
    assert call(http, "x").status_code == 429


def test_a_rate_is_the_part_of_calls_that_fail_and_the_same_each_time(http: httpx.Client) -> None:
    def fails() -> list[bool]:
        set_fault(http, "x", "auth", rate=0.3)
        return [call(http, "x").status_code == 401 for _ in range(100)]

    first = fails()
    assert fails() == first
    assert 15 < sum(first) < 45


def test_a_star_is_every_platform(http: httpx.Client) -> None:
    answer = set_fault(http, "*", "server_error")
    assert [fault["platform"] for fault in answer.json()["faults"]] == list(PLATFORMS)
    assert {call(http, platform).status_code for platform in PLATFORMS} == {500, 503}


# --- Counters


def test_data_calls_and_posts_are_counted_and_tokens_are_not(http: httpx.Client) -> None:
    http.post("/api/v1/access_token", data={"grant_type": "client_credentials"}, auth=("id", "secret"))
    call(http, "reddit")
    call(http, "youtube")
    call(http, "youtube")
    set_fault(http, "x", "server_error")
    call(http, "x")
    for platform in ("tiktok", "instagram", "facebook"):
        call(http, platform)
    assert http.get(STATS).json() == {
        "youtube": {"data_calls": 2, "posts": 4},
        "reddit": {"data_calls": 1, "posts": 3},
        "x": {"data_calls": 1, "posts": 1},
        "tiktok": {"data_calls": 1, "posts": 4},
        "instagram": {"data_calls": 1, "posts": 2},
        "facebook": {"data_calls": 1, "posts": 2},
    }


def test_counters_lose_nothing_under_many_threads(http: httpx.Client) -> None:
    with ThreadPoolExecutor(16) as pool:
        statuses = set(pool.map(lambda _: call(http, "reddit").status_code, range(400)))
    assert statuses == {200}
    assert http.get(STATS).json()["reddit"] == {"data_calls": 400, "posts": 1200}


def test_reset_clears_faults_and_counters_and_leaves_the_clock(http: httpx.Client) -> None:
    before = http.get(CLOCK).json()
    set_fault(http, "*", "server_error")
    call(http, "x")
    assert http.post(RESET).status_code == 200
    assert http.get(STATS).json() == {platform: {"data_calls": 0, "posts": 0} for platform in PLATFORMS}
    assert call(http, "x").status_code == 200
    assert http.get(CLOCK).json() == before


# --- Posts and the front page


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("series", Series)
def test_posts_are_listed_with_their_views_now(
    server: SandboxServer, http: httpx.Client, platform: str, series: Series
) -> None:
    params = {"platform": platform, "series": series.name, "count": "3", "offset": "5"}
    listed = http.get(POSTS, params=params).json()["posts"]
    expected = [server.state.world.post(platform, series, index) for index in (5, 6, 7)]
    assert [(each["platform"], each["url"], each["external_id"], each["views"]) for each in listed] == [
        (platform, post.url, post.external_id, post.figures_at(NOW).views) for post in expected
    ]
    assert [each["presence"] for each in listed] == [post.presence_at(NOW) for post in expected]


def test_twenty_current_posts_are_listed_if_nothing_is_said(http: httpx.Client) -> None:
    short, full = ({"platform": "x"}, {"platform": "x", "series": "current", "count": "20", "offset": "0"})
    assert http.get(POSTS, params=short).json() == http.get(POSTS, params=full).json()
    assert len(http.get(POSTS, params=short).json()["posts"]) == 20


def test_the_front_page_says_what_this_is(http: httpx.Client) -> None:
    answer = http.get("/")
    assert answer.headers["content-type"].startswith("text/plain")
    for path in (CLOCK, FAULTS, STATS, RESET, POSTS, "/api/v1/access_token", *(path for _, path, _ in CALLS.values())):
        assert path in answer.text
    assert all(kind in answer.text for kind in FaultKind)


# --- Input that makes no sense

BAD_BODIES: list[tuple[str, Any, str]] = [
    (CLOCK, {"now": "yesterday"}, "now: 'yesterday' is not an ISO 8601 time"),
    (CLOCK, {"now": 5}, "now: null or an ISO 8601 time"),
    (CLOCK, {"now": "1999-12-31T23:59:59Z"}, "between the years 2000 and 2099"),
    (CLOCK, {"now": None, "frozen": "yes"}, "frozen: true or false"),
    (CLOCK, {"now": None, "speed": 2}, "speed: unknown"),
    (CLOCK, [], "the body must be a JSON object"),
    (FAULTS, {"platform": "myspace", "kind": "auth", "rate": 1, "seconds": 1}, "platform: one of youtube, reddit, x"),
    (FAULTS, {"kind": "auth", "rate": 1, "seconds": 1}, "platform: one of"),
    (FAULTS, {"platform": "x", "kind": "gremlins", "rate": 1, "seconds": 1}, "kind: one of rate_limit"),
    (FAULTS, {"platform": "x", "kind": "auth", "rate": 1.1, "seconds": 1}, "rate: a number from 0 to 1"),
    (FAULTS, {"platform": "x", "kind": "auth", "rate": True, "seconds": 1}, "rate: a number"),
    (FAULTS, {"platform": "x", "kind": "auth", "rate": 1}, "seconds: a number"),
    (FAULTS, {"platform": "x", "kind": "auth", "rate": 1, "seconds": -1}, "seconds: a number"),
]


@pytest.mark.parametrize(("path", "body", "reason"), BAD_BODIES)
def test_bad_control_input_is_refused_with_the_reason(http: httpx.Client, path: str, body: Any, reason: str) -> None:
    answer = http.post(path, json=body)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b'{"rate": NaN, "platform": "x", "kind": "auth"}'])
def test_a_control_body_that_is_no_json_is_refused(http: httpx.Client, raw: bytes) -> None:
    answer = http.post(FAULTS, content=raw)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({}, "platform: one of"),
        ({"platform": "x", "series": "old"}, "series: one of current, archive, even"),
        ({"platform": "x", "count": "many"}, "count: a whole number"),
        ({"platform": "x", "count": "1001"}, "count: at most 1000"),
        ({"platform": "x", "offset": "-1"}, "offset: a whole number"),
        ({"platform": "x", "offset": "٣"}, "offset: a whole number"),
    ],
)
def test_a_bad_query_for_posts_is_refused_with_the_reason(
    http: httpx.Client, query: dict[str, str], reason: str
) -> None:
    answer = http.get(POSTS, params=query)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]


@pytest.mark.parametrize(
    ("head", "status"),
    [(b"Content-Length: x", b"411"), (b"Transfer-Encoding: chunked", b"411"), (b"Content-Length: 1048577", b"413")],
)
def test_a_body_it_cannot_read_is_refused(server: SandboxServer, head: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", httpx.URL(server.url).port or 0), timeout=5) as plain:
        plain.sendall(b"POST /__sandbox__/reset HTTP/1.1\r\nHost: sandbox\r\n" + head + b"\r\n\r\n")
        answer = b"".join(iter(lambda: plain.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"Connection: close" in answer
