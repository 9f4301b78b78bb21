"""Invariants: what is true of the data at every moment, whatever has died. Each app lists its own in `invariants`.

An invariant is asked for what it does not hold of, mostly by one query. All are asked in one snapshot of the database,
so that they can be asked while everything is at work.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.db import connection, transaction

from config import clock, queue
from config.models import AppendOnly

LATE_AFTER = timedelta(seconds=120)
"""What is not done in the same transaction, but soon after, must have been done by then."""
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Invariant:
    """What always holds, in words, and how to find what offends against it.

    A query selects one column, `id`. It may use `%(late)s`: what happened before that moment has had its time.
    """

    name: str
    offenders: str | Callable[[], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Finding:
    """How many offend against an invariant, and the ids of the first SHOWN of them."""

    name: str
    offenders: int
    ids: list[str]


APPEND_ONLY = Invariant(
    "A trigger keeps every table of record from being changed",
    """
    SELECT name AS id FROM unnest(%(append_only)s::text[]) AS name
    WHERE NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = to_regclass(name) AND tgname = 'append_only' AND tgenabled IN ('O', 'A')
    )
    """,
)
QUEUE = Invariant("What is queued can be read, and is a task", queue.unreadable)


def check(invariants: Iterable[Invariant]) -> Iterator[Finding]:
    """Ask each of these, and what holds of the tables of record and of the queue, in one snapshot of the database.

    Inside a caller's transaction they see what that one sees.
    """
    values = {
        "late": clock.now() - LATE_AFTER,
        "append_only": [model._meta.db_table for model in apps.get_models() if issubclass(model, AppendOnly)],
    }
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for invariant in (APPEND_ONLY, QUEUE, *invariants):
            yield _ask(invariant, values)


def _ask(invariant: Invariant, values: Mapping[str, Any]) -> Finding:
    if callable(invariant.offenders):
        found = invariant.offenders()
        return Finding(invariant.name, len(found), list(found[:SHOWN]))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) OVER (), id FROM ({invariant.offenders}) offender LIMIT {SHOWN}", values)
        rows = cursor.fetchall()
    return Finding(invariant.name, rows[0][0] if rows else 0, [str(pk) for _, pk in rows])
