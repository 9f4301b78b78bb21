"""A real process that does one deed and dies in it."""

import multiprocessing
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from multiprocessing.synchronize import Barrier
from typing import Any

import psycopg
from django.conf import settings
from django.db import OperationalError, connection

from config import clock
from platforms.transport import Http

FINISHED, RAISED, KILLED = 0, 3, -signal.SIGKILL
MOVED = ("PLATFORMS", "PLATFORMS_TEST", "OAUTH", "OAUTH_TEST", "LINK_RESOLVER_BASE_URL", "LINK_RESOLVER_TEST_BASE_URL")
"""The settings that say where the platforms are: the test has moved them to its sandbox."""
STATEMENT, COMMIT, CALL = "statement", "commit", "call"
COMPLETES_WITHIN_S = 60


class CrashError(OperationalError):
    """What a process raises that is not killed: to it, the database's connection is gone."""


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
    burn: Callable[[], None]
    left: int = 0

    def __post_init__(self) -> None:
        self.left = self.point.number

    def begin(self, kind: str, text: str) -> None:
        """A step is about to be taken."""
        if self._is_meant(kind, text):
            self.left -= 1
            if self.left == 0 and not self.point.after:
                self.burn()

    def end(self, kind: str, text: str) -> None:
        """A step has been taken."""
        if self.left == 0 and self.point.after and self._is_meant(kind, text):
            self.left = -1
            self.burn()

    def _is_meant(self, kind: str, text: str) -> bool:
        return kind == self.point.kind and bool(re.search(self.point.matching, text, re.IGNORECASE | re.DOTALL))

    def around(self, take: Callable[..., Any], kind: str) -> Callable[..., Any]:
        """The step, which may be the last one."""

        @wraps(take)
        def step(*args: Any, **more: Any) -> Any:
            self.begin(kind, "")
            result = take(*args, **more)
            self.end(kind, "")
            return result

        return step


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raise() -> None:
    raise CrashError


def _enter(world: Mapping[str, Any]) -> None:
    """Be where the test is: on its database, at its moment, in its sandbox."""
    for name in MOVED:
        setattr(settings, name, world[name])
    connection.settings_dict["NAME"] = world["database"]
    connection.ensure_connection()
    clock.set(world["moment"])


def _world() -> Mapping[str, Any]:
    here = {"database": connection.settings_dict["NAME"], "moment": clock.now()}
    return {name: getattr(settings, name) for name in MOVED} | here


def _victim(deed: Callable[[], Any], point: Point, raises: bool, world: Mapping[str, Any]) -> None:
    fuse = _Fuse(point, _raise if raises else _kill)
    _enter(world)

    def executed(execute: Callable[..., Any], text: str, *args: Any) -> Any:
        fuse.begin(STATEMENT, text)
        result = execute(text, *args)
        fuse.end(STATEMENT, text)
        return result

    copy = psycopg.Cursor.copy

    @contextmanager
    def copied(cursor: "psycopg.Cursor[Any]", statement: str, *args: Any, **more: Any) -> Iterator[psycopg.Copy]:
        fuse.begin(STATEMENT, statement)
        with copy(cursor, statement, *args, **more) as rows:
            yield rows
        fuse.end(STATEMENT, statement)

    psycopg.Cursor.copy = copied  # type: ignore[assignment, method-assign]
    connection.execute_wrappers.append(executed)
    connection.commit = fuse.around(connection.commit, COMMIT)  # type: ignore[method-assign]
    Http.request = fuse.around(Http.request, CALL)  # type: ignore[method-assign]
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
    process = _processes.Process(target=_victim, args=(deed, point, raises, _world()))
    process.start()
    process.join(COMPLETES_WITHIN_S)
    code = process.exitcode
    process.kill()
    process.join()
    assert code in (FINISHED, RAISED, KILLED), f"{deed} ended with {code}"
    return code


def _at_the_same_moment(deed: Callable[[], Any], world: Mapping[str, Any], start: Barrier) -> None:
    _enter(world)
    start.wait(COMPLETES_WITHIN_S)
    deed()


def together(*deeds: Callable[[], Any]) -> None:
    """Do these deeds at the same moment, each in a process of its own; all must come to their end."""
    start = _processes.Barrier(len(deeds))
    processes = [_processes.Process(target=_at_the_same_moment, args=(deed, _world(), start)) for deed in deeds]
    for process in processes:
        process.start()
    for process in processes:
        process.join(COMPLETES_WITHIN_S)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
        process.join()
    assert codes == [FINISHED] * len(deeds)
