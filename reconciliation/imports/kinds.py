"""What the kinds of files have in common."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from affiliates.models import User
from config.errors import DomainError
from reconciliation.models import ImportRow

Values = Mapping[str, str]
"""A row's cells by column, as text; "" where there is nothing."""
Outcome = ImportRow.Outcome


@dataclass(frozen=True, slots=True)
class Result:
    """What a row comes to: its outcome and the object it is about, or why it is refused."""

    outcome: Outcome
    object_id: UUID | None = None
    field: str = ""
    code: str = ""
    reason: str = ""

    @classmethod
    def of(cls, refusal: DomainError) -> "Result":
        """The refusal of one row."""
        return cls(Outcome.REFUSED, None, refusal.field or "", str(refusal.code), refusal.message)


class Kind(Protocol):
    """A kind of file. Rows come some hundreds at a time; each result stands in its row's place."""

    @property
    def columns(self) -> Sequence[str]:
        """Those that a file may have."""

    @property
    def required(self) -> Sequence[str]:
        """Those that it must have."""

    @property
    def chunk_rows(self) -> int:
        """How many rows are written together: what takes well under a second."""

    def visible_to(self, by: User) -> "QuerySet[Any]":
        """The objects of such rows that somebody may import, and so learn of."""

    def keys(self, rows: Sequence[Values], *, by: User) -> Sequence[Hashable]:
        """What each row names, where a file may name that once only; None where that can't be told."""

    def preview(self, rows: Sequence[Values], *, by: User) -> list[Result]:
        """What `write` would come to. Nothing is written."""

    def write(self, rows: Sequence[Values], *, by: User) -> list[Result]:
        """Take what can be taken, in the caller's transaction."""


def optional(kind: Kind) -> list[str]:
    """The columns that a file may have and need not."""
    return [column for column in kind.columns if column not in kind.required]


def tried(kind: Kind, rows: Sequence[Values], *, by: User) -> list[Result]:
    """What `write` comes to, found out by doing it and taking it back."""
    with transaction.atomic():
        results = kind.write(rows, by=by)
        transaction.set_rollback(True)
    return results
