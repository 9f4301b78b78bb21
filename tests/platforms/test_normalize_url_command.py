"""`manage.py normalize_url` as a process of its own: bytes in, one JSON line out for each line."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from platforms.management.pipes import MAX_LINE_BYTES

ROOT = Path(__file__).resolve().parents[2]
VIDEO = "https://youtu.be/dQw4w9WgXcQ"
TIKTOK = "https://www.tiktok.com/@/video/7212345678901234567"
KEYS = ["url", "platform", "external_id", "canonical_url", "needs_network", "error"]


def run(given: bytes, *options: str, **environment: str) -> list[dict]:
    """The answers; nothing else may be on standard output. The database it is told of does not exist."""
    nowhere = {"DATABASE_URL": "postgres://nobody@127.0.0.1:9/nothing"}
    process = subprocess.run(
        [sys.executable, "manage.py", "normalize_url", *options],
        cwd=ROOT,
        input=given,
        capture_output=True,
        check=True,
        timeout=60,
        env=os.environ | nowhere | environment,
    )
    assert process.stdout.isascii()
    assert process.stdout.endswith(b"\n") or not process.stdout
    answers = [json.loads(line) for line in process.stdout.split(b"\n")[:-1]]
    assert all(list(answer) == KEYS for answer in answers)
    return answers


def test_a_post_a_short_link_and_a_refusal():
    assert run(f"{VIDEO}\nhttps://vm.tiktok.com/ZM1/\nhttps://www.youtube.com/@me\nhello\n".encode()) == [
        {
            "url": VIDEO,
            "platform": "youtube",
            "external_id": "dQw4w9WgXcQ",
            "canonical_url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
            "needs_network": False,
            "error": None,
        },
        {
            "url": "https://vm.tiktok.com/ZM1/",
            "platform": "tiktok",
            "external_id": None,
            "canonical_url": None,
            "needs_network": True,
            "error": None,
        },
        {
            "url": "https://www.youtube.com/@me",
            "platform": "youtube",
            "external_id": None,
            "canonical_url": None,
            "needs_network": False,
            "error": "not_a_post",
        },
        {
            "url": "hello",
            "platform": None,
            "external_id": None,
            "canonical_url": None,
            "needs_network": False,
            "error": "not_a_url",
        },
    ]


@pytest.mark.parametrize(
    ("given", "urls"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\nb", ["a", "b"]),
        (b"a\n\n\nb\n", ["a", "", "", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\rb\x0bc\x0cd\x1ce\n", ["a\rb\x0bc\x0cd\x1ce"]),
        ("a\x85b\u2028c\u2029d\n".encode(), ["a\x85b\u2028c\u2029d"]),
        (b" \t\v\fa \r\n", ["a"]),
        ("\u00a0 \t a\u3000\n".encode(), ["\u00a0 \t a\u3000"]),
        ("\ufeffa\n\ufeffb\n".encode(), ["a", "\ufeffb"]),
        ("https://www.reddit.com/é\n".encode(), ["https://www.reddit.com/é"]),
        (b"\xff\xfe\xc3\n\xed\xa0\x80x\n", ["\ufffd\ufffd\ufffd", "\ufffd\ufffd\ufffdx"]),
        (b"a\x00b\n", ["a\x00b"]),
    ],
)
def test_only_a_line_feed_ends_a_line_and_every_line_gets_its_own(given, urls):
    assert [answer["url"] for answer in run(given)] == urls


def test_bytes_that_are_no_text_name_no_post():
    assert run(VIDEO.encode() + b"\xff\n")[0]["error"] == "malformed_id"
    assert run(b"\xff" + VIDEO.encode() + b"\n")[0]["error"] is not None


def test_a_very_long_line_is_too_long_and_the_next_one_is_read():
    long, post = run(b"a" * 10_000_000 + b"\n" + VIDEO.encode())
    assert (long["error"], len(long["url"])) == ("too_long", 10_000_000)
    assert post["external_id"] == "dQw4w9WgXcQ"


@pytest.mark.parametrize("more", [0, 1, MAX_LINE_BYTES])
def test_of_a_line_without_end_the_start_is_kept(more):
    long, post = run(b"a" * (MAX_LINE_BYTES + more) + b"\n" + VIDEO.encode() + b"\n")
    assert (long["error"], len(long["url"])) == ("too_long", MAX_LINE_BYTES)
    assert post["external_id"] == "dQw4w9WgXcQ"


def test_each_line_is_answered_before_the_next_one_is_sent():
    with subprocess.Popen(
        [sys.executable, "manage.py", "normalize_url"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        for url in (VIDEO, "x"):
            process.stdin.write(f"{url}\n".encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["url"] == url
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def test_a_reader_that_goes_away_is_no_crash():
    with subprocess.Popen(
        [sys.executable, "manage.py", "normalize_url"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        process.stdin.write(f"{VIDEO}\n".encode())
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 0


def test_without_anything_to_read_there_is_nothing_to_say():
    command = f"exec {sys.executable} manage.py normalize_url <&-"
    process = subprocess.run(["/bin/sh", "-c", command], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert (process.returncode, process.stdout, process.stderr) == (0, b"", b"")


class ShortLinks(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, location = {
            "/links/vm.tiktok.com/ZM1": (301, TIKTOK),
            "/links/vm.tiktok.com/busy": (429, ""),
        }.get(self.path, (404, ""))
        self.send_response(status)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def short_links() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), ShortLinks) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/links/"
        server.shutdown()


def test_short_links_are_followed_when_asked_to(short_links):
    given = f"https://vm.tiktok.com/ZM1\nhttps://vm.tiktok.com/gone\nhttps://vm.tiktok.com/busy\n{VIDEO}\n"
    found, gone, busy, post = run(given.encode(), "--resolve", LINK_RESOLVER_BASE_URL=short_links)
    assert found == {
        "url": "https://vm.tiktok.com/ZM1",
        "platform": "tiktok",
        "external_id": "7212345678901234567",
        "canonical_url": TIKTOK,
        "needs_network": False,
        "error": None,
    }
    assert (gone["platform"], gone["external_id"], gone["needs_network"], gone["error"]) == (
        *("tiktok", None, False, "link_gone"),
    )
    assert (busy["platform"], busy["external_id"], busy["needs_network"], busy["error"]) == (
        *("tiktok", None, True, "rate_limit"),
    )
    assert post["external_id"] == "dQw4w9WgXcQ"


def test_without_being_asked_to_nothing_is_fetched():
    (answer,) = run(b"https://vm.tiktok.com/ZM1\n", LINK_RESOLVER_BASE_URL="http://127.0.0.1:9")
    assert (answer["needs_network"], answer["error"]) == (True, None)
