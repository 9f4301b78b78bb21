"""Asking in a test what `manage.py check_invariants` asks."""

from datetime import timedelta

from config import clock
from config.invariants import LATE_AFTER, check
from config.management.commands.check_invariants import INVARIANTS


def broken(*, soon: bool = False) -> dict[str, list[str]]:
    """What does not hold, with the ids of some rows of which it does not; `soon`: what has time left had to be done."""
    moment = clock.now() + (LATE_AFTER + timedelta(seconds=1) if soon else timedelta())
    with clock.at(moment):
        return {finding.name: finding.ids for finding in check(INVARIANTS) if finding.offenders}
