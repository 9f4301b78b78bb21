"""How far an affiliate's claims can be relied on: the `accuracy` policy.

The score is the share of accurate claims, from 0 to 1, rounded half to even to four places. It is computed anew from
the recorded outcomes each time, never nudged up and down, so computing it twice changes nothing and the order in which
verdicts were processed does not matter.

Each post counts once a day, by the latest of its claims of that day that has a counted verdict, so repeating a claim
earns nothing. A day is the UTC day on which the claim was made. If the latest outcome is no matter of trust
(unverifiable, for example), the post does not count on that day. Who has nothing that counts yet has a score of 1.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from reconciliation.comparison import TrustEffect
from reconciliation.rules import half_even


@dataclass(frozen=True, slots=True)
class Outcome:
    """A counted verdict as far as trust needs it; `day` is the UTC day of `claimed_at`."""

    post_id: object
    day: date
    claimed_at: datetime
    claim_id: UUID | str
    effect: str


@dataclass(frozen=True, slots=True)
class Trust:
    """The score from 0 to 1, and the counts that it is made of."""

    score: Decimal
    total: int
    accurate: int


def accuracy(outcomes: Iterable[Outcome]) -> Trust:
    """The score of one affiliate from all of their outcomes, in any order."""
    latest: dict[tuple[object, date], Outcome] = {}
    for outcome in sorted(outcomes, key=lambda x: (x.claimed_at, x.claim_id)):
        latest[outcome.post_id, outcome.day] = outcome
    effects = [outcome.effect for outcome in latest.values()]
    accurate = effects.count(TrustEffect.ACCURATE)
    total = accurate + effects.count(TrustEffect.INACCURATE)
    return Trust(score(accurate=accurate, total=total), total, accurate)


def score(*, accurate: int, total: int) -> Decimal:
    """The share of accurate ones, four places; 1 where nothing counts yet."""
    return half_even(Fraction(accurate, total) if total else Fraction(1), 4)
