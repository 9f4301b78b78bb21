"""Whether the looks that plans ask for fit into a platform's call budget: numbers in, a sentence out.

1. Of each crowd of posts (one campaign's, claimed on one day) the plan says how many looks are due on each of the
   coming days. Posts that are still to be claimed are not among them, nor is what looks are spread by.
2. Looks of all campaigns share calls, as many as one call takes; one that is not full counts as a call.
3. What a day gives is the rate or the quota, whichever is less; of the quota only what re-checks may spend.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from campaigns.plans import DAY, Plan, looks_between
from platforms.budget import Budget, calls_a_day

DAYS = 7


@dataclass(frozen=True, slots=True)
class Crowd:
    """Posts that were claimed so long ago, and are looked at by a plan for so long still; so many on average."""

    plan: Plan
    posts: float
    age: timedelta
    left: timedelta


@dataclass(frozen=True, slots=True)
class Need:
    """One day's looks and the calls they take; `calls_of_all` with those of the other campaigns."""

    looks: int
    calls: int
    calls_of_all: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the coming days need, the first of them being the next 24 hours, and what each day's budget gives."""

    days: tuple[Need, ...]
    calls_a_day: int

    @property
    def busiest(self) -> Need:
        return max(self.days, key=lambda need: (need.calls_of_all, need.looks))

    @property
    def fits(self) -> bool:
        return self.busiest.calls_of_all <= self.calls_a_day

    def sentence(self, platform: str) -> str:
        """What it comes to, for who makes the plan: what others' campaigns need is not theirs to know."""
        need = self.busiest
        share = (
            f"{need.looks:,} looks on the busiest day of the coming week take {need.calls:,} of the "
            f"{self.calls_a_day:,} calls a day that all campaigns on {platform} share."
        )
        if not need.looks:
            return "No look is planned in the coming week."
        if self.fits:
            return share
        return f"{share} Together they need more: looks come later than planned, those with most money at stake first."


def forecast(*, own: Sequence[Crowd], others: Sequence[Crowd], looks_a_call: int, budget: Budget) -> Forecast:
    """What a campaign's posts on a platform (`own`) and those of the other campaigns there need of its budget."""
    mine, all_of_them = _looks(own), _looks([*own, *others])
    days = tuple(
        Need(looks, -(-looks // looks_a_call), -(-total // looks_a_call))
        for looks, total in zip(mine, all_of_them, strict=True)
    )
    return Forecast(days, calls_a_day(budget, of_rechecks=True))


def _looks(crowds: Sequence[Crowd]) -> list[int]:
    looks = [0.0] * DAYS
    for crowd in crowds:
        for day in range(DAYS):
            start, end = crowd.age + day * DAY, crowd.age + min((day + 1) * DAY, crowd.left)
            looks[day] += crowd.posts * looks_between(crowd.plan, start, end)
    return [round(number) for number in looks]
