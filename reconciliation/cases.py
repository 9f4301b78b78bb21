"""A case as people ask about it from outside: a claim, a truth and some times, as JSON, judged by the default rules.

It is the first look at a claim that nothing else is known of: no campaign, no connection, no earlier look.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from platforms.metrics import ALIASES, PLATFORM_NAMES, Availability, lags
from reconciliation.comparison import Claim, Figures, Looks, Truth, Verdict, judge
from reconciliation.rules import CLAIMABLE, DEFAULT_CELLS, parse_matrix

_RULES_VERSION = 1
_MATRIX = parse_matrix(DEFAULT_CELLS)


class CaseError(ValueError):
    """What can't be judged: `field` says where ("" for the whole), `reason` why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


@dataclass(frozen=True, slots=True)
class Case:
    """A claim, the truth it is held against, and the slug of the platform that the post is on."""

    platform: str
    claim: Claim
    truth: Truth

    def judged(self) -> Verdict:
        """The verdict by the default rules and windows. Raises CaseError where the truth is from before the claim, or
        nothing is claimed."""
        if self.truth.fetched_at < self.claim.claimed_at:
            raise CaseError("fetched_at", "A claim is never judged by what was fetched before it.")
        if self.claim.figures == Figures():
            raise CaseError("claimed", "A claim names at least one figure.")
        rules = _MATRIX.rules_for("", self.platform, _RULES_VERSION)
        try:
            return judge(
                self.claim, self.truth, platform=self.platform, rules=rules, lags=lags(self.platform), looks=Looks()
            )
        except OverflowError as error:
            raise CaseError("fetched_at", "The time of another look would be beyond the calendar.") from error


def parse_case(text: str) -> Case:
    """Read a case from a JSON object. Names that are not known are left alone. Raises CaseError."""
    try:
        given = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise CaseError("", "This is no JSON.") from error
    if not isinstance(given, dict):
        raise CaseError("", "A case is a JSON object.")
    name = given.get("platform")
    platform = ALIASES.get(name, name) if isinstance(name, str) else ""
    if platform not in PLATFORM_NAMES:
        raise CaseError("platform", f"One of {', '.join([*PLATFORM_NAMES, *ALIASES])}.")
    claimed_at, fetched_at = _moment(given, "claimed_at"), _moment(given, "fetched_at")
    availability = given.get("availability")
    if availability not in list(Availability):
        raise CaseError("availability", f"One of {', '.join(Availability)}.")
    posted_at = None if given.get("posted_at") is None else _moment(given, "posted_at")
    claim = Claim(_figures(given, "claimed"), claimed_at)
    truth = Truth(_figures(given, "truth"), Availability(availability), False, fetched_at, posted_at)
    return Case(platform, claim, truth)


def as_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as the answer to a case: of the claimed figures, those that have a truth; decimals as text."""
    return {
        "status": verdict.status.value,
        "level": verdict.level,
        "metrics": {
            metric: {
                "diff": figure.difference,
                "pct": None if figure.percentage is None else str(figure.percentage),
                "level": figure.level,
            }
            for metric, figure in verdict.metrics.items()
            if figure.truth is not None
        },
        "confidence": str(verdict.confidence),
        "explanation": verdict.explanation,
    }


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _moment(given: Mapping[str, Any], name: str) -> datetime:
    """An ISO 8601 time; one that says no zone is UTC."""
    try:
        moment = datetime.fromisoformat(given.get(name, ""))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise CaseError(name, "A time in ISO 8601.") from error


def _figures(given: Mapping[str, Any], name: str) -> Figures:
    figures = given.get(name)
    if figures is None:
        return Figures()
    if not isinstance(figures, dict):
        raise CaseError(name, f"An object of {', '.join(CLAIMABLE)}.")
    return Figures(*(_count(figures, name, metric) for metric in CLAIMABLE))


def _count(figures: Mapping[str, Any], name: str, metric: str) -> int | None:
    figure = figures.get(metric)
    if figure is not None and (type(figure) is not int or figure < 0):
        raise CaseError(f"{name}.{metric}", "A whole number from 0, or null.")
    return figure
