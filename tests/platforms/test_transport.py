import gzip
import json
import logging
import os
import socket
import struct
import threading
import time
import tracemalloc
import zlib
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
import respx
import structlog

from platforms.adapters.youtube import YouTubeAdapter
from platforms.errors import PlatformError
from platforms.transport import Http, Limits, Response

LIMITS = Limits(connect_s=0.3, read_s=0.4, total_s=0.8, body_bytes=1_000_000)
BOMB = gzip.compress(bytes(200_000_000), compresslevel=1)


class Platform(BaseHTTPRequestHandler):
    """A platform that misbehaves in the way its path says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        name, _, status = self.path.partition("?")[0].strip("/").partition("/")
        with suppress(OSError):  # the client is right to hang up
            getattr(self, name)(int(status or 200))

    do_POST = do_GET

    def log_message(self, *_):
        pass

    def send(self, status, body=b"", **headers):
        self.send_response(status)
        for header, value in ({"Content_Length": str(len(body))} | headers).items():
            self.send_header(header.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def drip(self, piece):
        while True:
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(0.05)

    def echo(self, status):
        form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        told = {
            "path": self.path,
            "method": self.command,
            "form": form,
            "port": self.client_address[1],
            "headers": {key.lower(): value for key, value in self.headers.items()},
        }
        self.send(status, json.dumps(told).encode(), Set_Cookie="visitor=1; Path=/", X_Seen="a, b")

    def zipped(self, status):
        self.send(status, gzip.compress(b'{"a": 1}' * 1000), Content_Encoding="GZIP")

    def html(self, status):
        self.send(status, b"<html>Hello</html>", Content_Type="text/html")

    def redirect(self, status):
        self.send(status, Location="/echo")

    def silent(self, _):
        time.sleep(2)

    def slow_headers(self, _):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self.drip(b"X-Slow: yes\r\n")

    def slow_body(self, status):
        self.send(status, Content_Length="100000")
        self.drip(b"a")

    def reset(self, _):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        self.close_connection = True

    def hung_up(self, _):
        self.close_connection = True

    def cut(self, status):
        self.send(status, b"[1, 2", Content_Length="100", Retry_After="7")
        self.close_connection = True

    def no_http(self, _):
        self.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
        self.close_connection = True

    def reset_midway(self, status):
        self.send(status, b"[1, 2", Content_Length="100")
        time.sleep(0.05)
        self.reset(status)

    def x_zipped(self, status):
        self.send(status, gzip.compress(b'{"a": 1}'), Content_Encoding="x-gzip")

    def members(self, status):
        self.send(status, b"".join(map(gzip.compress, (b'{"a"', b"", b": 1}"))), Content_Encoding="gzip")

    def member_bomb(self, status):
        self.send(status, gzip.compress(b"a") + BOMB, Content_Encoding="gzip")

    def cut_member(self, status):
        self.send(status, gzip.compress(b"{}") + gzip.compress(b"{}")[:-4], Content_Encoding="gzip")

    def huge(self, status):
        self.send(status, bytes(2_000_000))

    def exact(self, status):
        self.send(status, b"a" * LIMITS.body_bytes)

    def endless(self, status):
        self.send_response(status)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            self.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")

    def bomb(self, status):
        self.send(status, BOMB, Content_Encoding="gzip")

    def nested_bomb(self, status):
        self.send(status, gzip.compress(BOMB), Content_Encoding="gzip, gzip")

    def exact_gzip(self, status):
        self.send(status, gzip.compress(b"a" * LIMITS.body_bytes), Content_Encoding="gzip")

    def cut_gzip(self, status):
        self.send(status, gzip.compress(os.urandom(1000))[:500], Content_Encoding="gzip")

    def no_gzip(self, status):
        self.send(status, b'{"a": 1}', Content_Encoding="gzip")

    def deflate(self, status):
        self.send(status, zlib.compress(b'{"a": 1}'), Content_Encoding="deflate")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_):
        """Broken connections are what these tests are about."""


@pytest.fixture(scope="module")
def platform():
    with Server(("127.0.0.1", 0), Platform) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def http():
    http = Http(LIMITS)
    yield http
    http.close()


def get(http, url, **more):
    return http.request("GET", url, platform="youtube", ids=3, **more)


def refusal(http, url):
    started = time.monotonic()
    with pytest.raises(PlatformError) as caught:
        get(http, url)
    assert time.monotonic() - started < LIMITS.total_s + 3  # by far less than these servers would go on
    return caught.value


def test_an_answer_has_its_status_lower_case_headers_and_body(http, platform):
    answer = get(http, f"{platform}/echo/418", params={"id": "a,b", "key": "ü&="}, headers={"User-Agent": "me"})
    told = answer.json()
    assert (answer.status, answer.ok, answer.headers["x-seen"]) == (418, False, "a, b")
    assert told["path"] == "/echo/418?id=a%2Cb&key=%C3%BC%26%3D"
    assert told["headers"]["user-agent"] == "me"
    assert told["headers"]["accept-encoding"] == "gzip"


def test_a_form_is_posted(http, platform):
    told = http.request("POST", f"{platform}/echo", platform="reddit", form={"grant_type": "x y"}).json()
    assert (told["method"], told["form"]) == ("POST", "grant_type=x+y")


def test_json_is_posted(http, platform):
    told = http.request("POST", f"{platform}/echo", platform="tiktok", json={"ids": ["ü"]}).json()
    assert (json.loads(told["form"]), told["headers"]["content-type"]) == ({"ids": ["ü"]}, "application/json")


def test_connections_are_kept(http, platform):
    assert len({get(http, f"{platform}/echo").json()["port"] for _ in range(5)}) == 1


def test_cookies_are_not(http, platform):
    assert "cookie" not in [get(http, f"{platform}/echo").json()["headers"] for _ in range(2)][1]


def test_the_environments_proxy_is_not_used(http, platform, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert get(http, f"{platform}/echo").ok


def test_a_forked_child_makes_its_own_connection_and_leaves_its_parents_alone(http, platform):
    before = get(http, f"{platform}/echo").json()["port"]
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        with suppress(BaseException):
            os.write(writer, str(get(http, f"{platform}/echo").json()["port"]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        assert answer.read() not in ("", str(before))
    assert get(http, f"{platform}/echo").json()["port"] == before


def test_gzip_is_unpacked(http, platform):
    assert get(http, f"{platform}/zipped").body == b'{"a": 1}' * 1000


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_not_followed(http, platform, status):
    answer = get(http, f"{platform}/redirect/{status}")
    assert (answer.status, answer.ok, answer.headers["location"]) == (status, False, "/echo")


@pytest.mark.parametrize("path", ["silent", "slow_headers", "slow_body"])
def test_a_call_ends_with_its_time_however_the_answer_drips(http, platform, path):
    error = refusal(http, f"{platform}/{path}")
    assert (error.kind, error.code, error.retryable) == ("unavailable", "timeout", True)


def test_the_next_call_after_one_that_ran_out_of_time_has_all_of_its_own(http, platform):
    refusal(http, f"{platform}/slow_body")
    assert get(http, f"{platform}/echo").ok


@pytest.mark.parametrize("path", ["reset", "hung_up", "no_http"])
def test_a_connection_that_breaks_is_unavailable(http, platform, path):
    error = refusal(http, f"{platform}/{path}")
    assert (error.kind, error.code, error.retryable) == ("unavailable", "network", True)


def test_nobody_there_is_unavailable(http):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        error = refusal(http, f"http://127.0.0.1:{closed.getsockname()[1]}/")
    assert (error.kind, error.code) == ("unavailable", "network")


@pytest.fixture
def full_port():
    """A port whose queue is full: who knocks is never answered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for each in waiting:
            each.close()


