"""`manage.py sandbox` as a process of its own."""

import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the command with some options; whatever still runs at the end is stopped."""
    running = []

    def run(*options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "manage.py", "sandbox", *options]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


def test_it_says_where_it_listens_and_ends_at_once_on_sigterm(start: Start, tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    process = start("--port", "0", "--seed", "9", "--epoch", "2026-10-01T00:00:00Z", "--port-file", str(port_file))
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    wait_until = time.monotonic() + 5
    while not port_file.exists() and time.monotonic() < wait_until:
        time.sleep(0.01)
    assert port_file.read_text() == url
    assert list(tmp_path.iterdir()) == [port_file]
    with httpx.Client(base_url=url) as client:
        assert "seed 9, epoch 2026-10-01T00:00:00Z" in client.get("/").text
        # The connection is kept alive while the process is told to end.
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0


def test_it_tells_people_at_a_terminal_what_they_can_do() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "manage.py", "sandbox", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        said = ""
        while "break something" not in said:
            said += os.read(ours, 4096).decode()
        process.terminate()
        assert process.wait(timeout=5) == 0
        os.close(ours)
    assert f"front page         {url}/" in said


def test_programs_get_the_address_and_nothing_else(start: Start) -> None:
    process = start("--port", "0")
    assert process.stdout is not None
    url = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    rest, errors = process.communicate(timeout=5)
    assert url.startswith("http://127.0.0.1:")
    assert (rest, errors) == ("", "")


def test_an_epoch_that_is_no_time_is_refused(start: Start) -> None:
    process = start("--epoch", "soon")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "'soon' is not an ISO 8601 time" in errors


def test_a_port_that_is_taken_is_said_plainly(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        _, errors = (process := start("--port", port)).communicate(timeout=30)
    assert process.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in errors
