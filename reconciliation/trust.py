"""How far an affiliate's claims can be relied on.

What trust is made of are counts: how many post-days came to each *kind* of outcome. Each post counts once a day, by the
latest of its claims of that day that has a counted verdict, so repeating a claim earns nothing. A day is the UTC day on
which the claim was made. Where a person decided in a verdict's place, the decision counts. If the latest outcome is no
matter of trust (unverifiable, for example), the post does not count on that day.

The score goes from 0 to 1, with four places. It is computed anew from the counts each time, never nudged up and down,
so computing it twice changes nothing, and neither the order nor the grouping in which verdicts were processed matters.
A rule set names one of two policies:

- `accuracy`: the share of accurate outcomes, rounded half to even. Who has nothing that counts yet has a score of 1.
- `events`: a start, and for each outcome what its kind adds or takes. The sum is cut off at 0 and at 1, once and at the
  end, so that it does not depend on an order either.

Beside either stands how far the share of accurate outcomes is known: the interval that Wilson's formula gives at 95 %.
It is wide for few posts and narrow for many, so that 3 of 3 is not 300 of 300.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Context, Decimal
from enum import StrEnum
from fractions import Fraction
from math import ceil
from typing import NamedTuple
from uuid import UUID

from reconciliation.comparison import TrustEffect
from reconciliation.rules import RuleMatrixError, half_even

_PLACES = 4
_ONE = Decimal("1.0000")
_STEP = Decimal("0.05")
"""What `to_raise` aims at is the next multiple of this."""
_SURE_WITHIN = Decimal("0.25")
"""A wider interval tells too little to say more than that."""
_Z = Decimal("1.959963984540054")
"""95 % of a normal distribution lie within so many deviations."""
_EXACTLY = Context(prec=34)


class Kind(StrEnum):
    """What a counted outcome is for trust: its level where it has one, else its status, and NONE where it is no matter
    of trust."""

    MATCHED = "MATCHED"
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    POST_MISSING = "POST_MISSING"
    INVALID_CLAIM = "INVALID_CLAIM"
    NONE = "NONE"


KINDS = tuple(kind for kind in Kind if kind is not Kind.NONE)
"""Those that count, in the order in which they are told."""
ACCURATE = (Kind.MATCHED, Kind.LOW)

Counts = Mapping[Kind, int]
"""Post-days by kind; what is left out is 0."""


def kind_of(status: str, level: str | None, effect: str) -> Kind:
    """The kind of an outcome with this status, level and effect on trust."""
    return Kind.NONE if effect == TrustEffect.NONE else Kind(level or status)


class Outcome(NamedTuple):
    """What a claim came to, as far as trust needs it; `day` is the UTC day of `claimed_at`.

    `post_id` is the post that stands for its content. `number` orders what was said of the same claim: 0 is the
    verdict's own word.
    """

    post_id: UUID | str
    platform_id: UUID | str
    day: date
    claimed_at: datetime
    claim_id: UUID | str
    number: int
    kind: Kind


def tally(outcomes: Iterable[Outcome]) -> Counter[tuple[UUID | str, Kind]]:
    """One affiliate's post-days by platform and kind, from all of their outcomes in any order; NONE is not counted."""
    latest: dict[tuple[UUID | str, date], Outcome] = {}
    for outcome in outcomes:
        known = latest.setdefault((outcome.post_id, outcome.day), outcome)
        if outcome[3:6] > known[3:6]:
            latest[outcome.post_id, outcome.day] = outcome
    return Counter((each.platform_id, each.kind) for each in latest.values() if each.kind != Kind.NONE)


class PolicyName(StrEnum):
    """How a score is made of counts."""

    ACCURACY = "accuracy"
    EVENTS = "events"