def name_with(monkeypatch, *addresses):
    """Let many.test have these addresses."""
    real = socket.getaddrinfo

    def look_up(host, *args, **kwargs):
        if host != "many.test":
            return real(host, *args, **kwargs)
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_a_host_with_many_dead_addresses_does_not_get_more_time(http, full_port, monkeypatch):
    name_with(monkeypatch, *["127.0.0.1"] * 20)
    assert refusal(http, f"http://many.test:{full_port}/").code == "timeout"


def test_the_first_address_that_answers_is_used(http, platform, monkeypatch):
    name_with(monkeypatch, "::1", "127.0.0.1")  # nobody listens on the first
    assert get(http, platform.replace("127.0.0.1", "many.test") + "/echo").ok


def test_a_host_without_address_is_unavailable(http, monkeypatch):
    name_with(monkeypatch)
    assert refusal(http, "http://many.test/").code == "network"


def test_a_host_that_does_not_speak_tls_is_unavailable(http, platform):
    assert refusal(http, platform.replace("http:", "https:")).code == "network"


def test_a_tls_greeting_that_is_never_returned_ends_with_its_time(http):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        assert refusal(http, f"https://127.0.0.1:{mute.getsockname()[1]}/").code == "timeout"


def test_closing_lets_go_of_the_connections_and_the_next_call_makes_new_ones(platform):
    http = Http(LIMITS)
    http.close()
    before = get(http, f"{platform}/echo").json()["port"]
    http.close()
    assert get(http, f"{platform}/echo").json()["port"] != before
    http.close()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        *(
            ("huge", "too_large"),
            ("endless", "too_large"),
            ("bomb", "too_large"),
            ("member_bomb", "too_large"),
            ("nested_bomb", "content_encoding"),
        ),
        *(("cut_gzip", "gzip"), ("cut_member", "gzip"), ("no_gzip", "gzip"), ("deflate", "content_encoding")),
    ],
)
def test_a_body_that_cannot_be_taken_is_malformed_and_costs_no_memory(http, platform, path, code):
    tracemalloc.start()
    try:
        error = refusal(http, f"{platform}/{path}")
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert (error.kind, error.code, error.retryable) == ("malformed", code, True)


