"""What all measurements share: sizes, contenders that take turns, rows of the report, databases, quiet logs."""

import logging
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from django.db import connection
from rich.progress import Progress

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured: `quick` ends within five minutes, `full` reaches the sizes of the goals."""

    name: str
    rounds: int
    requests: int
    """Of one contender in one round over HTTP."""
    pairs: tuple[int, ...]
    """Claims that are settled, from the least to the most."""
    pipeline_posts: int
    listed_posts: int
    campaign_posts: tuple[int, int]
    singles: int
    """Claims that are sent one by one."""


TINY = Scale("tiny", 1, 24, (60, 120), 100, 300, (100, 300), 10)
QUICK = Scale("quick", 5, 250, (5_000, 20_000), 10_000, 100_000, (10_000, 100_000), 60)
FULL = Scale("full", 5, 3_000, (10_000, 100_000, 1_000_000), 100_000, 100_000, (10_000, 1_000_000), 300)


@dataclass(frozen=True, slots=True)
class Bound:
    """What a figure has to be: at least or at most so much."""

    sign: str
    limit: float

    def holds(self, value: float) -> bool:
        return value >= self.limit if self.sign == "≥" else value <= self.limit

    def __str__(self) -> str:
        return f"{self.sign} {self.limit:g}"


def at_least(limit: float) -> Bound:
    return Bound("≥", limit)


def at_most(limit: float) -> Bound:
    return Bound("≤", limit)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report. `value` is what goal and stretch are held against: a ratio where there is a rival."""

    what: str
    ours: str
    rival: str = ""
    value: float | None = None
    goal: Bound | None = None
    stretch: Bound | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        return None if self.goal is None or self.value is None else self.goal.holds(self.value)


@dataclass(slots=True)
class Bench:
    """What a module is handed: how much to measure, where to show how far it is, and where programs may log."""

    scale: Scale
    progress: Progress
    logs: Path
    rows: list[Row] = field(default_factory=list)
    listings: dict[str, list[str]] = field(default_factory=dict)
    """Figures that are told and not judged, line by line, by their headings."""
    kept: dict[int, tuple[str, Any]] = field(default_factory=dict)
    """Databases of so many settled claims, each with who is there."""

    def add(self, row: Row) -> None:
        self.rows.append(row)

    def alternate(
        self, title: str, contenders: Mapping[str, Callable[[], Found]], *, warm_up: bool = True
    ) -> dict[str, list[Found]]:
        """Let contenders take turns, each round in the other order; what each returned, round by round.

        A noisy machine is noisy for all of them, and what one leaves behind is not always the same one's to bear.
        """
        found: dict[str, list[Found]] = {name: [] for name in contenders}
        rounds = self.scale.rounds + warm_up
        task = self.progress.add_task(title, total=rounds * len(contenders))
        for number in range(rounds):
            for name in list(contenders)[:: -1 if number % 2 else 1]:
                one = contenders[name]()
                if number or not warm_up:
                    found[name].append(one)
                self.progress.advance(task)
        return found

    def compare(
        self,
        what: str,
        ours: list[float],
        rivals: list[float],
        unit: str,
        goal: Bound | None = None,
        stretch: Bound | None = None,
    ) -> None:
        """Add a row of two contenders' figures, round by round."""
        median, theirs = (f"{statistics.median(each):,.0f}{unit}" for each in (ours, rivals))
        self.add(Row(what, median, theirs, ratio(ours, rivals), goal, stretch))

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Something that takes a while and is not measured in turns."""
        task = self.progress.add_task(title, total=1)
        yield
        self.progress.advance(task)


def ratio(ours: list[float], rivals: list[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(one / other for one, other in zip(ours, rivals, strict=True))


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Nothing below an error is logged: what is written of each look is no part of what is compared."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


# --- Databases


def use(database: str) -> None:
    """From here on Django's connection is to another database of the same server."""
    connection.close()
    connection.settings_dict["NAME"] = database


def copy_database(source: str, target: str) -> None:
    """Make `target` anew, a copy of `source` file by file. No other process may be connected to the source."""
    connection.close()
    _on_server(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)')
    _on_server(f'CREATE DATABASE "{target}" TEMPLATE "{source}" STRATEGY FILE_COPY')


def drop_database(name: str) -> None:
    _on_server(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _on_server(statement: str) -> None:
    with connection._nodb_cursor() as cursor:
        cursor.execute(statement)


@contextmanager
def copied(suffix: str, source: str = "") -> Iterator[str]:
    """A copy of a database, by default of the one in use, in use for the length of a block."""
    used: str = connection.settings_dict["NAME"]
    name = f"{used}_{suffix}"
    copy_database(source or used, name)
    use(name)
    try:
        yield name
    finally:
        use(used)
        drop_database(name)


def execute(statement: str, parameters: Any = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def fetch(statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
