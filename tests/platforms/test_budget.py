"""The call budget's promises: the rate in every span of its window, the quota in every day of the platform's."""

from collections import deque
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.budget import (
    BUDGETS,
    DEAREST_CALL,
    PACIFIC,
    Budget,
    Spent,
    free_now,
    has_room_for_rechecks,
    spend,
    spendable_at,
    used_on,
)

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
REDDIT = Budget(100, 60)
PER_DAY = Budget(1_000, 1, daily_quota=10, quota_zone=PACIFIC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def pay(budget: Budget, spent: Spent, now: datetime, cost: int = 1) -> Spent | None:
    """What `Purse.pay` does: None where the call may not leave now."""
    return spend(spent, budget, now, cost) if spendable_at(spent, budget, now, cost) <= now else None


NOTHING = Spent()


def burst(budget: Budget, spent: Spent = NOTHING, now: datetime = NOW, cost: int = 1) -> tuple[int, Spent]:
    """How many calls leave at this moment, and the account after them."""
    calls = 0
    while after := pay(budget, spent, now, cost):
        calls, spent = calls + 1, after
    return calls, spent


# --- The rate


@pytest.mark.parametrize("budget", BUDGETS.values(), ids=BUDGETS)
def test_an_idle_lane_may_spend_a_quarter_at_once_and_the_rest_evenly(budget):
    calls, spent = burst(budget)
    assert calls in (budget.rate_calls // 4 - 1, budget.rate_calls // 4)  # shares are rounded up
    assert free_now(spent, budget, NOW) == 0
    next_at = spendable_at(spent, budget, NOW)
    evenly_s = budget.rate_window_s / (budget.rate_calls * 0.75)
    assert 0 < (next_at - NOW).total_seconds() <= evenly_s + 1e-6
    assert pay(budget, spent, next_at)


def test_what_may_leave_comes_back_with_time():
    _, spent = burst(REDDIT)
    assert [free_now(spent, REDDIT, at(seconds)) for seconds in (0, 0.8, 4, 19.99, 20, 4000)] == [0, 1, 5, 24, 25, 25]


@pytest.mark.parametrize(
    ("budget", "cost", "calls", "next_s"),
    [
        (Budget(4_800, 3_600), 50, 24, 50),  # a quarter at once, then a batch each 50 s
        (Budget(200, 60), 50, 1, 20),
        (Budget(100, 60), 50, 1, 60),
        (Budget(100, 60), 30, 1, 28),
        (Budget(50, 60), 50, 1, 138.4),
        (Budget(10, 60), 50, 1, 452),  # more than the limit leaves alone, and the average is kept
        (Budget(1, 60), 1, 1, 60),
        (Budget(2, 60), 1, 1, 60),
        (Budget(3, 60), 1, 1, 33.333334),
        (Budget(4, 60), 1, 1, 20),
    ],
)
def test_dear_calls_wait_until_the_promise_holds(budget, cost, calls, next_s):
    left, spent = burst(budget, cost=cost)
    assert left == calls
    assert spendable_at(spent, budget, NOW, cost) == at(next_s)


def test_a_share_that_is_no_whole_number_of_microseconds_lets_none_over():
    budget = Budget(30_000, 1)  # a share is 44.44 microseconds: rounded down, 303 calls too many would leave
    spent, now, left = Spent(), NOW, 0
    while now < at(1):
        spent, left = spend(spent, budget, now), left + 1
        now = spendable_at(spent, budget, now)
    assert 29_000 < left <= 30_000


@st.composite
def callers(draw):
    """A budget, and calls that come when they like: so long after the call before, at such a cost."""
    budget = Budget(draw(st.integers(1, 300)), draw(st.integers(1, 7_200)))
    dearest = min(budget.rate_calls, draw(st.sampled_from([1, 3, DEAREST_CALL])))
    gap_s = st.one_of(st.just(0.0), st.floats(0, budget.rate_window_s / 10), st.floats(0, 2 * budget.rate_window_s))
    calls = draw(st.lists(st.tuples(gap_s, st.integers(1, dearest)), min_size=1, max_size=300))
    return budget, calls


@settings(max_examples=300)
@given(callers(), st.booleans())
def test_in_no_span_of_the_window_more_leaves_than_the_rate_allows(caller, eager):
    budget, calls = caller
    window = timedelta(seconds=budget.rate_window_s)
    spent, now, recent = Spent(), NOW, deque()
    for gap_s, cost in calls:
        now += timedelta(seconds=gap_s)
        allowed_at = spendable_at(spent, budget, now, cost)
        if allowed_at > now and not eager:
            continue
        now = allowed_at
        assert spendable_at(spent, budget, now, cost) == now  # who comes back when told is let through
        spent = spend(spent, budget, now, cost)
        recent.append((now, cost))
        while recent[0][0] <= now - window:
            recent.popleft()
        assert sum(cost for _, cost in recent) <= budget.rate_calls


@given(callers())
def test_what_is_said_to_be_free_is_what_may_leave(caller):
    budget, calls = caller
    spent, now = Spent(), NOW
    for gap_s, cost in calls[:20]:
        now += timedelta(seconds=gap_s)
        spent = pay(budget, spent, now, cost) or spent
        assert free_now(spent, budget, now) == burst(budget, spent, now)[0]


@pytest.mark.parametrize("budget", BUDGETS.values(), ids=BUDGETS)
@pytest.mark.parametrize("back", [timedelta(seconds=30), timedelta(minutes=10), HOUR, 30 * HOUR])
def test_after_the_clock_stepped_back_calls_go_on_within_a_minute(budget, back):
    _, spent = burst(Budget(budget.rate_calls, budget.rate_window_s))
    wait = spendable_at(Spent(spent.paid_until), budget, NOW - back) - (NOW - back)
    assert wait <= timedelta(seconds=60)


def test_a_limit_that_is_set_lower_holds_from_the_next_call_on():
    _, spent = burst(Budget(4_800, 3_600))
    lower = Budget(10, 60)
    assert free_now(spent, lower, NOW) == 2
    for _ in range(2):
        spent = pay(lower, spent, NOW)
    assert spendable_at(spent, lower, NOW) > NOW


# --- The quota


def test_the_quota_ends_the_days_calls_and_comes_back_at_the_platforms_midnight():
    spent = Spent()
    for second in range(10):
        spent = pay(PER_DAY, spent, at(second))
    assert used_on(spent, PER_DAY, at(10)) == 10
    assert free_now(spent, PER_DAY, at(10)) == 0
    midnight = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
    assert spendable_at(spent, PER_DAY, at(10)) == midnight
    assert (used_on(spent, PER_DAY, midnight), spendable_at(spent, PER_DAY, midnight)) == (0, midnight)


def test_a_call_that_costs_more_than_what_is_left_does_not_leave():
    spent = spend(Spent(), PER_DAY, NOW, 8)
    assert free_now(spent, PER_DAY, at(10)) == 2
    assert pay(PER_DAY, spent, at(10), 3) is None
    assert pay(PER_DAY, spent, at(10), 2).used == 10


@pytest.mark.parametrize(
    ("day", "hours", "midnight"),
    [
        ("2026-03-07", 24, "2026-03-08T08:00Z"),
        ("2026-03-08", 23, "2026-03-09T07:00Z"),
        ("2026-03-09", 24, "2026-03-10T07:00Z"),
        ("2026-10-31", 24, "2026-11-01T07:00Z"),
        ("2026-11-01", 25, "2026-11-02T08:00Z"),
        ("2026-11-02", 24, "2026-11-03T08:00Z"),
    ],
)
def test_days_of_23_and_of_25_hours_have_one_quota(day, hours, midnight):
    begins = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(PACIFIC)).astimezone(UTC)
    ends = begins + hours * HOUR
    assert ends == datetime.fromisoformat(midnight)
    for moment in (begins, begins + 9 * HOUR, ends - timedelta(microseconds=1)):
        assert PER_DAY.day_of(moment).isoformat() == day
        assert PER_DAY.next_day(moment) == ends
    assert PER_DAY.next_day(ends) > ends


@given(
    begins=st.sampled_from([datetime(2026, 3, 7, 6, tzinfo=UTC), datetime(2026, 10, 31, 6, tzinfo=UTC)]),
    calls=st.lists(st.tuples(st.floats(0, 4 * 3600), st.integers(1, 4)), min_size=1, max_size=200),
)
def test_no_day_of_the_platforms_sees_more_than_its_quota(begins, calls):
    spent, now, by_day = Spent(), begins, {}
    for gap_s, cost in calls:
        now += timedelta(seconds=gap_s)
        if after := pay(PER_DAY, spent, now, cost):
            spent, day = after, now.astimezone(ZoneInfo(PACIFIC)).date()
            by_day[day] = by_day.get(day, 0) + cost
            assert by_day[day] <= PER_DAY.daily_quota


def test_what_is_counted_for_the_day_that_begins_is_not_lost_on_a_machine_that_is_late():
    midnight = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
    spent = spend(Spent(day=NOW.date(), used=9), PER_DAY, midnight + timedelta(seconds=0.1), 4)
    late = spend(spent, PER_DAY, midnight - timedelta(seconds=0.1), 4)
    assert (late.day, late.used) == (midnight.date(), 8)
    assert spend(late, PER_DAY, midnight + timedelta(seconds=1)).used == 9


def test_a_day_far_in_the_future_was_written_by_a_clock_that_was_wrong():
    wrong = Spent(day=(NOW + 48 * HOUR).date(), used=10)
    assert used_on(wrong, PER_DAY, NOW) == 0
    assert spend(wrong, PER_DAY, NOW).used == 1


def test_without_a_quota_there_is_no_end_of_the_days_calls():
    assert spend(Spent(day=NOW.date(), used=10**9), REDDIT, NOW).used == 10**9 + 1
    assert spendable_at(Spent(day=NOW.date(), used=10**9), REDDIT, NOW) == NOW


def test_the_last_fifth_of_a_days_quota_is_not_for_rechecks():
    today, yesterday = PER_DAY.day_of(NOW), PER_DAY.day_of(NOW) - timedelta(days=1)
    for spent, has_room in (
        (Spent(), True),
        (Spent(day=today, used=7), True),
        (Spent(day=today, used=8), False),
        (Spent(day=yesterday, used=10), True),
    ):
        assert has_room_for_rechecks(spent, PER_DAY, NOW) == has_room
        assert has_room_for_rechecks(spent, REDDIT, NOW)
