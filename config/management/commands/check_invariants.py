"""`manage.py check_invariants`: say whether the data is whole, invariant by invariant."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from alerts.invariants import INVARIANTS as ALERTS
from campaigns.invariants import INVARIANTS as CAMPAIGNS
from config.invariants import Finding, check
from reconciliation.invariants import INVARIANTS as RECONCILIATION

INVARIANTS = (*CAMPAIGNS, *RECONCILIATION, *ALERTS)


class Command(BaseCommand):
    help = "Check what always holds of the data, while everything is at work. Ends with 1 where something does not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="the findings as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = []
        for finding in check(INVARIANTS):
            findings.append(finding)
            if not options["json"]:
                self.stdout.write(_line(finding))
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2))
        if any(finding.offenders for finding in findings):
            sys.exit(1)


def _line(finding: Finding) -> str:
    if not finding.offenders:
        return f"ok      {finding.name}"
    return f"BROKEN  {finding.name}: {finding.offenders:,}, such as {', '.join(finding.ids)}"
