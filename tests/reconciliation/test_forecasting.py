"""Whether what plans ask for fits into a platform's call budget."""

from datetime import timedelta

import pytest

from campaigns.plans import plan_of
from platforms.budget import Budget, calls_a_day
from reconciliation.forecasting import DAYS, Crowd, forecast

D = timedelta(days=1)
USUAL, DAILY = plan_of("1h 6h 24h 72h 7d daily"), plan_of("daily")
QUOTA = Budget(1_800, 60, daily_quota=10_000)


def crowd(plan, posts, age_d=0, left_d=100.0):
    return Crowd(plan, posts, age_d * D, left_d * D)


def looks_of(*own, others=(), looks_a_call=50, budget=QUOTA):
    return forecast(own=own, others=others, looks_a_call=looks_a_call, budget=budget)


@pytest.mark.parametrize(
    ("crowds", "looks"),
    [
        ([], [0] * DAYS),
        ([crowd(USUAL, 10)], [30, 0, 10, 0, 0, 0, 10]),
        ([crowd(USUAL, 10, age_d=7)], [10] * DAYS),
        ([crowd(USUAL, 10, age_d=7), crowd(DAILY, 1)], [11] * DAYS),
        ([crowd(DAILY, 5, age_d=20, left_d=2)], [5, 5, 0, 0, 0, 0, 0]),
        ([crowd(DAILY, 5, age_d=20, left_d=0.5)], [0] * DAYS),
        ([crowd(plan_of("never"), 1_000_000)], [0] * DAYS),
    ],
)
def test_the_looks_of_the_coming_days(crowds, looks):
    assert [need.looks for need in looks_of(*crowds).days] == looks


def test_looks_share_calls_and_campaigns_share_the_budget():
    need = looks_of(crowd(DAILY, 51), others=[crowd(DAILY, 49)]).days[0]
    assert (need.looks, need.calls, need.calls_of_all) == (51, 2, 2)
    need = looks_of(crowd(DAILY, 51), looks_a_call=1).days[0]
    assert (need.looks, need.calls) == (51, 51)


@pytest.mark.parametrize(
    ("budget", "of_rechecks", "calls"),
    [
        (QUOTA, False, 10_000),
        (QUOTA, True, 8_000),
        (Budget(1, 60, daily_quota=10_000), True, 1_440),
        (Budget(100, 60), True, 144_000),
        (Budget(4, 900), False, 384),
    ],
)
def test_what_a_day_gives(budget, of_rechecks, calls):
    assert calls_a_day(budget, of_rechecks=of_rechecks) == calls


def test_what_fits_to_the_last_call_and_what_does_not():
    fits, too_much = (looks_of(crowd(DAILY, 400), others=[crowd(DAILY, posts)]) for posts in (399_600, 399_601))
    assert fits.fits
    assert not too_much.fits
    assert fits.sentence("YouTube") == (
        "400 looks on the busiest day of the coming week take 8 of the 8,000 calls a day that all campaigns on YouTube "
        "share."
    )
    assert too_much.sentence("YouTube") == fits.sentence("YouTube") + (
        " Together they need more: looks come later than planned, those with most money at stake first."
    )
    assert looks_of(others=[crowd(DAILY, 10**9)]).sentence("X") == "No look is planned in the coming week."
