"""Processes that use an embedded server in a directory of its own, as every Django process does."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from config.embedded import client, server

USER_PROGRAM = """
import sys
from pathlib import Path
from config.embedded.client import ensure
for _ in sys.stdin:
    ensure(Path(sys.argv[1]))
    print("ready", flush=True)
"""


class User:
    """A process that asks for the server when told to, and uses it until it ends."""

    def __init__(self, directory: Path, *, prefix: list[str] | None = None, **environment: str) -> None:
        self.directory = directory
        self.process = subprocess.Popen(
            [*(prefix or []), sys.executable, "-c", USER_PROGRAM, str(directory)],
            cwd=client.PROJECT_ROOT,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.request()

    def request(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def await_ready(self) -> None:
        assert self.process.stdout
        assert self.process.stderr
        assert self.process.stdout.readline() == "ready\n", self.process.stderr.read()

    def leave(self) -> str:
        """Ends it, or sees it end; returns what it complained of."""
        return self.process.communicate()[1]


@contextmanager
def using(directory: Path, *, prefix: list[str] | None = None, **environment: str) -> Iterator[User]:
    user = User(directory, prefix=prefix, **environment)
    try:
        user.await_ready()
        yield user
    finally:
        user.leave()


def keepers(directory: Path) -> list[psutil.Process]:
    command = ["-m", "config.embedded.keeper", str(directory)]
    return [process for process in psutil.process_iter(["cmdline"]) if (process.info["cmdline"] or [])[1:] == command]


def keeper(directory: Path) -> psutil.Process:
    """The only one: others that were started at the same time have seen that they are not needed."""
    until(lambda: len(keepers(directory)) == 1)
    return keepers(directory)[0]


def postmaster(directory: Path) -> psutil.Process:
    [process] = keeper(directory).children()
    return process


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it didn't come true in time"
        time.sleep(0.05)


def assert_nothing_is_left(directory: Path) -> None:
    until(lambda: not keepers(directory))
    for place in (directory, server.short_directory(directory)):
        files = {name for _, _, names in os.walk(place) for name in names}
        assert not files & {"ready", "postmaster.pid", server.SOCKET_NAME}
        assert not [p for p in psutil.process_iter(["cwd"]) if (p.info["cwd"] or "").startswith(str(place))]


def query(directory: Path, sql: str) -> str:
    sockets = server.socket_directory(directory)
    with psycopg.connect(client.conninfo(sockets), autocommit=True) as connection:
        row = connection.execute(sql).fetchone()
        assert row
        return str(row[0])


def started_at(directory: Path) -> str:
    return query(directory, "SELECT pg_postmaster_start_time()")


@contextmanager
def new_directory(name: str) -> Iterator[Path]:
    """A directory that does not exist yet, below one that everybody may write to."""
    base = Path(tempfile.mkdtemp(prefix="embedded ")).resolve()
    base.chmod(0o777)
    directory = base / name
    try:
        yield directory
        assert_nothing_is_left(directory)
    finally:
        for left in keepers(directory):
            left.terminate()
            left.wait(10)
        shutil.rmtree(base)
        shutil.rmtree(server.short_directory(directory), ignore_errors=True)
