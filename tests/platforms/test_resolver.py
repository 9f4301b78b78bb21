"""Short links, asked for at a real server that stands in for their hosts, well-behaved or not."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from platforms import resolver
from platforms.errors import PlatformError
from platforms.links import NeedsNetwork, NotAPost, PostLink, Refusal, identify
from platforms.resolver import LIMITS, link_http, resolve
from platforms.transport import Http, Response, is_public

ROOT = Path(__file__).resolve().parents[2]
TIKTOK = "https://www.tiktok.com/@somebody/video/7212345678901234567"
REEL = "https://www.instagram.com/reel/CxYz-_0aB1-/"
FACEBOOK = "https://www.facebook.com/some.page/posts/1234567890123456"
REDDIT = "https://www.reddit.com/r/django/comments/1abc2d/a_title/"
X = "https://x.com/somebody/status/1790000000000000001"


class Hosts(BaseHTTPRequestHandler):
    """The short links' hosts: `/<host>/<path>` does what the test's script says for `<host>/<path>`."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        self.server.asked.append(self.path[1:])
        with suppress(OSError):  # the client is right to hang up
            self.server.script[self.path[1:]](self)

    def log_message(self, *_: object) -> None:
        pass

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    script: dict[str, Callable[[Hosts], None]] = {}
    asked: list[str] = []

    def handle_error(self, *_: object) -> None:
        """Broken connections are what some of these tests are about."""


@pytest.fixture(scope="module")
def _server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Hosts) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def server(_server: Server, settings: Any) -> Server:
    _server.script = {}
    _server.asked = []
    settings.LINK_RESOLVER_BASE_URL = f"http://127.0.0.1:{_server.server_port}"
    return _server


def to(location: str, status: int = 302):
    return lambda host: host.send(status, Location=location.encode().decode("latin-1"))


def page(html: str | bytes, **headers: str):
    body = html.encode() if isinstance(html, str) else html
    return lambda host: host.send(200, body, Content_Type="text/html; charset=utf-8", **headers)


def resolved(server: Server, url: str, **script) -> PostLink | NotAPost:
    """What comes of `url`, whose own answer is `first`."""
    link = identify(url)
    assert isinstance(link, NeedsNetwork), link
    server.script |= {link.url.removeprefix("https://"): script["first"]}
    return resolve(link, link_http())


def refusal(server: Server, url: str, first) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        resolved(server, url, first=first)
    return caught.value


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_the_post_is_the_answer(server, status):
    found = resolved(server, "https://vm.tiktok.com/ZM1/", first=to(f"{TIKTOK}?_r=1", status))
    assert found == identify(TIKTOK)
    assert found.owner == "somebody"
    assert server.asked == ["vm.tiktok.com/ZM1"]


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("https://vt.tiktok.com/ZS1", TIKTOK),
        ("https://www.tiktok.com/t/ZT1/", "/@somebody/video/7212345678901234567?_t=1"),
        ("https://www.tiktok.com/t/ZT1/", "//www.tiktok.com/@somebody/video/7212345678901234567"),
        ("https://www.instagram.com/share/reel/BA1", f"{REEL}?igsh=1"),
        ("https://www.instagram.com/share/p/BA1", REEL.replace("https:", "http:")),
        ("https://www.reddit.com/r/django/s/AbC", f"{REDDIT}?share_id=x"),
        ("https://www.reddit.com/u/somebody/s/AbC", REDDIT),
        ("https://t.co/abc", X),
        ("https://fb.watch/abc/", "https://www.facebook.com/watch/?v=1234567890123456"),
        ("https://fb.me/abc", FACEBOOK),
        ("https://www.facebook.com/share/p/abc/", f"{FACEBOOK}?rdid=1#"),
        ("https://www.facebook.com/share/r/abc/", "https://m.facebook.com/reel/1234567890123456/"),
        ("https://www.youtube.com/clip/Ugkx", "https://www.youtube.com/watch?v=dQw4w9WgXcQ"),
    ],
)
def test_every_platforms_short_links_are_followed(server, url, location):
    found = resolved(server, url, first=to(location))
    assert isinstance(found, PostLink), found
    assert found.platform == identify(url).platform


