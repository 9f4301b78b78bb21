"""Invariants: what is true of the data at every moment, whatever has died. Each app lists its own in `invariants`.

An invariant is one query for the rows of which it does not hold. All are asked in one snapshot, so that they can be
asked while everything is at work.
"""

from collections.abc import Iterable, Iterator, Mapping
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
    """What always holds, in words, and the query for what offends against it.

    The query selects one column, `id`. It may use `%(late)s`: what happened before that moment has had its time.
    """

    name: str
    offenders: str


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


def check(invariants: Iterable[Invariant]) -> Iterator[Finding]:
    """Ask each of these, and what holds of the queue and of the tables of record, in one snapshot of the database.

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
        for invariant in (APPEND_ONLY, *invariants):
            yield _ask(invariant, values)
        unreadable = queue.unreadable()
        yield Finding("What is queued can be read, and is a task", len(unreadable), unreadable[:SHOWN])


def _ask(invariant: Invariant, values: Mapping[str, Any]) -> Finding:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) OVER (), id FROM ({invariant.offenders}) offender LIMIT {SHOWN}", values)
        rows = cursor.fetchall()
    return Finding(invariant.name, rows[0][0] if rows else 0, [str(pk) for _, pk in rows])
