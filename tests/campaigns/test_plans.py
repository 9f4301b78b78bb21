"""When posts are looked at again: what a plan may say, and what follows from it."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaigns.plans import (
    MAX_OFFSETS,
    SHORTEST_WAIT,
    Plan,
    as_written,
    looks_between,
    looks_end_at,
    next_recheck,
    plan_of,
    spread_of,
)

CLAIMED = datetime(2026, 3, 1, 12, tzinfo=UTC)
FAR = datetime(2100, 1, 1, tzinfo=UTC)
H, D = timedelta(hours=1), timedelta(days=1)
USUAL = plan_of("1h 6h 24h 72h 7d daily")


def next_of(plan: Plan, after: timedelta, *, ends_at: datetime = FAR, spread: float = 0.0) -> timedelta | None:
    moment = next_recheck(plan, claimed_at=CLAIMED, after=CLAIMED + after, ends_at=ends_at, spread=spread)
    return None if moment is None else moment - CLAIMED


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("never", Plan()),
        ("daily", Plan(is_daily=True)),
        ("30min", Plan((timedelta(minutes=30),))),
        ("  1H 2d   DAILY ", Plan((H, 2 * D), is_daily=True)),
        ("5min 10min 366d", Plan((timedelta(minutes=5), timedelta(minutes=10), 366 * D))),
        (" ".join(f"{n}h" for n in range(1, MAX_OFFSETS + 1)), Plan(tuple(n * H for n in range(1, MAX_OFFSETS + 1)))),
    ],
)
def test_what_a_plan_says(text, plan):
    assert plan_of(text) == plan == plan_of(as_written(text))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Say when"),
        ("   ", "Say when"),
        ("soon", '"soon" is no time'),
        ("never 1h", '"never" is no time'),
        ("daily 1h", '"daily" is no time'),
        ("1h daily daily", '"daily" is no time'),
        ("0h", '"0h" is no time'),
        ("-1h", '"-1h" is no time'),
        ("1.5h", '"1.5h" is no time'),
        ("١h", "is no time"),
        ("1h\x00", "is no time"),
        ("9999999d", "is no time"),
        ("4min", "5 minutes"),
        ("2h 1h", "5 minutes"),
        ("1h 60min", "5 minutes"),
        ("1h 64min", "5 minutes"),
        ("367d", "366 days"),
        (" ".join(f"{n}h" for n in range(1, MAX_OFFSETS + 2)), "At most 20"),
    ],
)
def test_what_is_no_plan(text, reason):
    with pytest.raises(ValueError, match=reason):
        plan_of(text)


@pytest.mark.parametrize(
    ("after", "due"),
    [
        (timedelta(), H),
        (-2 * H, H),  # a clock that stepped back
        (H - timedelta.resolution, H),
        (H, 6 * H),
        (5 * H, 6 * H),
        (24 * H, 72 * H),
        (7 * D, 8 * D),
        (8 * D, 9 * D),
        (100.5 * D, 101 * D),  # what was missed meanwhile is not made up for
    ],
)
def test_the_next_look_is_the_first_still_to_come(after, due):
    assert next_of(USUAL, after) == due


def test_a_plan_ends_by_itself_or_with_the_campaign():
    assert next_of(plan_of("1h 6h"), 6 * H) is None
    assert next_of(plan_of("never"), timedelta()) is None
    assert next_of(USUAL, 8 * D, ends_at=CLAIMED + 9 * D) == 9 * D
    assert next_of(USUAL, 8 * D, ends_at=CLAIMED + 9 * D - timedelta.resolution) is None
    assert next_of(USUAL, timedelta(), ends_at=CLAIMED - D) is None


def test_posts_claimed_together_are_not_due_together():
    spread = [next_of(USUAL, 7.5 * D, spread=spread_of(uuid4())) for _ in range(400)]
    assert len(set(spread)) == 400
    assert 8 * D <= min(spread) < 8 * D + 0.5 * H
    assert 8 * D + 5.5 * H < max(spread) < 8 * D + 6 * H
    assert next_of(USUAL, timedelta(), spread=0.999) < 1.25 * H  # never by more than a quarter of the wait
    assert next_of(plan_of("1h 7d 10085min"), 2 * H, spread=0.999) is not None
    assert spread_of(UUID(int=0)) == 0
    assert spread_of(UUID(int=2**128 - 1)) < 1


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", date(2026, 3, 8), 23),  # the clock is put forward
        ("America/New_York", date(2026, 11, 1), 25),  # and back
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 6, 1), 24),
        ("Pacific/Apia", date(2026, 6, 1), 24),
    ],
)
def test_daily_looks_are_24_hours_apart_whatever_the_clocks_do(zone, day, hours):
    midnight = datetime.combine(day, datetime.min.time(), ZoneInfo(zone)).astimezone(UTC)
    tomorrow = datetime.combine(day + D, datetime.min.time(), ZoneInfo(zone)).astimezone(UTC)
    assert tomorrow - midnight == hours * H
    claimed_at, after, looks = midnight - 5 * D + 2.5 * H, midnight - 2 * D, []
    while after < tomorrow + 2 * D:
        after = next_recheck(plan_of("daily"), claimed_at=claimed_at, after=after, ends_at=FAR, spread=0.5)
        looks.append(after)
    assert {later - earlier for earlier, later in pairwise(looks)} == {D}


@pytest.mark.parametrize(
    ("zone", "ends_at"),
    [
        ("UTC", datetime(2026, 11, 2, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 11, 2, 5, tzinfo=UTC)),  # a day of 25 hours ends at winter's midnight
        ("Pacific/Kiritimati", datetime(2026, 11, 1, 10, tzinfo=UTC)),
    ],
)
def test_looks_end_with_the_advertisers_last_day_and_what_sales_lag(zone, ends_at):
    def end(conversion_lag_h):
        return looks_end_at(last_claim_day=date(2026, 11, 1), time_zone=zone, conversion_lag_h=conversion_lag_h)

    assert (end(0), end(72)) == (ends_at, ends_at + 72 * H)


offsets = st.lists(st.integers(1, 366 * 24 * 60 // 5), max_size=MAX_OFFSETS, unique=True).map(
    lambda steps: tuple(SHORTEST_WAIT * n for n in sorted(steps))
)


@given(
    offsets=offsets,
    is_daily=st.booleans(),
    spread=st.floats(0, 1, exclude_max=True),
    late=st.lists(st.timedeltas(timedelta(), 3 * D), min_size=30, max_size=30),
    lasts=st.timedeltas(timedelta(), 400 * D),
)
@example(offsets=(H, 7 * D, 7 * D + SHORTEST_WAIT), is_daily=True, spread=0.9999, late=[timedelta()] * 30, lasts=20 * D)
def test_whatever_the_plan_looks_come_in_order_and_end(offsets, is_daily, spread, late, lasts):
    """Each look of a plan, taken as late as may be, is followed by one that is still to come, until the end."""
    plan, ends_at, after = Plan(offsets, is_daily), CLAIMED + lasts, CLAIMED
    for taken, delay in enumerate(late, 1):
        due_at = next_recheck(plan, claimed_at=CLAIMED, after=after, ends_at=ends_at, spread=spread)
        if due_at is None:
            planned = looks_between(plan, after - CLAIMED, lasts)
            assert planned == 0 or spread > 0  # what its spreading puts off beyond the end is left out
            return
        assert after < due_at <= ends_at
        assert looks_between(plan, timedelta(), due_at - CLAIMED) >= 1
        if not any(late):
            assert looks_between(plan, timedelta(), due_at - CLAIMED) == taken  # none is left out, none comes twice
        after = due_at + delay


@pytest.mark.parametrize(
    ("text", "start", "end", "looks"),
    [
        ("1h 6h 24h 72h 7d daily", 0 * D, 1 * D, 3),
        ("1h 6h 24h 72h 7d daily", 1 * D, 2 * D, 0),
        ("1h 6h 24h 72h 7d daily", 6 * D, 7 * D, 1),
        ("1h 6h 24h 72h 7d daily", 7 * D, 8 * D, 1),
        ("1h 6h 24h 72h 7d daily", 7 * D, 17 * D, 10),
        ("daily", 0 * D, 0.5 * D, 0),
        ("never", 0 * D, 900 * D, 0),
        ("1h", 2 * D, 1 * D, 0),
    ],
)
def test_how_many_looks_a_plan_has_in_a_span(text, start, end, looks):
    assert looks_between(plan_of(text), start, end) == looks
