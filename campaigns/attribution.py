"""Whose sale is it? Last click inside the campaign's window, from what the shop named and the clicks we counted.

A shop names the click (its id came with the visit) or, where it only knows that, the link's code. The steps:

1. A named click attributes the sale to its link if it happened before the sale and within the window: it is *too old*
   where more days than the window lie between them, and *after the sale* where the sale came first.
2. A named code attributes the sale to its link if a counted click on it lies in the window before the sale: the last
   such click. Without one the sale is nobody's: *no click*.

Shops' clocks differ from ours, so a sale may seem to come up to CLOCK_SKEW before its click. A click counts that is
exactly as old as the window. A sale that is nobody's is kept with the reason and counts for no link.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

CLOCK_SKEW = timedelta(minutes=5)


class Unattributed(StrEnum):
    """Why a sale is nobody's."""

    CLICK_TOO_OLD = "click_too_old"
    CLICK_AFTER_SALE = "click_after_sale"
    NO_CLICK = "no_click"


@dataclass(frozen=True, slots=True)
class Visit:
    """A click, as far as attribution is concerned."""

    id: UUID
    link: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Attribution:
    """The click that a sale goes back to, or why there is none."""

    visit: Visit | None
    reason: Unattributed | None = None


def by_click(visit: Visit, *, sold_at: datetime, window_days: int) -> Attribution:
    """The attribution of a sale whose shop named the click."""
    if visit.at > sold_at + CLOCK_SKEW:
        return Attribution(None, Unattributed.CLICK_AFTER_SALE)
    if sold_at - visit.at > timedelta(days=window_days):
        return Attribution(None, Unattributed.CLICK_TOO_OLD)
    return Attribution(visit)


def by_link(visits: Iterable[Visit], *, sold_at: datetime, window_days: int) -> Attribution:
    """The attribution of a sale whose shop named the link: `visits` are its counted clicks, in any order."""
    inside = (visit for visit in visits if by_click(visit, sold_at=sold_at, window_days=window_days).visit)
    last = max(inside, key=lambda visit: (visit.at, visit.id), default=None)
    return Attribution(last) if last else Attribution(None, Unattributed.NO_CLICK)
