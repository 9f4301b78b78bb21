"""`manage.py seal`: chain the receipts of days that are over into blocks, and tell the newest block's hash."""

import json
from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from reconciliation.models import Block
from reconciliation.services import sealing


class Command(BaseCommand):
    help = (
        "Chain the receipts of each campaign and UTC day that is over into blocks, and print the newest block's hash: "
        "keep it elsewhere, for verify_ledger --head. Harmless to repeat."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--day", type=date.fromisoformat, help="this day only (UTC, YYYY-MM-DD)")
        parser.add_argument("--export", type=Path, metavar="FILE", help="write all blocks there, a JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        day: date | None = options["day"]
        if day and day >= sealing.open_day():
            raise CommandError(f"{day} is not over, or not for long enough.")
        blocks = receipts = 0
        for block in sealing.seal(day=day):
            blocks, receipts = blocks + 1, receipts + block.count
        self.stdout.write(f"{receipts:,} receipts sealed, in {blocks:,} blocks.")
        if options["export"]:
            self._export(options["export"])
        head = sealing.head()
        self.stdout.write(f"Head: block {head.number:,}, {head.sha256}" if head else "There is no block yet.")

    def _export(self, path: Path) -> None:
        try:
            with path.open("w", encoding="utf-8") as file:
                for block in sealing.exported():
                    file.write(f"{json.dumps(block)}\n")
        except OSError as error:
            raise CommandError(f"{path} can't be written: {error.strerror}.") from error
        self.stdout.write(f"{Block.objects.count():,} blocks written to {path}.")