@pytest.mark.parametrize("path", ["cut", "reset_midway"])
def test_a_good_answer_that_ends_early_is_malformed(http, platform, path):
    error = refusal(http, f"{platform}/{path}")
    assert (error.kind, error.code, error.retryable) == ("malformed", "cut_short", True)


@pytest.mark.parametrize("path", ["x_zipped", "members"])
def test_gzip_has_two_names_and_may_be_several(http, platform, path):
    assert get(http, f"{platform}/{path}").json() == {"a": 1}


@pytest.mark.parametrize("path", ["exact", "exact_gzip"])
def test_a_body_may_be_as_large_as_the_limit(http, platform, path):
    assert len(get(http, f"{platform}/{path}").body) == LIMITS.body_bytes


@pytest.mark.parametrize("path", ["huge", "endless", "bomb", "cut_gzip", "deflate", "cut", "slow_body"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_counts_though_its_body_cannot_be_read(http, platform, path, status):
    answer = get(http, f"{platform}/{path}/{status}")
    assert (answer.status, answer.body) == (status, b"")
    assert answer.headers.get("retry-after") == ("7" if path == "cut" else None)


def test_an_adapter_meets_a_200_in_html(http, platform):
    with respx.mock(assert_all_mocked=False, assert_all_called=False) as router:
        router.route(host="youtube.test").respond(html="<html>Hello</html>")
        adapter = YouTubeAdapter({"base_url": "http://youtube.test", "credentials": {"api_key": "k"}})
        with pytest.raises(PlatformError) as caught:
            adapter.fetch(http, ["abc"])
    assert (caught.value.kind, caught.value.code) == ("malformed", "not_json")
    assert get(http, f"{platform}/html").body.startswith(b"<html>")


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b'{"a": [1, "b", null, true, 1.5]}', {"a": [1, "b", None, True, 1.5]}),
        (b'{"a\\u0000": "b\\u0000c\\ud800"}', {"a\ufffd": "b\ufffdc\ufffd"}),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b"1e400", "1e400"),
        (b"-1e400", "-1e400"),
        (b"9007199254740993", 9007199254740993),
        (b"1" * 5000, "1" * 5000),
        (b"null", None),
    ],
)
def test_json_comes_out_fit_to_store(body, read):
    assert Response(200, {}, body).json() == read


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{",
        b'{"a": NaN}',
        b"Infinity",
        b"-Infinity",
        b"\xff",
        b"[" * 100_000,
        b"[" * 900 + b"]" * 900,
        b"1 2",
    ],
)
def test_what_is_no_json_is_malformed(body):
    with pytest.raises(PlatformError) as caught:
        Response(200, {}, body).json()
    assert (caught.value.kind, caught.value.code) == ("malformed", "not_json")


def test_who_reads_for_a_code_alone_reads_past_a_nan():
    assert Response(400, {}, b'{"a": NaN, "b": -Infinity}').json(lenient=True) == {"a": None, "b": None}


def test_each_call_leaves_one_line_without_url_or_token(http, platform, caplog):
    with structlog.testing.capture_logs() as lines:
        get(http, f"{platform}/echo/404", params={"key": "SECRET"}, headers={"Authorization": "Bearer SECRET"})
        refusal(http, f"{platform}/reset?key=SECRET")
    assert [(each["event"], each["platform"], each["status"], each["ids"]) for each in lines] == [
        ("platform_call", "youtube", 404, 3),
        ("platform_call", "youtube", None, 3),
    ]
    assert all(isinstance(each["duration_ms"], int) for each in lines)
    assert all(set(each) == {"event", "log_level", "platform", "status", "duration_ms", "ids"} for each in lines)


def test_no_library_prints_the_url(http, platform, caplog):
    caplog.set_level(logging.DEBUG)
    get(http, f"{platform}/echo", params={"key": "SECRET"}, headers={"Authorization": "Bearer SECRET"})
    assert "platform_call" in caplog.text
    assert "SECRET" not in caplog.text
    assert "echo" not in caplog.text


def test_an_error_does_not_carry_the_request(http, platform):
    error = refusal(http, f"{platform}/reset?key=SECRET")
    assert error.__cause__ is None
    assert error.__suppress_context__
    with pytest.raises(PlatformError) as caught:
        get(http, platform, headers={"Authorization": "Bearer SECRET\r\nX-Evil: 1"})
    assert "SECRET" not in str(caught.value)


def test_the_limits_are_the_promised_ones():
    assert Limits() == Limits(connect_s=3, read_s=8, total_s=10, body_bytes=8 * 2**20)


def test_a_url_without_scheme_is_unavailable_and_not_a_crash(http):
    with pytest.raises(PlatformError):
        get(http, "not a url")


def test_httpx_still_has_the_seam_that_the_deadline_hangs_on():
    assert "_pool" in vars(httpx.HTTPTransport())
