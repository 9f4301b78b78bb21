"""Contenders in processes of their own: each with fresh memory, its statements counted, and nothing logged."""

import contextlib
import logging
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django
import psutil
import psycopg

_statements = 0


@dataclass(frozen=True, slots=True)
class Effort:
    """What a piece of work came to: how much was done, how long it took, and what it cost."""

    done: int
    seconds: float
    statements: int
    grown_mib: float
    """Its peak of memory above where it was when the work began."""

    @property
    def per_second(self) -> float:
        return self.done / self.seconds


Workers = list[ProcessPoolExecutor]
"""One process each."""


@contextmanager
def workers(number: int) -> Iterator[Workers]:
    """So many processes, ready to work."""
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        pools = [
            stack.enter_context(ProcessPoolExecutor(1, mp_context=context, initializer=_begin)) for _ in range(number)
        ]
        for pool in pools:
            pool.submit(os.getpid).result()
        yield pools


def put_to_work(pools: Workers, work: Callable[..., int], *args: Any) -> Effort:
    """Let all of them do this at the same time, from its start to the end of the last one."""
    for each in [pool.submit(_ready, args[0]) for pool in pools]:
        each.result()
    started = time.perf_counter()
    running = [pool.submit(_measured, work, *args) for pool in pools]
    efforts = [each.result() for each in running]
    seconds = time.perf_counter() - started
    return Effort(
        sum(each.done for each in efforts),
        seconds,
        sum(each.statements for each in efforts),
        max(each.grown_mib for each in efforts),
    )


def _begin() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    logging.disable(logging.WARNING)
    for name in ("execute", "executemany", "copy"):
        setattr(psycopg.Cursor, name, _counted(getattr(psycopg.Cursor, name)))


def _counted(method: Callable[..., Any]) -> Callable[..., Any]:
    def counting(*args: Any, **kwargs: Any) -> Any:
        global _statements
        _statements += 1
        return method(*args, **kwargs)

    return counting


def _ready(database: str) -> None:
    """Connected to the database that the work is on."""
    from django.db import connection  # noqa: PLC0415 (Django is set up by now)

    from tests.bench.harness import use  # noqa: PLC0415

    use(database)
    connection.ensure_connection()


def _measured(work: Callable[..., int], *args: Any) -> Effort:
    before, began_with = _statements, psutil.Process().memory_info().rss
    _forget_peak()
    started = time.perf_counter()
    done = work(*args)
    seconds = time.perf_counter() - started
    grown_mib = max(0, _peak() - began_with) / 2**20
    from django.db import connection  # noqa: PLC0415 (Django is set up by now)

    connection.close()
    return Effort(done, seconds, _statements - before, grown_mib)


def _forget_peak() -> None:
    """So that what importing took for a moment is not counted; where the system can't, it is."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """The most memory that this process had, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
