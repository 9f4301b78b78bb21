"""Which limits hold for a claim, and what they say about one figure.

A claimed figure that is not above the counted one is fine: figures grow after the claim. A figure that is above it is
*over* by a gap, and the gap is put on a scale:

1. The percentage is the gap divided by the counted figure. Below `medium_from_pct` (5 %) the level is LOW, from there
   up to and including `high_above_pct` (20 %) it is MEDIUM, above that it is HIGH. Where nothing was counted there is
   no percentage, and the level is HIGH.
2. Then the floor: a gap below 50 views, 5 clicks or 2 conversions is LOW whatever its percentage.

Levels are judged on exact numbers. Rounding, half to even and to two places, is for showing a percentage only.

The limits come from a matrix, a list of *cells*. Each cell names a scope (default, one platform or one campaign), a
metric (or all of them) and up to three values; a value that is left empty is "not said here". For each value on its own
the campaign beats the platform and the platform beats the default, and within each of them a cell for the metric beats
the cell for all metrics. The default says every value for every metric, so there always is an answer.

A platform's or a campaign's cell for views may also say how many hours they may lag (`lag_h`); where none does, the
platform's own window holds. Conversions' window is a setting of each campaign, and clicks never lag.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from itertools import product
from uuid import UUID

from platforms.metrics import Metric

CLAIMABLE = (Metric.VIEWS, Metric.CLICKS, Metric.CONVERSIONS)
"""The metrics that a claim can name, in the order in which they are told."""

IMPOSSIBLE_ABOVE = 10**12
"""No post has a figure above this."""

HIGHEST_PCT = 1000
HIGHEST_FLOOR = 10**12
LONGEST_LAG_H = 1_440


class Level(StrEnum):
    """How far a figure is over: the worst level of a claim's figures is the claim's."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


OVER_LIMIT = (Level.MEDIUM, Level.HIGH)
_BY_SEVERITY = (None, *Level)


def severity(level: Level | None) -> int:
    """0 for no level, then rising from LOW to HIGH."""
    return _BY_SEVERITY.index(level)


def worst(levels: Iterable[Level | None]) -> Level | None:
    """The most severe of `levels`; None if there are none or nothing is over."""
    return max(levels, key=severity, default=None)


def half_even(value: Fraction, places: int) -> Decimal:
    """`value` rounded half to even. Exact for numbers of any size, whatever decimal context is in force."""
    whole, rest = divmod(value.numerator * 10**places, value.denominator)
    if (rest * 2, whole % 2) > (value.denominator, 0):  # above the middle, or in the middle of an odd and an even one
        whole += 1
    return Decimal(f"{whole}E-{places}")


@lru_cache(maxsize=1_000)
def _exact(percentage: Decimal) -> Fraction:
    return Fraction(percentage)


@dataclass(frozen=True, slots=True)
class MetricVerdict:
    """One claimed figure beside its truth; `truth` and what follows from it are None where no source says.

    `difference` is the claimed figure less the truth and `percentage` its share of the truth (two places, None for a
    truth of 0); both are negative when the truth is higher. `level` is None when nothing is over. `lagging`: the source
    may not have caught up yet.
    """

    claimed: int
    truth: int | None
    difference: int | None
    percentage: Decimal | None
    level: Level | None
    lagging: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The limits for one metric. Percentages are of the truth; the floor is a count of that metric."""

    medium_from_pct: Decimal = Decimal(5)
    high_above_pct: Decimal = Decimal(20)
    floor: int

    def level_at(self, percentage: Fraction) -> Level:
        """The level of an exact percentage over, before the floor."""
        if percentage > _exact(self.high_above_pct):
            return Level.HIGH
        return Level.MEDIUM if percentage >= _exact(self.medium_from_pct) else Level.LOW

    def level(self, claimed: int, truth: int) -> Level | None:
        """The level of a claimed figure against its truth; None when it is not over."""
        gap = claimed - truth
        if gap <= 0:
            return None
        if gap < self.floor:
            return Level.LOW
        return self.level_at(Fraction(gap * 100, truth)) if truth else Level.HIGH


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for one campaign on one platform, and the version of the rule set that says so."""

    version: int
    thresholds: Mapping[str, Thresholds]
    views_lag_h: int | None = None
    """None: the platform's own window."""
    impossible_above: int = IMPOSSIBLE_ABOVE

    def weigh(self, metric: str, claimed: int, truth: int | None, *, lagging: bool) -> MetricVerdict:
        """Hold one claimed figure against its truth."""
        if truth is None:
            return MetricVerdict(claimed, None, None, None, None, lagging)
        gap = claimed - truth
        percentage = half_even(Fraction(gap * 100, truth), 2) if truth else None
        return MetricVerdict(claimed, truth, gap, percentage, self.thresholds[metric].level(claimed, truth), lagging)


