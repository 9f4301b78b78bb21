"""Programs of the project as real processes on the test's own database, and a sandbox for them to ask."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def database_url() -> str:
    """The test's database, as another process names it."""
    given = connection.settings_dict
    who = f"{given['USER']}:{quote(given['PASSWORD'], safe='')}" if given["PASSWORD"] else given["USER"]
    if given["HOST"].startswith("/"):
        return f"postgres://{who}@/{given['NAME']}?host={quote(given['HOST'])}"
    return f"postgres://{who}@{given['HOST']}:{given['PORT']}/{given['NAME']}"


@contextmanager
def running(*arguments: str, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """`manage.py` with these arguments for the length of a block, after which it has ended with all its processes."""
    with serving("manage.py", *arguments, log=log, **environment) as process:
        yield process


@contextmanager
def serving(*arguments: str, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """The same of whatever Python is to run."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": database_url()} | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    family: set[psutil.Process] = set()
    try:
        yield process
        family |= set(family_of(process))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    await_that(lambda: not any(each.is_running() for each in family), within_s=10)


def family_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The processes below one."""
    return psutil.Process(process.pid).children(recursive=True)


def await_that(happens: Callable[[], bool], *, within_s: float) -> None:
    """Wait for it."""
    deadline = time.monotonic() + within_s
    while not happens():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.05)
