"""`manage.py rehearse`: which verdicts and alerts of a period would have been others by other rules."""

import json
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config import clock
from config.progress import progress
from reconciliation.models import ReconciliationLog
from reconciliation.rules import RuleMatrixError
from reconciliation.services import rehearsing, rulesets

DAYS = 30


class Command(BaseCommand):
    help = (
        "Judge the verdicts of the latest days again by rules that are not saved, and say what would have been "
        "different: counts first, then the newest cases. Nothing is written."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "rules",
            type=Path,
            help="a JSON object with cells, quality or both, as a rule set has them; what it "
            "leaves out is as it is now",
        )
        parser.add_argument("--days", type=int, default=DAYS, help=f"how many of the latest days ({DAYS})")

    def handle(self, *args: Any, **options: Any) -> None:
        until = clock.now()
        since = until - timedelta(days=max(1, options["days"]))
        found = rehearsing.Rehearsed()
        total = ReconciliationLog.objects.filter(processed_at__gte=since, processed_at__lt=until).count()
        try:
            parts = rehearsing.parts_of(rulesets.current(), _read(options["rules"]))
            pages = rehearsing.rehearse(**parts, since=since, until=until)
        except RuleMatrixError as error:
            raise CommandError(f"These rules can't hold: {error}.") from error
        with progress("Judged anew", total) as show:
            for found in pages:
                show(found.verdicts)
        self._tell(found)

    def _tell(self, found: rehearsing.Rehearsed) -> None:
        self.stdout.write(
            f"{found.verdicts:,} verdicts: {found.changed:,} would have been others; "
            f"{found.alerts_more:,} alerts more, {found.alerts_fewer:,} fewer."
        )
        if found.unknown:
            self.stdout.write(f"{found.unknown:,} are from before it was kept what they were drawn by.")
        for (before, after), number in found.most_frequent:
            self.stdout.write(f"{number:>9,}  {before} → {after}")
        for case in found.cases:
            self.stdout.write(f"{case.verdict_id}: {case.before} → {case.after}. {case.explanation}")
        if found.changed > len(found.cases):
            self.stdout.write(f"… the newest {len(found.cases)} of {found.changed:,}.")


def _read(file: Path) -> dict[str, Any]:
    try:
        given = json.loads(file.read_text())
    except OSError as error:
        raise CommandError(f"{file} can't be read: {error.strerror}.") from error
    except ValueError as error:
        raise CommandError(f"This is no JSON: {error}.") from error
    if not isinstance(given, dict) or set(given) - {"cells", "quality"}:
        raise CommandError("The rules are an object with cells, quality or both.")
    return given