class RuleMatrixError(ValueError):
    """A matrix that cannot hold: `field` is the part of a cell (or "cells"), `reason` says what is wrong with it, and
    `cell` which one it is, counted from 1, where it is one."""

    def __init__(self, field: str, reason: str, cell: int | None = None) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
        self.cell = cell


@dataclass(frozen=True, slots=True)
class _Limits:
    """What one cell says; None is "not said here"."""

    medium_from_pct: Decimal | None
    high_above_pct: Decimal | None
    floor: int | None
    lag_h: int | None


_Place = tuple[str, str | None, str | None]  # scope, key, metric


@dataclass(frozen=True, slots=True)
class RuleMatrix:
    """The parsed matrix. Made by `parse_matrix`, which has made sure that every question has an answer."""

    cells: Mapping[_Place, _Limits]

    def rules_for(self, campaign_id: str, platform: str, version: int) -> Rules:
        """The rules for a campaign (its id in canonical form) on a platform (its slug)."""
        thresholds = {metric.value: self.thresholds_for(campaign_id, platform, metric) for metric in CLAIMABLE}
        return Rules(version, thresholds, self._views_lag_h(campaign_id, platform))

    def _views_lag_h(self, campaign_id: str, platform: str) -> int | None:
        places = (("campaign", campaign_id, Metric.VIEWS), ("platform", platform, Metric.VIEWS))
        said = (self.cells[place].lag_h for place in places if place in self.cells)
        return next((hours for hours in said if hours is not None), None)

    def thresholds_for(self, campaign_id: str | None, platform: str | None, metric: str) -> Thresholds:
        """One metric's limits, each value from the most particular cell that says it."""
        scopes = (("campaign", campaign_id), ("platform", platform), ("default", None))
        places = [(scope, key, name) for scope, key in scopes for name in (metric, None)]
        said = [self.cells[place] for place in places if place in self.cells]
        return Thresholds(
            medium_from_pct=next(x.medium_from_pct for x in said if x.medium_from_pct is not None),
            high_above_pct=next(x.high_above_pct for x in said if x.high_above_pct is not None),
            floor=next(x.floor for x in said if x.floor is not None),
        )


Cell = dict[str, object]
"""One cell as JSON: scope, key, metric, medium_from_pct and high_above_pct (decimals as text), floor, and lag_h, which
may be left out."""


def _default(
    metric: str | None, *, medium: str | None = None, high: str | None = None, floor: int | None = None
) -> Cell:
    limits = {"medium_from_pct": medium, "high_above_pct": high, "floor": floor}
    return {"scope": "default", "key": None, "metric": metric, **limits}


DEFAULT_CELLS: list[Cell] = [
    _default(None, medium="5", high="20"),
    _default(Metric.VIEWS.value, floor=50),
    _default(Metric.CLICKS.value, floor=5),
    _default(Metric.CONVERSIONS.value, floor=2),
]


def with_campaign_cells(cells: Sequence[Cell], campaign_id: str, new_cells: Sequence[Cell]) -> list[Cell]:
    """The matrix with one campaign's cells replaced by `new_cells`, whose scope and key are filled in here.

    Raises RuleMatrixError for a new cell that is no object; the rest is for `parse_matrix` to check.
    """
    if not all(isinstance(cell, dict) for cell in new_cells):
        raise RuleMatrixError("cells", "a cell is an object")
    others = [cell for cell in cells if (cell["scope"], cell["key"]) != ("campaign", campaign_id)]
    return others + [{**cell, "scope": "campaign", "key": campaign_id} for cell in new_cells]


