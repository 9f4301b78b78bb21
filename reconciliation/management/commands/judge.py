"""`manage.py judge`: verdicts on cases, one JSON object for each line of standard input."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand

from platforms.management.pipes import lines, reader_may_leave
from reconciliation.cases import CaseError, as_json, parse_case


class Command(BaseCommand):
    help = (
        "Read cases from standard input, one JSON object a line (platform, claimed, truth, posted_at, claimed_at, "
        "fetched_at, availability), and print for each, in order, a JSON object with status, level, metrics, "
        "confidence and explanation; for one that can't be judged, its error. Ends with 1 if there were such."
    )
    # It needs neither the database nor a sound configuration.
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        if sys.stdin is None:  # closed by whoever started us
            return
        refused = 0
        with reader_may_leave():
            for line in lines(sys.stdin.buffer):
                if not line.strip():
                    continue
                try:
                    answer = as_json(parse_case(line).judged())
                except CaseError as error:
                    refused += 1
                    answer = {"error": {"field": error.field, "reason": error.reason}}
                self.stdout.write(json.dumps(answer))
                self.stdout.flush()  # whoever sends one line and waits gets its answer
        if refused:
            sys.exit(1)