def test_short_links_may_lead_to_short_links(server):
    server.script |= {"t.co/abc": to("http://t.co/def"), "t.co/def": to(X)}
    assert resolved(server, "https://pic.twitter.com/abc", first=to("https://t.co/abc")) == identify(X)
    assert server.asked == ["pic.twitter.com/abc", "t.co/abc", "t.co/def"]


def test_five_redirects_are_followed_and_no_more(server):
    server.script |= {f"t.co/{n}": to(f"https://t.co/{n + 1}") for n in range(1, 9)} | {"t.co/5": to(X)}
    assert resolve(NeedsNetwork("x", "https://t.co/1"), link_http()) == identify(X)
    server.script |= {"t.co/5": to("https://t.co/6"), "t.co/6": to(X)}
    server.asked.clear()
    assert resolve(NeedsNetwork("x", "https://t.co/1"), link_http()).code == Refusal.LINK_UNRESOLVED
    assert server.asked == [f"t.co/{n}" for n in range(1, 6)]


def test_a_link_that_goes_round_in_circles_leads_nowhere(server):
    found = resolved(server, "https://fb.watch/abc/", first=to("https://fb.watch/abc/"))
    assert (found.code, found.platform) == (Refusal.LINK_UNRESOLVED, "facebook")
    assert len(server.asked) == 5


@pytest.mark.parametrize(
    "location",
    [
        *("http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:6379/", "http://localhost/", "https://[::1]/"),
        *("https://[::ffff:169.254.169.254]/", "https://2130706433/", "https://0x7f.1/"),
        *("https://vm.tiktok.com.evil.com/ZM1", "https://evil.com/@somebody/video/7212345678901234567"),
        *("https://www.tiktok.com@evil.com/@somebody/video/7212345678901234567", "https://vm.tiktok.com:8443/ZM1"),
        *("https://tіktok.com/@somebody/video/7212345678901234567", "https://www.tiktоk.com/", "ftp://vm.tiktok.com/"),
        *("file:///etc/passwd", "gopher://127.0.0.1/", "\\\\evil.com\\x", "//evil.com/ZM1"),
        *("https://www.douyin.com/video/7212345678901234567", X, REEL, "https://t.co/abc", "https://fb.watch/abc"),
        "https://vm.tiktok.com/" + "a" * 3000,
    ],
)
def test_whoever_leads_away_from_the_platform_is_not_followed(server, location):
    found = resolved(server, "https://vm.tiktok.com/ZM1", first=to(location))
    assert (found.code, found.platform) == (Refusal.LINK_LEADS_ELSEWHERE, "tiktok")
    assert found.reason
    assert server.asked == ["vm.tiktok.com/ZM1"]


def test_a_location_that_urllib_cannot_read_is_no_crash():
    answer = Response(302, {"location": "https://[::1"}, b"")
    assert resolver._location(answer, NeedsNetwork("x", "https://t.co/abc")) == "https://[::1"


@pytest.mark.parametrize(
    ("url", "location", "code"),
    [
        ("https://t.co/abc", "https://example.com/", Refusal.LINK_LEADS_ELSEWHERE),
        ("https://t.co/abc", "https://youtu.be/dQw4w9WgXcQ", Refusal.LINK_LEADS_ELSEWHERE),
        ("https://t.co/abc", "https://x.com/somebody", Refusal.NOT_A_POST),
        ("https://vm.tiktok.com/ZM1", "https://www.tiktok.com/@somebody?_t=1", Refusal.NOT_A_POST),
        ("https://vm.tiktok.com/ZM1", "https://www.tiktok.com/", Refusal.NOT_A_POST),
        ("https://www.reddit.com/r/django/s/AbC", f"{REDDIT}k9zzzz/?share_id=x", Refusal.COMMENT),
        ("https://fb.me/abc", "https://www.facebook.com/reel/0", Refusal.MALFORMED_ID),
    ],
)
def test_what_is_no_post_says_why(server, url, location, code):
    assert resolved(server, url, first=to(location)).code == code


