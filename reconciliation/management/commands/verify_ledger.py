"""`manage.py verify_ledger`: derive every verdict again from what it was drawn from, and check blocks and chain."""

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from campaigns.models import Campaign
from config.progress import progress
from reconciliation.services import sealing
from reconciliation.services.verifying import Checked, Selection, verify

SHOWN = 100


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise ArgumentTypeError("a SHA-256 has 64 hexadecimal digits")
    return text.lower()


class Command(BaseCommand):
    help = (
        "Judge every verdict's inputs again, check its receipt against the block that it is sealed in, and the chain "
        "of all blocks. Whatever is changed, missing, out of order or does not follow is named, and the command then "
        "ends with 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--campaign", type=UUID, help="this campaign's verdicts only; the chain is checked whole")
        parser.add_argument(
            "--from", type=date.fromisoformat, dest="since", help="verdicts of this UTC day and later only (YYYY-MM-DD)"
        )
        parser.add_argument("--head", type=_sha256, help="a block's hash that was kept elsewhere")

    def handle(self, *args: Any, **options: Any) -> None:
        campaign = options["campaign"] and Campaign.objects.filter(pk=options["campaign"]).first()
        if options["campaign"] and not campaign:
            raise CommandError(f"There is no campaign {options['campaign']}.")
        selection, found, faults = Selection(campaign, options["since"]), Checked(), 0
        with progress("Verified", selection.verdicts()) as show:
            for page in verify(selection=selection, head=options["head"] or ""):
                found.verdicts += page.verdicts
                found.underivable += page.underivable
                found.unsealed += page.unsealed
                for fault in page.faults:
                    faults += 1
                    if faults <= SHOWN:
                        self.stdout.write(fault)
                show(found.verdicts)
        self._tell(found, faults)
        if faults:
            sys.exit(1)

    def _tell(self, found: Checked, faults: int) -> None:
        head = sealing.head()
        chain = f"{head.number:,} blocks, the newest {head.sha256}" if head else "no block yet"
        self.stdout.write(f"{found.verdicts:,} verdicts checked; {chain}.")
        if found.underivable:
            self.stdout.write(f"{found.underivable:,} have no terms with them: only their hash was checked.")
        if found.unsealed:
            self.stdout.write(f"{found.unsealed:,} are of days that are over, and in no block: run seal.")
        more = f" ({SHOWN} shown)" if faults > SHOWN else ""
        self.stdout.write(f"{faults:,} things are wrong{more}." if faults else "Nothing is wrong.")
