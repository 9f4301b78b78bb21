"""What the commands that import files share: check, say what each row comes to, import, with progress."""

import math
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from affiliates.models import User
from config.errors import DomainError
from config.progress import progress
from config.tables.reading import open_table
from reconciliation.models import Import, ImportRow
from reconciliation.services import importing

MAX_SHOWN = 50
POLL_S = 1


class ImportCommand(BaseCommand):
    """Import a file of one kind, here and now."""

    kind: Import.Kind

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="a .csv or .xlsx file")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, and import nothing")
        parser.add_argument(
            "--rows",
            choices=list(Import.Take.values),
            default="all",
            help="all rows or none (default), or the good ones",
        )
        parser.add_argument("--by", metavar="EMAIL", help="in whose name; the first superuser unless given")

    def handle(self, *args: Any, **options: Any) -> None:
        by, path = _user(options["by"]), options["file"]
        try:
            with path.open("rb") as file:
                total = sum(1 for _ in self._table(file, path.name))
                taken = importing.take_file(kind=self.kind, file=file, name=path.name, by=by, is_queued=False)
            self._work("Checked", taken.pk, total)
            current = Import.objects.get(pk=taken.pk)
            self._report(current)
            if options["dry_run"]:
                importing.discard_import(import_id=taken.pk, by=by)
                self.stdout.write("This was a dry run: nothing was imported.")
                return
            take = Import.Take(options["rows"])
            importing.apply_import(import_id=taken.pk, take=take, by=by, is_queued=False)
            self._work("Imported", taken.pk, total)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from None
        except DomainError as refusal:
            raise CommandError(f"{refusal.message} Nothing was imported.") from None
        self._conclude(Import.objects.get(pk=taken.pk))

    def _table(self, file: Any, name: str) -> Any:
        kind = importing.KINDS[self.kind]
        return open_table(file, name=name, columns=kind.columns, required=kind.required)

    def _work(self, title: str, import_id: UUID, total: int) -> None:
        with progress(title, total) as show:
            importing.work(import_id=import_id, turn_s=math.inf, on_progress=show)
            while Import.objects.get(pk=import_id).is_at_work:  # a worker was quicker, and may die
                time.sleep(POLL_S)
                importing.work(import_id=import_id, turn_s=math.inf, on_progress=show)

    def _report(self, current: Import) -> None:
        refused = current.rows.filter(outcome=ImportRow.Outcome.REFUSED)
        for row in refused[:MAX_SHOWN]:
            where = f"line {row.line}, {row.field}" if row.field else f"line {row.line}"
            self.stderr.write(f"{where}: {row.reason} ({row.code})")
        more = current.rows_of(ImportRow.Outcome.REFUSED) - MAX_SHOWN
        if more > 0:
            self.stderr.write(f"… and {more:,} more are refused.")
        self.stdout.write(_counts(current))

    def _conclude(self, current: Import) -> None:
        if current.state != Import.State.APPLIED:
            raise CommandError(current.error or "Nothing was imported.")
        self.stdout.write(f"Imported. {_counts(current)}")
        if current.rows_of(ImportRow.Outcome.REFUSED):
            sys.exit(3)


def _counts(current: Import) -> str:
    found = {outcome.label: current.rows_of(outcome) for outcome in ImportRow.Outcome}
    return "Rows: " + ", ".join(f"{label} {number:,}" for label, number in found.items() if number) + "."


def _user(email: str | None) -> User:
    people = User.objects.filter(is_active=True, is_staff=True)
    by = people.filter(email=email.lower()) if email else people.filter(is_superuser=True).order_by("created_at")
    found: User | None = by.first()
    if found is None:
        raise CommandError(f"There is no staff user {email}." if email else "Say in whose name: --by EMAIL.")
    return found
