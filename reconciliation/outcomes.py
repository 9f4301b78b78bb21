"""What a person may decide in place of a counted verdict, and what follows from it.

An override says what a claim comes to from then on, as if the verdict had said so from the start. It counts no figures
of its own: it says what those that were counted are worth.

- MATCHED: the claim holds. Nothing that is claimed is over, whatever was counted; accurate.
- DISCREPANCY with its level: what was counted stands, and so does the money at risk. Where nothing that was counted is
  over, there must be a reason not to believe the count: then how much is over is unknown, and so is what it costs, for
  neither is 0. LOW is accurate, MEDIUM and HIGH are inaccurate.
- UNVERIFIABLE: nobody can tell. The claim stays a claim, no money is at risk, and trust does not change.
- INVALID_CLAIM: no post can have these figures; inaccurate.

TOO_EARLY and POST_MISSING are for no person to decide: the one is a matter of time, the other the platform's to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from campaigns.rates import Rates, worth
from reconciliation.comparison import Level, Status, TrustEffect
from reconciliation.rules import OVER_LIMIT

DECIDABLE = (Status.MATCHED, Status.DISCREPANCY, Status.UNVERIFIABLE, Status.INVALID_CLAIM)


class Reason(StrEnum):
    """Why somebody decided as they did."""

    EVIDENCE = "evidence"
    SOURCE_WRONG = "source_wrong"
    SOURCE_REVISED = "source_revised"
    NOT_GENUINE = "not_genuine"
    VERDICT_HOLDS = "verdict_holds"
    GOODWILL = "goodwill"
    CORRECTION = "correction"
    SILENCE = "silence"
    OTHER = "other"


REASONS = {
    Reason.EVIDENCE: "evidence was shown",
    Reason.SOURCE_WRONG: "the source counted wrongly",
    Reason.SOURCE_REVISED: "the source has corrected its figures since",
    Reason.NOT_GENUINE: "the figures are not genuine",
    Reason.VERDICT_HOLDS: "nothing speaks against the verdict",
    Reason.GOODWILL: "goodwill",
    Reason.CORRECTION: "an earlier decision was wrong",
    Reason.SILENCE: "nobody decided in time",
    Reason.OTHER: "see the note",
}
PEOPLES = tuple(reason for reason in Reason if reason != Reason.SILENCE)
"""Those that a person may give."""
REASON_CODES, PEOPLES_CODES = ([reason.value for reason in reasons] for reasons in (Reason, PEOPLES))


@dataclass(frozen=True, slots=True)
class Gap:
    """What was claimed above the count, and that in percent of the count. None: nobody knows."""

    difference: int | None = None
    percentage: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a verdict says: its gaps by claimed metric, and what they cost."""

    status: Status
    gaps: Mapping[str, Gap]
    money_at_risk: Decimal | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a claim comes to once it is decided."""

    status: Status
    level: Level | None
    trust_effect: TrustEffect
    gaps: Mapping[str, Gap]
    money_at_risk: Decimal | None


def decided(found: Found, status: Status, level: Level | None, rates: Rates) -> Outcome:
    """What follows where a person decides on this status.

    Money is the verdict's own where it had put some at risk, else what is over at today's `rates`. Raises ValueError
    for what nobody may decide, and for a level without a discrepancy or the other way round.
    """
    if status not in DECIDABLE:
        raise ValueError(f"{status} is not for a person to decide")
    if (status == Status.DISCREPANCY) != (level is not None):
        raise ValueError("a discrepancy has a level, and nothing else has one")
    gaps, money = found.gaps, None
    over = {metric: gap.difference for metric, gap in gaps.items() if gap.difference and gap.difference > 0}
    if status == Status.MATCHED:
        gaps = {metric: _closed(gap) for metric, gap in gaps.items()}
    elif status == Status.DISCREPANCY and not over:
        gaps = {metric: Gap() for metric in gaps}
    elif status == Status.DISCREPANCY:
        money = found.money_at_risk if found.status == Status.DISCREPANCY else worth(over, rates)
    return Outcome(status, level, _trust_effect(status, level), gaps, money)


def _closed(gap: Gap) -> Gap:
    return gap if gap.difference is not None and gap.difference <= 0 else Gap(0, Decimal("0.00"))


def _trust_effect(status: Status, level: Level | None) -> TrustEffect:
    if status == Status.UNVERIFIABLE:
        return TrustEffect.NONE
    is_accusing = status == Status.INVALID_CLAIM or level in OVER_LIMIT
    return TrustEffect.INACCURATE if is_accusing else TrustEffect.ACCURATE


OUTCOMES: Mapping[str, tuple[Status, Level | None]] = {
    "MATCHED": (Status.MATCHED, None),
    **{level.value: (Status.DISCREPANCY, level) for level in Level},
    "UNVERIFIABLE": (Status.UNVERIFIABLE, None),
    "INVALID_CLAIM": (Status.INVALID_CLAIM, None),
}
"""What may be decided, by one word: of a discrepancy that is its level."""
