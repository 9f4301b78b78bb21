"""The call budget of one connection: how many calls may leave, how fast, and how many a day.

Values in, values out; the row that all workers share is kept by `services.lanes`, which spends before each call. What a
call costs is the platform's own coin: one for most, one for each sub-request of a Meta batch.

The rate is a promise: in no span of `rate_window_s` do more than `rate_calls` leave. A quarter of them may leave at
once, the rest evenly, so that an idle lane answers at once and a busy one never crosses the limit. Of this one moment
is kept, `paid_until`: each call moves it ahead by its share of the window (the generic cell rate algorithm). Shares are
rounded up and the quarter down, so that the promise holds to the last call.

A call that costs more than a quarter leaves once the lane has been idle long enough to make up for it, at the latest a
window after the last call. One that costs more than the whole limit can keep no promise: it leaves alone.

The quota counts what is spent in one day of the platform's own calendar, days of 23 and 25 hours too. Clocks of two
machines differ a little: what one has counted for the day that begins is not forgotten by one that is still in the
day that ends.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

PACIFIC = "America/Los_Angeles"
DEAREST_CALL = 50
"""A full Meta batch: each of its sub-requests counts."""

RESERVED_PCT = 20
"""So much of a day's quota is kept for claims and what people ask for: re-checks leave it alone."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent. `daily_quota` None: no end of the day's calls; its days are those of `quota_zone`."""

    rate_calls: int
    rate_window_s: int
    daily_quota: int | None = None
    quota_zone: str = "UTC"

    def day_of(self, moment: datetime) -> date:
        """The platform's calendar day."""
        return moment.astimezone(ZoneInfo(self.quota_zone)).date()

    def next_day(self, moment: datetime) -> datetime:
        """When the quota comes back: the next midnight of the platform's calendar, in UTC."""
        zone = ZoneInfo(self.quota_zone)
        tomorrow = moment.astimezone(zone).date() + timedelta(days=1)
        return datetime.combine(tomorrow, time(), zone).astimezone(UTC)


BUDGETS = {
    # The service's own per-minute quota is far above what a day's 10,000 units (videos.list: 1) allow.
    "youtube": Budget(1_800, 60, daily_quota=10_000, quota_zone=PACIFIC),
    "reddit": Budget(100, 60),  # 100 queries a minute for each OAuth client, since July 2023
    "x": Budget(3_500, 900),  # GET /2/tweets, for each app; a user's token has 5,000
    "tiktok": Budget(600, 60),  # for each endpoint, a sliding minute
    # Meta's business use case limits grow with the account's reach; its usage headers say when it is too much.
    "instagram": Budget(4_800, 3_600),
    "facebook": Budget(4_800, 3_600),
}
"""What each platform allows, until staff say otherwise."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a connection has spent: `paid_until` for the rate, `used` units of `day` for the quota."""

    paid_until: datetime | None = None
    day: date | None = None
    used: int = 0


def used_on(spent: Spent, budget: Budget, now: datetime) -> int:
    """What of today's quota is gone."""
    return spent.used if spent.day == _quota_day(spent, budget, now) else 0


def has_room_for_rechecks(spent: Spent, budget: Budget, now: datetime) -> bool:
    """Whether of today's quota more is left than what is reserved."""
    return budget.daily_quota is None or used_on(spent, budget, now) < _unreserved(budget.daily_quota)


def calls_a_day(budget: Budget, *, of_rechecks: bool = False) -> int:
    """How many calls that cost one each a day of 24 hours gives: all, or what re-checks may have of them."""
    at_its_rate = budget.rate_calls * 86_400 // budget.rate_window_s
    if budget.daily_quota is None:
        return at_its_rate
    return min(at_its_rate, _unreserved(budget.daily_quota) if of_rechecks else budget.daily_quota)


def _unreserved(quota: int) -> int:
    return quota * (100 - RESERVED_PCT) // 100


def free_now(spent: Spent, budget: Budget, now: datetime) -> int:
    """How many calls that cost one each may leave at this moment."""
    left = (_burst(budget) - max(_ahead(spent, budget, now), timedelta())) // _share(budget, 1)
    free = max(left, int(spendable_at(spent, budget, now) == now))
    quota = budget.daily_quota
    return free if quota is None else max(0, min(free, quota - used_on(spent, budget, now)))


def spendable_at(spent: Spent, budget: Budget, now: datetime, cost: int = 1) -> datetime:
    """The moment from which `cost` may be spent: `now` where it may at once."""
    if budget.daily_quota is not None and used_on(spent, budget, now) + cost > budget.daily_quota:
        return budget.next_day(now)
    ahead = _ahead(spent, budget, now)
    within_the_burst = ahead + _share(budget, cost) - _burst(budget)
    a_window_after_the_last = ahead - _share(budget, 1) + timedelta(seconds=budget.rate_window_s)
    return now + max(timedelta(), min(within_the_burst, a_window_after_the_last))


def spend(spent: Spent, budget: Budget, now: datetime, cost: int = 1) -> Spent:
    """The account after a call that may leave now."""
    paid_until = now + max(_ahead(spent, budget, now), timedelta()) + _share(budget, cost)
    return Spent(paid_until, _quota_day(spent, budget, now), used_on(spent, budget, now) + cost)


def take_back(spent: Spent, budget: Budget, now: datetime, cost: int) -> Spent:
    """The account after calls that were paid for and not made."""
    paid_until = spent.paid_until - _share(budget, cost) if spent.paid_until else None
    left = max(0, used_on(spent, budget, now) - cost)  # of a day that has ended meanwhile nothing comes back
    return Spent(paid_until, _quota_day(spent, budget, now), left)


def _share(budget: Budget, cost: int) -> timedelta:
    """A call's share of the window: three quarters of the limit leave evenly, on top of the quarter at once."""
    return -(-timedelta(seconds=budget.rate_window_s) * 4 * cost // (3 * budget.rate_calls))


def _burst(budget: Budget) -> timedelta:
    """The shares of the quarter that may leave at once."""
    return timedelta(seconds=budget.rate_window_s) // 3


def _ahead(spent: Spent, budget: Budget, now: datetime) -> timedelta:
    """How far ahead the rate is paid; negative where the lane is idle. More than a burst and the dearest call was
    written before the clock stepped back, or under a higher limit, and is forgiven."""
    if spent.paid_until is None:
        return -timedelta(seconds=2 * budget.rate_window_s)
    ahead = spent.paid_until - now
    return ahead if ahead <= _burst(budget) + _share(budget, DEAREST_CALL) else timedelta()


def _quota_day(spent: Spent, budget: Budget, now: datetime) -> date:
    """The day that a call now is counted for."""
    today = budget.day_of(now)
    return spent.day if spent.day == today + timedelta(days=1) else today
