"""How often a post is looked at again after a claim: what a plan may say, and when the next look is.

A plan is words: `1h 6h 24h 72h 7d daily` looks one hour after the claim, then 6 hours after it, and so on; after the
last of these `daily` goes on every 24 hours. `never` looks no more once the claim has its verdict.

1. Times are spans since the claim, and days are 24 hours: neither daylight saving nor a time zone moves a look.
2. Each look may come somewhat later than the plan says, so that posts claimed together are not due together: up to a
   quarter of the wait before it or after it, whichever is shorter. How much is the post's own (`spread_of`), always the
   same, so that the looks of one post stay in order.
3. A look whose time has passed is not made up for: the next is the first that is still to come.
4. Looks end with the campaign: after its last day for claims, in the advertiser's time zone, and the time that sales
   may lag after that.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo

NEVER, DAILY = "never", "daily"
MAX_OFFSETS = 20
MAX_PLAN_CHARS = 200
SHORTEST_WAIT = timedelta(minutes=5)
LONGEST_OFFSET = timedelta(days=366)
DAY = timedelta(days=1)
ROOM = 4
"""A look comes up to one part in so many of its wait later."""

FORM = r"^(never|daily|[1-9][0-9]{0,5}(min|h|d)( [1-9][0-9]{0,5}(min|h|d))*( daily)?)$"
"""What a plan looks like, as a regular expression that PostgreSQL reads too. It is narrower in `plan_of`."""

_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": DAY}
_OFFSET = re.compile(r"([1-9][0-9]{0,5})(min|h|d)")


@dataclass(frozen=True, slots=True)
class Plan:
    """When to look again, as spans since the claim, and whether every 24 hours after the last of them."""

    offsets: tuple[timedelta, ...] = ()
    is_daily: bool = False


@lru_cache(maxsize=1024)
def plan_of(text: str) -> Plan:
    """What these words say. Raises ValueError, with the reason as a sentence."""
    words = text.lower().split()
    if words == [NEVER]:
        return Plan()
    is_daily = words[-1:] == [DAILY]
    offsets = tuple(_offset(word) for word in words[: len(words) - is_daily])
    if not words:
        raise ValueError('Say when to look again, such as "1h 6h 24h daily", or "never".')
    if len(offsets) > MAX_OFFSETS:
        raise ValueError(f"At most {MAX_OFFSETS} times, and daily.")
    for before, after in zip((timedelta(), *offsets), offsets, strict=False):
        if after - before < SHORTEST_WAIT:
            raise ValueError("Each time at least 5 minutes after the one before.")
    if offsets and offsets[-1] > LONGEST_OFFSET:
        raise ValueError(f"Nothing later than {LONGEST_OFFSET.days} days after the claim.")
    return Plan(offsets, is_daily)


def as_written(text: str) -> str:
    """These words as they are stored: in lower case, one blank apart."""
    return " ".join(text.lower().split())


def _offset(word: str) -> timedelta:
    found = _OFFSET.fullmatch(word)
    if found is None:
        raise ValueError(f'"{word[:20]}" is no time: 30min, 6h and 7d are. Daily stands last, never stands alone.')
    return int(found[1]) * _UNITS[found[2]]


def spread_of(post_id: UUID) -> float:
    """How much of the room it has each look of a post takes, from 0 up to 1: the random end of its id."""
    return (post_id.int & 0xFFFF_FFFF) / 2**32


def looks_end_at(*, last_claim_day: date, time_zone: str, conversion_lag_h: int) -> datetime:
    """When a campaign's looks end, in UTC."""
    over_at = datetime.combine(last_claim_day + DAY, time(), ZoneInfo(time_zone))
    return over_at.astimezone(UTC) + timedelta(hours=conversion_lag_h)


def next_recheck(
    plan: Plan, *, claimed_at: datetime, after: datetime, ends_at: datetime, spread: float
) -> datetime | None:
    """The first look that is planned later than `after`; None where none is before the end."""
    waits = _waits(plan)
    moments = (claimed_at + planned + spread * room for planned, room in waits)
    moment = next((moment for moment in moments if moment > after), None)
    if moment is None and plan.is_daily:
        first = claimed_at + _last(plan) + DAY + spread * DAY / ROOM
        moment = first + max(0, (after - first) // DAY + 1) * DAY
    return moment if moment is not None and moment <= ends_at else None


def looks_between(plan: Plan, start: timedelta, end: timedelta) -> int:
    """How many looks a plan has after `start` and until `end`, both since the claim; without their spreading."""
    looks = sum(start < offset <= end for offset in plan.offsets)
    if plan.is_daily:
        last = _last(plan)
        looks += max(0, (end - last) // DAY) - max(0, (start - last) // DAY)
    return max(0, looks)


def _last(plan: Plan) -> timedelta:
    return plan.offsets[-1] if plan.offsets else timedelta()


@lru_cache(maxsize=1024)
def _waits(plan: Plan) -> tuple[tuple[timedelta, timedelta], ...]:
    """Of each of the plan's own times: when it is, and how much later a look may come."""
    ends = (timedelta(), *plan.offsets)
    gaps = [after - before for before, after in zip(ends, plan.offsets, strict=False)]
    following = [*gaps[1:], DAY if plan.is_daily else gaps[-1]] if gaps else []
    rooms = [min(before, after) / ROOM for before, after in zip(gaps, following, strict=True)]
    return tuple(zip(plan.offsets, rooms, strict=True))
