"""How much of a gap could have an innocent reason, and how much is left.

A claimed figure above the counted one is not yet an untrue one. Three things could explain a part of the gap:

- *Rounding*: platforms show large figures in short (12.4K, 1.2M), rounded to the nearest step. A claimed figure that is
  a whole number of steps may stand for anything up to half a step below it: 12,400 for 12,350.
- *Definition*: the platform began to count something else between the claim and the look. Then nobody can say how much
  of the gap that is: it could be all of it.
- *Lag*: the source may not have caught up yet. That too could be all of what is left.

What none of them could explain is unexplained. These are upper bounds of what could be so, in this order, and together
they are the gap. They are shown beside it; the level is decided by the whole gap.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from platforms.metrics import definition_id
from reconciliation.comparison import open_windows
from reconciliation.receipts import read_lags

_STEPS = ((10**9, 10**8), (10**6, 10**5), (10**4, 10**3), (10**3, 10**2))
"""From which figure on, and in which steps, platforms show counts in short: 1.2B, 1.2M, 12K or 12.4K, 1.2K."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What could explain an over-claim, in counts of its metric; the four add up to it."""

    rounding: int
    definition: int
    lag: int
    unexplained: int


def explain(claimed: int, truth: int, *, definition_changed: bool, lagging: bool) -> Gap | None:
    """How a gap could come about; None where nothing is over."""
    gap = claimed - truth
    if gap <= 0:
        return None
    rounding = min(gap, _half_step(claimed))
    rest = gap - rounding
    definition = rest if definition_changed else 0
    lag = rest if lagging and not definition_changed else 0
    return Gap(rounding, definition, lag, rest - definition - lag)


@dataclass(frozen=True, slots=True)
class Look:
    """When a claim was made and looked at, and by which windows: the `terms` kept with its verdict, if any are."""

    platform: str
    claimed_at: datetime
    fetched_at: datetime
    posted_at: datetime | None
    terms: Mapping[str, Any] | None

    def gap(self, metric: str, claimed: int | None, difference: int | None) -> Gap | None:
        """What could explain how far this figure is over; None where it is not, or nobody knows."""
        if claimed is None or difference is None or difference <= 0:
            return None
        days = {self.claimed_at.date(), self.fetched_at.date()}
        changed = len({definition_id(self.platform, metric, day) for day in days}) > 1
        return explain(claimed, claimed - difference, definition_changed=changed, lagging=metric in self._windows())

    def _windows(self) -> Mapping[str, datetime]:
        if not self.terms:
            return {}
        times = self.claimed_at, self.fetched_at, self.posted_at
        return open_windows(*times, lags=read_lags(self.terms), previous=self.terms["previous"])


def _half_step(claimed: int) -> int:
    """How far a figure that is shown in short may be above the one it stands for; 0 for one that is not."""
    for start, coarse in _STEPS:
        if claimed >= start:
            fine = coarse // 10 if start == 10**4 else coarse
            step = next((step for step in (coarse, fine) if claimed % step == 0), 0)
            return step // 2
    return 0