LOGINS = [
    (
        "https://www.reddit.com/r/d/s/A",
        "https://www.reddit.com/login/?dest=https%3A%2F%2Fwww.reddit.com%2Fcomments%2F1a",
    ),
    ("https://www.instagram.com/share/BA1", "/accounts/login/?next=%2Freel%2FCxYz-_0aB1-%2F&is_from_rle"),
    ("https://www.facebook.com/share/p/a", "https://m.facebook.com/login.php?next=" + FACEBOOK),
    ("https://www.facebook.com/share/p/a", "https://de-de.facebook.com/login/?next=" + FACEBOOK),
    ("https://vm.tiktok.com/ZM1", "https://www.tiktok.com/login?redirect_url=" + TIKTOK),
    ("https://t.co/abc", "https://x.com/i/flow/login?redirect_after_login=%2Fsomebody%2Fstatus%2F20"),
]


@pytest.mark.parametrize(("url", "location"), LOGINS)
def test_a_login_page_says_what_was_asked_for(server, url, location):
    found = resolved(server, url, first=to(location))
    assert isinstance(found, PostLink), found
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("https://www.tiktok.com/login", Refusal.NOT_A_POST),
        ("https://www.tiktok.com/login?redirect_url=", Refusal.NOT_A_POST),
        ("https://www.tiktok.com/login?next=" + TIKTOK, Refusal.NOT_A_POST),
        ("https://www.tiktok.com/login?redirect_url=https%3A%2F%2Fwww.tiktok.com%2F%40somebody", Refusal.NOT_A_POST),
        ("https://www.tiktok.com/login?redirect_url=https://[::1", Refusal.NOT_A_POST),
        ("https://www.tiktok.com/login?redirect_url=https://vm.tiktok.com/ZM2", Refusal.NOT_A_POST),
        ("https://www.tiktok.com/login?redirect_url=https://evil.com/@/video/7212345678901234567", Refusal.NOT_A_POST),
        ("https://www.tiktok.com/login?redirect_url=" + X, Refusal.LINK_LEADS_ELSEWHERE),
        ("https://evil.com/login?redirect_url=" + TIKTOK, Refusal.LINK_LEADS_ELSEWHERE),
        ("https://www.tiktok.com/" + "a" * 3000, Refusal.LINK_LEADS_ELSEWHERE),
    ],
)
def test_a_login_page_that_says_nothing_of_use_names_no_post(server, location, code):
    assert resolved(server, "https://vm.tiktok.com/ZM1", first=to(location)).code == code


@pytest.mark.parametrize("status", [404, 410])
def test_a_link_that_is_gone_is_an_answer(server, status):
    found = resolved(server, "https://vm.tiktok.com/ZM1", first=lambda host: host.send(status))
    assert (found.code, found.platform) == (Refusal.LINK_GONE, "tiktok")


@pytest.mark.parametrize(
    "html",
    [
        f'<html><head><link rel="canonical" href="{REEL}"></head>',
        f"<LINK HREF='{REEL}' REL=CANONICAL>",
        f'<meta property="og:url" content="{REEL}?a=1&amp;b=2" />',
        f'<link rel=canonical href="https://www.instagram.com/"><meta content="{REEL}" property="og:url">',
        f'<meta property="og:url" content="{REEL}"><![foo[bar]]>',
        f'<link rel=canonical><meta property="og:url"><link rel><meta property="og:url" content="{REEL}">',
        f'<link rel=canonical href="{REEL}">' + "x" * 10_000_000,
        b"\xff\xfe" + f'<link rel=canonical href="{REEL}">'.encode() + b"\xff",
    ],
)
def test_a_page_may_say_its_own_address(server, html):
    assert resolved(server, "https://www.instagram.com/share/BA1", first=page(html)) == identify(REEL)