def parse_matrix(cells: object) -> RuleMatrix:
    """Read a list of cells as it stands in JSON.

    Raises RuleMatrixError for a cell of the wrong shape, a value out of range, two cells for the same place, a value
    that the default leaves open, and limits that contradict each other where several cells meet.
    """
    if not isinstance(cells, list):
        raise RuleMatrixError("cells", "must be a list")
    parsed: dict[_Place, _Limits] = {}
    for number, cell in enumerate(cells, start=1):
        try:
            place, limits = _read_place(cell), _read_limits(cell)
        except RuleMatrixError as error:
            raise RuleMatrixError(error.field, f"{error.reason} (cell {number})", number) from None
        if place in parsed:
            reason = f"there already is a cell for this scope, key and metric (cell {number})"
            raise RuleMatrixError("metric", reason, number)
        parsed[place] = limits
    _check_default(parsed)
    matrix = RuleMatrix(parsed)
    _check_order(matrix)
    return matrix


_FIELDS = {"scope", "key", "metric", "medium_from_pct", "high_above_pct", "floor"}


def _read_place(cell: object) -> _Place:
    if not isinstance(cell, dict) or set(cell) - {"lag_h"} != _FIELDS:
        raise RuleMatrixError("cells", f"a cell is an object of {', '.join(sorted(_FIELDS))}")
    scope, key, metric = cell["scope"], cell["key"], cell["metric"]
    if metric is not None and metric not in CLAIMABLE:
        raise RuleMatrixError("metric", f"must be null or one of {', '.join(CLAIMABLE)}")
    match scope, key:
        case "default", None:
            pass
        case "platform", str() if re.fullmatch(r"[a-z][a-z0-9_-]*", key):
            pass
        case "campaign", str() if _is_canonical_uuid(key):
            pass
        case "default" | "platform" | "campaign", _:
            raise RuleMatrixError("key", "must be null for the default, a platform's slug or a campaign's id")
        case _:
            raise RuleMatrixError("scope", "must be one of default, platform, campaign")
    return scope, key, metric


def _is_canonical_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _read_limits(cell: Mapping[str, object]) -> _Limits:
    floor = cell["floor"]
    if floor is not None and (type(floor) is not int or not 0 <= floor <= HIGHEST_FLOOR):
        raise RuleMatrixError("floor", f"must be a whole number from 0 to {HIGHEST_FLOOR:,}")
    medium, high = _read_percentage(cell, "medium_from_pct"), _read_percentage(cell, "high_above_pct")
    if medium is not None and high is not None and medium > high:
        raise RuleMatrixError("medium_from_pct", "must not be above high_above_pct")
    return _Limits(medium, high, floor, _read_lag(cell))


def _read_lag(cell: Mapping[str, object]) -> int | None:
    hours = cell.get("lag_h")
    if hours is None:
        return None
    if type(hours) is not int or not 0 <= hours <= LONGEST_LAG_H:
        raise RuleMatrixError("lag_h", f"must be a whole number from 0 to {LONGEST_LAG_H:,}")
    if cell["metric"] != Metric.VIEWS or cell["scope"] == "default":
        raise RuleMatrixError("lag_h", "only a platform's or a campaign's cell for views says it")
    return hours


def _read_percentage(cell: Mapping[str, object], field: str) -> Decimal | None:
    text = cell[field]
    if text is None:
        return None
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4})?", text):
        raise RuleMatrixError(field, 'must be a percentage as text with at most four decimals, like "12.5"')
    if (percentage := Decimal(text)) > HIGHEST_PCT:
        raise RuleMatrixError(field, f"must be from 0 to {HIGHEST_PCT:,}")
    return percentage


def _check_default(cells: Mapping[_Place, _Limits]) -> None:
    for metric, field in product(CLAIMABLE, ("medium_from_pct", "high_above_pct", "floor")):
        said = [cells[place] for place in (("default", None, metric), ("default", None, None)) if place in cells]
        if all(getattr(limits, field) is None for limits in said):
            raise RuleMatrixError(field, f"the default says none for {metric}")


def _check_order(matrix: RuleMatrix) -> None:
    """Cells that are sound alone may contradict each other where they meet, so every meeting is looked at."""
    campaigns = dict.fromkeys([None, *(key for scope, key, _ in matrix.cells if scope == "campaign")])
    platforms = dict.fromkeys([None, *(key for scope, key, _ in matrix.cells if scope == "platform")])
    for campaign, platform, metric in product(campaigns, platforms, CLAIMABLE):
        limits = matrix.thresholds_for(campaign, platform, metric)
        if limits.medium_from_pct > limits.high_above_pct:
            where = ", ".join(filter(None, (campaign and f"campaign {campaign}", platform, metric)))
            gap = f"{limits.medium_from_pct} is above high_above_pct, {limits.high_above_pct}"
            raise RuleMatrixError("medium_from_pct", f"{gap}, for {where}")
