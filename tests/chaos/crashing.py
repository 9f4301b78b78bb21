"""A real process that does one deed and dies in it."""

import multiprocessing
import os
import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection

from config import clock
from platforms.transport import Http

FINISHED, RAISED, KILLED = 0, 1, -signal.SIGKILL
MOVED = ("PLATFORMS", "PLATFORMS_TEST", "OAUTH", "OAUTH_TEST", "LINK_RESOLVER_BASE_URL", "LINK_RESOLVER_TEST_BASE_URL")
"""The settings that say where the platforms are: the test has moved them to its sandbox."""
STATEMENT, COMMIT, CALL = "statement", "commit", "call"
COMPLETES_WITHIN_S = 60


class CrashError(Exception):
    """What a process raises that is not killed."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where the process dies: before or after the `number`-th step of a kind, of those whose text matches."""

    kind: str = STATEMENT
    number: int = 1
    after: bool = False
    matching: str = ""


@dataclass(slots=True)
class _Fuse:
    """Burns once."""

    point: Point
    end: Callable[[], None]
    left: int = 0

    def __post_init__(self) -> None:
        self.left = self.point.number

    def step(self, kind: str, text: str, take: Callable[[], Any]) -> Any:
        """Take a step that may be the last one."""
        if kind != self.point.kind or not re.search(self.point.matching, text, re.IGNORECASE | re.DOTALL):
            return take()
        self.left -= 1
        if self.left == 0 and not self.point.after:
            self.end()
        result = take()
        if self.left == 0 and self.point.after:
            self.end()
        return result


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raise() -> None:
    raise CrashError


def _victim(deed: Callable[[], Any], point: Point, raises: bool, world: Mapping[str, Any], moment: datetime) -> None:
    fuse = _Fuse(point, _raise if raises else _kill)
    for name in MOVED:
        setattr(settings, name, world[name])
    connection.settings_dict["NAME"] = world["database"]
    connection.ensure_connection()
    connection.execute_wrappers.append(
        lambda execute, sql, params, many, context: fuse.step(
            STATEMENT, sql, partial(execute, sql, params, many, context)
        )
    )
    commit, request = connection.commit, Http.request
    connection.commit = lambda: fuse.step(COMMIT, "", commit)
    Http.request = lambda *args, **more: fuse.step(CALL, "", partial(request, *args, **more))  # type: ignore[method-assign]
    clock.set(moment)
    try:
        deed()
    except CrashError:
        os._exit(RAISED)
    os._exit(RAISED if fuse.left <= 0 else FINISHED)  # somebody may have caught it, and gone on


_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.chaos.preload", "tests.chaos.crashing"])


def crash(deed: Callable[[], Any], point: Point, *, raises: bool = False) -> int:
    """Do this deed in a process that dies at this point: FINISHED where it never came so far, else KILLED or RAISED.

    The deed's arguments travel by pickle. Anything else that ends it is an error that its log tells.
    """
    world = {name: getattr(settings, name) for name in MOVED} | {"database": connection.settings_dict["NAME"]}
    process = _processes.Process(target=_victim, args=(deed, point, raises, world, clock.now()))
    process.start()
    process.join(COMPLETES_WITHIN_S)
    code = process.exitcode
    process.kill()
    process.join()
    assert code in (FINISHED, RAISED, KILLED), f"{deed} ended with {code}"
    return code