DEFAULT_START = Decimal("0.5")
DEFAULT_DELTAS: Mapping[Kind, Decimal] = {
    Kind.MATCHED: Decimal("0.02"),
    Kind.LOW: Decimal("0.01"),
    Kind.MEDIUM: Decimal("-0.05"),
    Kind.HIGH: Decimal("-0.15"),
    Kind.POST_MISSING: Decimal("-0.1"),
    Kind.INVALID_CLAIM: Decimal("-0.25"),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """How a score is made of counts. `start` and `deltas` (what an outcome of a kind adds) hold for `events` only."""

    name: PolicyName = PolicyName.ACCURACY
    start: Decimal = DEFAULT_START
    deltas: Mapping[Kind, Decimal] = field(default_factory=lambda: DEFAULT_DELTAS)

    def score(self, counts: Counts) -> Decimal:
        """The score of these counts, four places."""
        if self.name is PolicyName.EVENTS:
            return min(max(self.sum_of(counts), Decimal(0)), Decimal(1)).quantize(_ONE)
        total = _total(counts)
        return half_even(Fraction(_accurate(counts), total) if total else Fraction(1), _PLACES)

    def sum_of(self, counts: Counts) -> Decimal:
        """What `events` comes to before it is cut off; exact, as settings have four decimals at most."""
        return sum((self.deltas[kind] * counts.get(kind, 0) for kind in KINDS), self.start)


@dataclass(frozen=True, slots=True)
class Interval:
    """From where to where the share of accurate outcomes is likely to be, in 95 of 100 cases; four places."""

    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Trust:
    """What counts come to by a policy."""

    policy: Policy
    counts: Counts

    @property
    def score(self) -> Decimal:
        """From 0 to 1, four places."""
        return self.policy.score(self.counts)

    @property
    def total(self) -> int:
        """How many outcomes count."""
        return _total(self.counts)

    @property
    def accurate(self) -> int:
        """How many of them are accurate."""
        return _accurate(self.counts)

    @property
    def interval(self) -> Interval | None:
        """How far the share of accurate outcomes is known; None where nothing counts yet."""
        return wilson(self.accurate, self.total) if self.total else None

    @property
    def summary(self) -> str:
        """The score with what it rests on, as a sentence."""
        if not (known := self.interval):
            return "Nothing counts yet."
        posts = f"{self.total:,} {'post' if self.total == 1 else 'posts'}"
        is_telling = known.high - known.low <= _SURE_WITHIN
        if self.policy.name is PolicyName.EVENTS:
            share = f"{self.score:.2f}. Of {posts}, {self.accurate:,} accurate"
            low, high = (f"{bound * 100:.0f} %" for bound in (known.low, known.high))
            if is_telling:
                return f"{share}: likely {low} to {high} of all."
            return f"{share}: too few to tell, {low} to {high} of all are likely."
        if is_telling:
            return f"{self.score:.2f}, likely {known.low:.2f} to {known.high:.2f} from {posts}."
        return f"{self.score:.2f} from {posts}: too few to tell, {known.low:.2f} to {known.high:.2f} are likely."

    @property
    def to_raise(self) -> str:
        """What would raise the score, as a sentence: how many more accurate posts bring it to the next step."""
        now = f"{self.score:.2f}"
        aim = (Decimal(now) // _STEP + 1) * _STEP
        if self.score == 1:
            return "It can’t be higher." if self.total else "The first post that is judged does."
        if aim > 1:
            return "It can hardly be higher."
        needed = self._needed(Fraction(aim))
        if needed is None:
            is_share = self.policy.name is PolicyName.ACCURACY
            return "Each accurate post brings it closer to 1." if is_share else "Accurate posts don’t raise it."
        then = {**self.counts, Kind.MATCHED: self.counts.get(Kind.MATCHED, 0) + needed}
        posts, bring = ("post", "brings") if needed == 1 else ("posts", "bring")
        return f"{needed:,} more accurate {posts} {bring} it from {now} to {self.policy.score(then):.2f}."

    def _needed(self, aim: Fraction) -> int | None:
        """How many more matched outcomes it takes to reach `aim`; None where no number is enough."""
        if self.policy.name is PolicyName.EVENTS:
            each, so_far = Fraction(self.policy.deltas[Kind.MATCHED]), Fraction(self.policy.sum_of(self.counts))
            return ceil((aim - so_far) / each) if each else None
        return ceil((aim * self.total - self.accurate) / (1 - aim)) if aim < 1 else None


@dataclass(frozen=True, slots=True)
class TrustDay:
    """The outcomes of a day, and the score as it was with all until then."""

    day: date
    counts: Counts
    score: Decimal


def course(before: Counts, days: Mapping[date, Counts], policy: Policy) -> Sequence[TrustDay]:
    """The score day by day, oldest first, for the days on which anything counted; `before` is what counted earlier."""
    so_far, found = Counter(before), []
    for day in sorted(days):
        so_far.update(days[day])
        found.append(TrustDay(day, days[day], policy.score(so_far)))
    return found


def wilson(accurate: int, total: int) -> Interval:
    """Wilson's score interval at 95 % for `accurate` of `total` (1 or more)."""
    n, hits, square = Decimal(total), Decimal(accurate), _Z * _Z
    spread = _Z * _EXACTLY.sqrt(square + 4 * hits * (n - hits) / n)
    middle, width = 2 * hits + square, 2 * (n + square)
    low, high = ((middle - spread) / width, (middle + spread) / width)
    return Interval(_bounded(low), _bounded(high))


def _bounded(share: Decimal) -> Decimal:
    return half_even(Fraction(min(max(share, Decimal(0)), Decimal(1))), _PLACES)


def _total(counts: Counts) -> int:
    return sum(counts.get(kind, 0) for kind in KINDS)


def _accurate(counts: Counts) -> int:
    return sum(counts.get(kind, 0) for kind in ACCURATE)


def parse_trust(given: object) -> Policy:
    """Read a rule set's part on trust as it stands in JSON: `policy`, `start` and `deltas` by kind, decimals as text.

    What is left out holds by default. Raises RuleMatrixError with the field (`trust.deltas.HIGH`) for what is unknown,
    of the wrong shape or out of range, and for an accurate kind that would cost trust or an inaccurate one that would
    earn it.
    """
    if not isinstance(given, dict):
        raise RuleMatrixError("trust", "must be an object of policy, start and deltas")
    for name in given:
        if name not in ("policy", "start", "deltas"):
            raise RuleMatrixError(f"trust.{name}"[:80], "there is no such setting")
    name = given.get("policy", PolicyName.ACCURACY)
    if name not in list(PolicyName):
        raise RuleMatrixError("trust.policy", f"must be one of {', '.join(PolicyName)}")
    deltas = given.get("deltas", {})
    if not isinstance(deltas, dict):
        raise RuleMatrixError("trust.deltas", "must be an object of decimals by kind")
    for kind in deltas:
        if kind not in KINDS:
            raise RuleMatrixError(f"trust.deltas.{kind}"[:80], f"must be one of {', '.join(KINDS)}")
    start = _decimal("trust.start", given["start"], 0, 1) if "start" in given else DEFAULT_START
    return Policy(PolicyName(name), start, {kind: _delta(kind, deltas) for kind in KINDS})


def _delta(kind: Kind, deltas: Mapping[str, object]) -> Decimal:
    if kind not in deltas:
        return DEFAULT_DELTAS[kind]
    low, high = (0, 1) if kind in ACCURATE else (-1, 0)
    return _decimal(f"trust.deltas.{kind}", deltas[kind], low, high)


def _decimal(where: str, given: object, low: int, high: int) -> Decimal:
    if isinstance(given, str) and re.fullmatch(r"-?[01](\.[0-9]{1,4})?", given) and low <= Decimal(given) <= high:
        return Decimal(given)
    raise RuleMatrixError(where, f'must be from {low} to {high}, as text with at most four decimals, like "0.05"')