@pytest.mark.parametrize(
    "html",
    [
        "",
        "<html><title>Log in</title>",
        f'<a href="{REEL}">{REEL}</a>',
        f'<!-- <link rel="canonical" href="{REEL}"> -->',
        f'<script>var a = \'<link rel="canonical" href="{REEL}">\'</script>',
        f'<meta name="description" content="{REEL}"><link rel="alternate" href="{REEL}">',
        f'<link rel="canonical" href="{X}"><meta property="og:url" content="http://127.0.0.1/">',
        '<link rel="canonical" href="https://www.instagram.com/accounts/login/">',
        '<link rel="canonical" href="https://www.instagram.com/share/BA1">',
        '<link rel="canonical" href="/reel/CxYz-_0aB1-/">',
        " " * 64 * 1024 + f'<link rel="canonical" href="{REEL}">',
        "<" * 70_000,
        "<![foo[bar]]>" + f'<link rel="canonical" href="{REEL}">',
    ],
)
def test_nothing_else_in_a_page_is_looked_at(server, html):
    found = resolved(server, "https://www.instagram.com/share/BA1", first=page(html))
    assert (found.code, found.platform) == (Refusal.LINK_UNRESOLVED, "instagram")
    assert len(server.asked) == 1


def endless(host):
    host.send_response(200)
    host.send_header("Transfer-Encoding", "chunked")
    host.end_headers()
    while True:
        host.wfile.write(b"1000\r\n" + b" " * 0x1000 + b"\r\n")


def test_of_a_page_without_end_the_start_is_read(server):
    assert resolved(server, "https://fb.watch/abc", first=endless).code == Refusal.LINK_UNRESOLVED


def test_too_many_calls_is_no_answer_about_the_link(server):
    busy = refusal(server, "https://vm.tiktok.com/ZM1", lambda host: host.send(429, Retry_After="7"))
    assert (busy.kind, busy.code, busy.retryable, busy.retry_after_s) == ("rate_limit", "http_429", True, 7)


@pytest.mark.parametrize("status", [400, 401, 403, 500, 503])
def test_a_host_that_refuses_us_says_nothing_about_the_link(server, status):
    error = refusal(server, "https://vm.tiktok.com/ZM1", lambda host: host.send(status))
    assert (error.kind, error.code, error.retryable) == ("unavailable", f"http_{status}", True)


def test_a_redirect_to_nowhere_is_no_answer(server):
    error = refusal(server, "https://vm.tiktok.com/ZM1", lambda host: host.send(302))
    assert (error.kind, error.code, error.retryable) == ("malformed", "no_location", True)


@pytest.mark.parametrize("location", ["javascript:alert(1)", "https://[::1", "https://vm.tiktok.com:port/"])
def test_a_redirect_to_what_is_no_url_is_no_answer(server, location):
    error = refusal(server, "https://vm.tiktok.com/ZM1", to(location))
    assert (error.kind, error.retryable) == ("unavailable", True)


def hang_up(host):
    host.close_connection = True


def test_a_host_that_hangs_up_is_no_answer(server):
    error = refusal(server, "https://vm.tiktok.com/ZM1", hang_up)
    assert (error.kind, error.code) == ("unavailable", "network")


def drip(host):
    host.send(200, Content_Length="100000")
    while True:
        host.wfile.write(b" ")
        time.sleep(0.05)


def late(host):
    time.sleep(0.4)
    to("https://t.co/abc")(host)


@pytest.mark.parametrize("first", [drip, late])
def test_five_seconds_are_for_all_hops_together(server, first, monkeypatch):
    monkeypatch.setattr(resolver, "TOTAL_S", 1)
    started = time.monotonic()
    error = refusal(server, "https://t.co/abc", first)
    assert time.monotonic() - started < 4  # on a busy machine; five hops would be allowed twenty-five seconds
    assert (error.kind, error.code, error.retryable) == ("unavailable", "timeout", True)


