"""Short links in the sandbox: where they lead, and where they should not be followed."""

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import pytest

from platforms.sandbox.server import SandboxServer
from platforms.sandbox.world import Series

EPOCH = datetime(2026, 10, 23, tzinfo=UTC)
SHORT = ("reddit", "x", "tiktok", "instagram", "facebook")


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(seed=7, epoch=EPOCH) as running:
        yield running


@pytest.fixture(scope="module")
def http(server: SandboxServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=5) as client:
        yield client


def follow(http: httpx.Client, address: str, method: str = "GET") -> httpx.Response:
    return http.request(method, f"/__links__/{address}")


@pytest.mark.parametrize("platform", SHORT)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_short_link_leads_to_its_post(server: SandboxServer, http: httpx.Client, platform: str, method: str) -> None:
    for index in range(8):
        post = server.state.world.post(platform, Series.CURRENT, index)
        assert post.short_url is not None
        answer = follow(http, post.short_url.removeprefix("https://"), method)
        assert answer.status_code == 302
        # What such links pick up on the way says who shared them, and is no part of the address.
        target = answer.headers["location"]
        assert target.startswith(post.url)
        assert len(urlsplit(target).query) > len(urlsplit(post.url).query)


@pytest.mark.parametrize(
    ("platform", "address"),
    [
        ("tiktok", "vt.tiktok.com/{code}/"),
        ("tiktok", "www.tiktok.com/t/{code}"),
        ("instagram", "instagram.com/share/{code}"),
        ("facebook", "fb.me/{code}"),
        ("facebook", "fb.watch/v/{code}/"),
        ("facebook", "m.facebook.com/share/r/{code}/"),
        ("facebook", "www.facebook.com/share/v/{code}"),
        ("reddit", "old.reddit.com/u/somebody/s/{code}"),
        ("x", "pic.twitter.com/{code}"),
        ("x", "T.CO/{code}"),
    ],
)
def test_other_forms_lead_there_too(server: SandboxServer, http: httpx.Client, platform: str, address: str) -> None:
    post = server.state.world.post(platform, Series.EVEN, 1)
    code = (post.short_url or "").rstrip("/").rpartition("/")[2]
    assert follow(http, address.format(code=code)).headers["location"].startswith(post.url)


@pytest.mark.parametrize(
    "address",
    [
        "t.co/unknown",
        "t.co/",
        "t.co/a/b",
        "vm.tiktok.com",
        "evil.example/loop",
        "www.youtube.com/clip/abc",
        "www.reddit.com/r/Cooking/comments/abc",
        "xt.co/loop",
        "",
    ],
)
def test_what_is_no_short_link_is_not_found(http: httpx.Client, address: str) -> None:
    assert follow(http, address).status_code == 404


def test_a_code_of_one_platform_is_unknown_to_another(server: SandboxServer, http: httpx.Client) -> None:
    short_url = server.state.world.post("tiktok", Series.CURRENT, 0).short_url or ""
    assert follow(http, f"t.co/{short_url.rstrip('/').rpartition('/')[2]}").status_code == 404


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("vm.tiktok.com/loop/", "https://vm.tiktok.com/loop/"),
        ("www.reddit.com/r/travel/s/loop", "https://www.reddit.com/r/travel/s/loop"),
        ("t.co/evil", "https://evil.example/"),
        ("fb.watch/private/", "http://127.0.0.1/"),
    ],
)
def test_some_codes_lead_where_nobody_should_follow(http: httpx.Client, address: str, target: str) -> None:
    answer = follow(http, address)
    assert (answer.status_code, answer.headers["location"]) == (302, target)


def test_links_are_not_counted_and_no_fault_reaches_them(server: SandboxServer, http: httpx.Client) -> None:
    faults = {"platform": "*", "kind": "server_error", "rate": 1, "seconds": 30}
    http.post("/__sandbox__/faults", json=faults).raise_for_status()
    post = server.state.world.post("x", Series.CURRENT, 0)
    assert follow(http, (post.short_url or "").removeprefix("https://")).status_code == 302
    assert not any(count for each in server.state.stats().values() for count in each.values())
    server.state.reset()