def test_the_limits_are_the_promised_ones():
    assert (resolver.MAX_REDIRECTS, resolver.TOTAL_S, LIMITS.total_s, LIMITS.body_bytes) == (5, 5, 5, 65_536)


# --- Where it connects to


@pytest.mark.parametrize(
    ("environment", "base_url"),
    [
        ({}, "http://127.0.0.1:8900/__links__"),
        ({"SANDBOX_URL": "http://127.0.0.1:1/"}, "http://127.0.0.1:1/__links__"),
        ({"PLATFORMS_LIVE": "1"}, ""),
        ({"PLATFORMS_LIVE": "1", "LINK_RESOLVER_BASE_URL": "https://links.test/a/"}, "https://links.test/a"),
        ({"LINK_RESOLVER_BASE_URL": "https://links.test"}, "https://links.test"),
    ],
)
def test_the_sandbox_answers_for_the_hosts_unless_the_platforms_are_live(environment, base_url):
    command = "from config import settings; print(settings.LINK_RESOLVER_BASE_URL)"
    unset = {"LINK_RESOLVER_BASE_URL": "", "PLATFORMS_LIVE": "0", "SANDBOX_URL": "http://127.0.0.1:8900"}
    told = subprocess.run(
        [sys.executable, "-c", command],
        env=os.environ | unset | environment,
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    assert told.stdout.strip() == base_url


PUBLIC = "142.250.185.78"


@pytest.fixture
def connected(monkeypatch) -> list[tuple[str, int]]:
    """Where a connection was tried; none comes about."""
    tried: list[tuple[str, int]] = []

    def connect(address, *_, **__):
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    return tried


def name_with(monkeypatch, *addresses: str) -> list[str]:
    """Let every host have these addresses; the list tells who was looked up."""
    asked = []

    def look_up(host, port, *args, **kwargs):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@pytest.fixture
def live():
    with override_settings(LINK_RESOLVER_BASE_URL=""):
        yield


@pytest.mark.usefixtures("live")
def test_the_real_host_is_asked_at_the_address_that_was_checked(monkeypatch, connected):
    asked = name_with(monkeypatch, PUBLIC, "2606:4700::1111")
    with pytest.raises(PlatformError):
        resolve(NeedsNetwork("x", "https://t.co/abc"), link_http())
    assert asked == ["t.co"]  # once: a second look could be answered otherwise
    assert connected == [(PUBLIC, 443), ("2606:4700::1111", 443)]


INSIDE = [
    *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "198.18.0.1"),
    "0.0.0.0",  # noqa: S104
    *("224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1"),
    *("ff0e::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b:1::1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "100::1"),
]


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("address", INSIDE)
def test_no_address_inside_a_network_is_connected_to(monkeypatch, connected, address):
    assert not is_public(address)
    for addresses in ((address,), (PUBLIC, address), (address, PUBLIC)):
        name_with(monkeypatch, *addresses)
        with pytest.raises(PlatformError) as caught:
            resolve(NeedsNetwork("x", "https://t.co/abc"), link_http())
        assert (caught.value.kind, caught.value.code, caught.value.retryable) == ("unavailable", "network", True)
    assert connected == []


@pytest.mark.parametrize("address", [PUBLIC, "2606:4700::1111", f"::ffff:{PUBLIC}", f"64:ff9b::{PUBLIC}"])
def test_the_public_internet_is_public(address):
    assert is_public(address)


@pytest.mark.parametrize("url", ["http://t.co/", "https://t.co:8443/", f"https://{PUBLIC}/"])
def test_only_named_hosts_and_port_443_are_asked(monkeypatch, connected, url):
    name_with(monkeypatch, PUBLIC)
    with pytest.raises(PlatformError):
        Http(LIMITS, public_only=True).request("GET", url, platform="x")
    assert connected == []


@pytest.mark.usefixtures("live")
def test_an_open_way_out_is_not_used_for_a_strangers_link(connected):
    with pytest.raises(ValueError, match="public addresses only"):
        resolve(NeedsNetwork("x", "https://t.co/abc"), Http(LIMITS))
    assert connected == []
