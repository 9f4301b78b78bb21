"""One claim against one snapshot: the status, what it means for trust, and when to look again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from platforms.metrics import CONVERSIONS_LAG_H, VIEWS_LAG, Availability, Lag, LagBasis
from reconciliation.comparison import (
    ACCESS_WITHIN_DAYS,
    Claim,
    Denial,
    Figures,
    Level,
    Looks,
    Status,
    TrustEffect,
    Truth,
    judge,
)
from reconciliation.rules import DEFAULT_CELLS, parse_matrix

CLAIMED_AT = datetime(2026, 11, 14, 9, 12, tzinfo=UTC)
RULES = parse_matrix(DEFAULT_CELLS).rules_for("any", "any", 1)
H = timedelta(hours=1)
LONG_AGO = CLAIMED_AT - timedelta(days=90)

MATCHED, DISCREPANCY, TOO_EARLY, POST_MISSING, UNVERIFIABLE, INVALID_CLAIM = (
    Status.MATCHED,
    Status.DISCREPANCY,
    Status.TOO_EARLY,
    Status.POST_MISSING,
    Status.UNVERIFIABLE,
    Status.INVALID_CLAIM,
)
LOW, MEDIUM, HIGH = Level.LOW, Level.MEDIUM, Level.HIGH
ACCURATE, INACCURATE, NONE = TrustEffect.ACCURATE, TrustEffect.INACCURATE, TrustEffect.NONE
LIVE, MISSING, DENIED = Availability.LIVE, Availability.MISSING, Availability.DENIED


def look(
    claimed,
    truth,
    *,
    platform="youtube",
    availability=LIVE,
    deleted=False,
    after=timedelta(minutes=4),
    posted_at=LONG_AGO,
    previous=(),
    seen_live=False,
    denial=None,
):
    """The verdict on a claim; figures are (views, clicks, conversions), later ones may be left out."""
    return judge(
        Claim(Figures(*claimed), CLAIMED_AT),
        Truth(Figures(*truth), availability, deleted, CLAIMED_AT + after, posted_at, denial),
        platform=platform,
        rules=RULES,
        lags={"views": VIEWS_LAG[platform], "conversions": Lag(LagBasis.CLAIM_AGE, CONVERSIONS_LAG_H)},
        looks=Looks(previous, seen_live),
    )


def outcome(verdict):
    return verdict.status, verdict.level, verdict.trust_effect


@pytest.mark.parametrize(
    ("platform", "claimed", "truth", "post_age_h", "status", "level"),
    [
        ("youtube", (104_900,), (100_000,), None, DISCREPANCY, LOW),
        ("youtube", (105_000,), (100_000,), None, DISCREPANCY, MEDIUM),
        ("youtube", (120_000,), (100_000,), None, DISCREPANCY, MEDIUM),
        ("youtube", (120_001,), (100_000,), None, DISCREPANCY, HIGH),
        ("youtube", (50_000,), (100_000,), None, MATCHED, None),
        ("x", (60,), (40,), None, DISCREPANCY, LOW),
        ("youtube", (50,), (0,), None, DISCREPANCY, HIGH),
        ("youtube", (49,), (0,), None, DISCREPANCY, LOW),
        ("tiktok", (3_000, 10), (1_000, 10), 5, TOO_EARLY, HIGH),
        ("tiktok", (3_000, 20), (1_000, 10), 5, DISCREPANCY, HIGH),  # clicks never lag
        ("reddit", (900,), (None,), None, UNVERIFIABLE, None),
        ("reddit", (900, 10), (None, 10), None, MATCHED, None),
    ],
)
def test_the_examples_of_the_design(platform, claimed, truth, post_age_h, status, level):
    posted_at = LONG_AGO if post_age_h is None else CLAIMED_AT - post_age_h * H
    verdict = look(claimed, truth, platform=platform, posted_at=posted_at, after=timedelta())
    assert (verdict.status, verdict.level) == (status, level)


@pytest.mark.parametrize(
    ("claimed", "truth", "expected"),
    [
        ((100,), (100,), (MATCHED, None, ACCURATE)),
        ((0,), (0,), (MATCHED, None, ACCURATE)),
        ((104_999,), (100_000,), (DISCREPANCY, LOW, ACCURATE)),
        ((119_999,), (100_000,), (DISCREPANCY, MEDIUM, INACCURATE)),
        ((None, 14), (None, 10), (DISCREPANCY, LOW, ACCURATE)),  # a gap of 4 clicks
        ((None, 15), (None, 10), (DISCREPANCY, HIGH, INACCURATE)),
        ((None, None, 1), (None, None, 0), (DISCREPANCY, LOW, ACCURATE)),
        ((100_000, 10), (100_000, 5), (DISCREPANCY, HIGH, INACCURATE)),  # the worst decides
        ((110_000, 10), (100_000, None), (DISCREPANCY, MEDIUM, INACCURATE)),
        ((10**12,), (10**12,), (MATCHED, None, ACCURATE)),
        ((10**12 + 1,), (10**12 + 1,), (INVALID_CLAIM, None, INACCURATE)),
        ((5, 10**12 + 1), (5, None), (INVALID_CLAIM, None, INACCURATE)),
    ],
)
def test_a_claim_on_an_old_post(claimed, truth, expected):
    verdict = look(claimed, truth)
    assert outcome(verdict) == expected
    assert verdict.next_look_at is None


def test_what_is_not_claimed_is_not_judged():
    verdict = look((None, 10), (100, 10, 3), availability=None)
    assert list(verdict.metrics) == ["clicks"]
    assert outcome(verdict) == (MATCHED, None, ACCURATE)


def test_each_claimed_metric_has_its_own_figures():
    verdict = look((12_400, 10), (10_100, None))
    views, clicks = verdict.metrics["views"], verdict.metrics["clicks"]
    assert (views.claimed, views.truth, views.difference, views.percentage) == (12_400, 10_100, 2_300, Decimal("22.77"))
    assert (clicks.claimed, clicks.truth, clicks.difference, clicks.percentage) == (10, None, None, None)


@pytest.mark.parametrize(
    ("truth", "confidence"),
    [((1, 1, 1), "1.000"), ((1, 1), "0.667"), ((None, 1), "0.333"), ((), "0.000")],
)
def test_confidence_is_the_share_of_claimed_metrics_with_a_truth(truth, confidence):
    assert str(look((1, 1, 1), truth).confidence) == confidence


@pytest.mark.parametrize(
    ("claimed", "truth", "availability"),
    [
        ((900,), (), DENIED),
        ((900, 10), (None, 10), DENIED),  # even where our own tracking has a figure
        ((900, 99), (None, 10), DENIED),
        ((900,), (), LIVE),
        ((None, 10), (), None),
        ((None, 10, 3), (500,), None),  # a truth for what nobody claimed
    ],
)
def test_what_cannot_be_verified_is_no_matter_of_trust(claimed, truth, availability):
    verdict = look(claimed, truth, availability=availability, deleted=False)
    assert outcome(verdict) == (UNVERIFIABLE, None, NONE)
    assert verdict.next_look_at is None


@pytest.mark.parametrize("availability", [LIVE, MISSING, DENIED, None])
def test_an_impossible_claim_is_invalid_whatever_the_platform_says(availability):
    verdict = look((10**12 + 1,), (), availability=availability)
    assert outcome(verdict) == (INVALID_CLAIM, None, INACCURATE)
    assert verdict.next_look_at is None


def test_the_highest_possible_figure_comes_from_the_rules():
    strict = replace(RULES, impossible_above=1_000)
    truth = Truth(Figures(2_000), LIVE, False, CLAIMED_AT, None)
    verdict = judge(Claim(Figures(1_001), CLAIMED_AT), truth, platform="x", rules=strict, lags={}, looks=Looks())
    assert verdict.status is INVALID_CLAIM


# Lagging


@pytest.mark.parametrize(
    ("platform", "basis", "window_h"),
    [
        ("reddit", "post", 1),
        ("x", "post", 1),
        ("youtube", "post", 24),
        ("tiktok", "post", 24),
        ("instagram", "claim", 48),
        ("facebook", "claim", 48),
    ],
)
@pytest.mark.parametrize("short_of_window_us", [1, 0, -1])
def test_views_lag_while_younger_than_the_platforms_window(platform, basis, window_h, short_of_window_us):
    age = window_h * H - timedelta(microseconds=short_of_window_us)
    posted_at = CLAIMED_AT if basis == "post" else LONG_AGO
    verdict = look((3_000,), (1_000,), platform=platform, posted_at=posted_at, after=age)
    if short_of_window_us > 0:
        assert outcome(verdict) == (TOO_EARLY, HIGH, NONE)
        assert verdict.metrics["views"].lagging
        assert verdict.next_look_at == CLAIMED_AT + window_h * H
    else:
        assert outcome(verdict) == (DISCREPANCY, HIGH, INACCURATE)
        assert not verdict.metrics["views"].lagging


def test_a_post_of_unknown_age_counts_as_old():
    assert look((3_000,), (1_000,), posted_at=None).status is DISCREPANCY


@pytest.mark.parametrize(("hours", "status"), [(71, TOO_EARLY), (72, DISCREPANCY)])
def test_conversions_lag_by_the_age_of_the_claim(hours, status):
    assert look((None, None, 30), (None, None, 20), after=hours * H).status is status


def test_a_metric_without_a_window_never_lags():
    claim, truth = Claim(Figures(3_000), CLAIMED_AT), Truth(Figures(1_000), LIVE, False, CLAIMED_AT, CLAIMED_AT)
    verdict = judge(claim, truth, platform="youtube", rules=RULES, lags={}, looks=Looks())
    assert verdict.status is DISCREPANCY


@pytest.mark.parametrize(
    ("claimed", "truth", "expected"),
    [
        ((1_000,), (1_000,), (MATCHED, None, ACCURATE)),
        ((104_900,), (100_000,), (DISCREPANCY, LOW, ACCURATE)),
        ((110_000,), (100_000,), (TOO_EARLY, MEDIUM, NONE)),
        ((110_000, 14), (100_000, 10), (TOO_EARLY, MEDIUM, NONE)),  # LOW clicks do not decide
        ((3_000, 111, None), (1_000, 100, None), (DISCREPANCY, MEDIUM, INACCURATE)),  # only what does not lag decides
    ],
)
def test_a_young_post(claimed, truth, expected):
    assert outcome(look(claimed, truth, posted_at=CLAIMED_AT - H)) == expected


def test_the_second_look_waits_for_the_last_of_the_windows_that_matter():
    young = {"posted_at": CLAIMED_AT - H}
    only_views = look((3_000, None, 20), (1_000, None, 20), **young)
    assert only_views.metrics["conversions"].lagging
    assert only_views.next_look_at == CLAIMED_AT + 23 * H
    both = look((3_000, None, 30), (1_000, None, 20), **young)
    assert both.next_look_at == CLAIMED_AT + 72 * H


@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        ((3_100,), (MATCHED, None, NONE)),  # growth after the claim earns none
        ((2_950,), (DISCREPANCY, LOW, NONE)),
        ((2_600,), (DISCREPANCY, MEDIUM, INACCURATE)),
        ((1_000,), (DISCREPANCY, HIGH, INACCURATE)),
        ((), (UNVERIFIABLE, None, NONE)),
    ],
)
@pytest.mark.parametrize("previous", [(TOO_EARLY,), (TOO_EARLY, POST_MISSING), (POST_MISSING, TOO_EARLY)])
def test_after_too_early_the_next_look_is_final_even_if_something_lags(truth, expected, previous):
    verdict = look((3_000,), truth, posted_at=CLAIMED_AT, previous=previous)
    assert outcome(verdict) == expected
    assert verdict.next_look_at is None
    assert not verdict.metrics["views"].lagging


# Missing posts


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("seen_live", [False, True])
@pytest.mark.parametrize("previous", [(), (TOO_EARLY,), (POST_MISSING, TOO_EARLY)])
def test_a_missing_post_is_looked_for_again_a_day_later(previous, seen_live, deleted):
    verdict = look((900,), (), availability=MISSING, previous=previous, seen_live=seen_live, deleted=deleted)
    assert outcome(verdict) == (POST_MISSING, None, NONE)
    assert verdict.next_look_at == CLAIMED_AT + timedelta(minutes=4) + 24 * H


@pytest.mark.parametrize(
    ("seen_live", "deleted", "effect"),
    [(False, False, NONE), (True, False, INACCURATE), (False, True, INACCURATE), (True, True, INACCURATE)],
)
@pytest.mark.parametrize("previous", [(POST_MISSING,), (TOO_EARLY, POST_MISSING)])
def test_missing_twice_in_a_row_is_final(previous, seen_live, deleted, effect):
    verdict = look((900,), (), availability=MISSING, previous=previous, seen_live=seen_live, deleted=deleted)
    assert outcome(verdict) == (POST_MISSING, None, effect)
    assert verdict.next_look_at is None


def test_a_missing_post_is_missing_even_where_our_tracking_has_a_figure():
    assert look((900, 99), (None, 10), availability=MISSING).status is POST_MISSING


def test_a_post_that_was_missing_for_a_day_only_is_judged_as_usual():
    verdict = look((900,), (900,), after=24 * H, previous=(POST_MISSING,))
    assert outcome(verdict) == (MATCHED, None, ACCURATE)


# What the caller must not do


def test_a_snapshot_from_before_the_claim_is_refused():
    with pytest.raises(ValueError, match="from before it"):
        look((900,), (900,), after=timedelta(microseconds=-1))
    assert look((900,), (900,), after=timedelta()).status is MATCHED


def test_a_claim_without_figures_is_refused():
    with pytest.raises(ValueError, match="at least one figure"):
        look((), (900,))


# Invariants

maybe = st.none() | st.integers(0, 300) | st.integers(0, 2**53 - 1)
figures = st.tuples(maybe, maybe, maybe)
claims = figures.filter(lambda x: x != (None, None, None))
situations = st.fixed_dictionaries(
    {
        "platform": st.sampled_from(sorted(VIEWS_LAG)),
        "availability": st.sampled_from([LIVE, MISSING, DENIED, None]),
        "deleted": st.booleans(),
        "after": st.integers(0, 80 * 60).map(lambda minutes: timedelta(minutes=minutes)),
        "posted_at": st.none() | st.integers(0, 80).map(lambda hours: CLAIMED_AT - hours * H),
        "previous": st.lists(st.sampled_from([TOO_EARLY, POST_MISSING, UNVERIFIABLE]), max_size=3).map(tuple),
        "seen_live": st.booleans(),
    }
)


@given(claims, figures, situations)
def test_the_same_inputs_give_the_same_verdict(claimed, truth, situation):
    assert repr(look(claimed, truth, **situation)) == repr(look(claimed, truth, **situation))


@given(claims, figures, situations)
def test_a_verdict_is_whole(claimed, truth, situation):
    verdict = look(claimed, truth, **situation)
    provisional = verdict.next_look_at is not None
    if provisional:
        assert verdict.status in (TOO_EARLY, POST_MISSING, UNVERIFIABLE)
        assert verdict.trust_effect is NONE
        assert verdict.next_look_at > CLAIMED_AT + situation["after"]
    else:
        assert verdict.status is not TOO_EARLY
    assert (verdict.level is not None) == (verdict.status in (DISCREPANCY, TOO_EARLY))
    assert 0 <= verdict.confidence <= 1
    assert verdict.explanation.endswith(".")
    assert "None" not in verdict.explanation


@given(claims, figures, situations)
def test_no_trust_is_lost_by_what_cannot_be_known(claimed, truth, situation):
    verdict = look(claimed, truth, **situation)
    if verdict.trust_effect is INACCURATE and verdict.status is not INVALID_CLAIM:
        over = any(figure.difference is not None and figure.difference > 0 for figure in verdict.metrics.values())
        assert over or (verdict.status is POST_MISSING and (situation["seen_live"] or situation["deleted"]))


SEVERITY = [None, LOW, MEDIUM, HIGH]


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 48))
@example(104_999, 105_000, 100_000, 48)
def test_a_higher_claim_never_has_a_better_verdict(first, second, truth, post_age_h):
    lower, higher = (
        look((claimed,), (truth,), posted_at=CLAIMED_AT - post_age_h * H) for claimed in sorted((first, second))
    )
    assert SEVERITY.index(lower.level) <= SEVERITY.index(higher.level)


@given(claims, st.lists(st.tuples(figures, situations), min_size=4, max_size=4))
def test_every_chain_of_looks_ends_after_four_at_most(claimed, fetches):
    previous, due_after = (), timedelta()
    for truth, situation in fetches:
        after = max(situation["after"], due_after)
        verdict = look(claimed, truth, **{**situation, "previous": previous, "after": after})
        if verdict.next_look_at is None:
            return
        previous, due_after = (*previous, verdict.status), verdict.next_look_at - CLAIMED_AT
    pytest.fail(f"still open after {previous}")


def test_the_longest_chain_has_four_looks():
    gone, young = {"availability": MISSING}, {"posted_at": CLAIMED_AT}
    assert look((900,), (), **gone).next_look_at
    assert look((900,), (100,), **young, previous=(POST_MISSING,)).next_look_at
    assert look((900,), (), **gone, previous=(POST_MISSING, TOO_EARLY)).next_look_at
    assert not look((900,), (), **gone, previous=(POST_MISSING, TOO_EARLY, POST_MISSING)).next_look_at


# --- The affiliate can open the way


WITHIN = timedelta(days=ACCESS_WITHIN_DAYS)


@pytest.mark.parametrize("denial", [Denial.NOT_CONNECTED, Denial.NOT_LISTED, Denial.NOT_PROVEN])
@pytest.mark.parametrize(
    ("after", "next_look"),
    [
        (timedelta(), WITHIN),
        (WITHIN - timedelta(seconds=1), WITHIN),
        (WITHIN, None),  # the way was not opened in time: this verdict counts
        (WITHIN + H, None),
    ],
)
def test_a_claim_waits_a_fortnight_for_its_affiliate_to_open_the_way(denial, after, next_look):
    availability = LIVE if denial is Denial.NOT_PROVEN else DENIED
    verdict = look((900, 10), (5_000, 10), availability=availability, denial=denial, after=after)
    assert outcome(verdict) == (UNVERIFIABLE, None, NONE)
    assert verdict.next_look_at == (CLAIMED_AT + next_look if next_look else None)


@pytest.mark.parametrize(
    ("platform", "claimed", "availability", "after", "waits"),
    [
        ("instagram", (900,), LIVE, timedelta(), True),
        ("facebook", (900, None, 1), LIVE, 48 * H - timedelta(seconds=1), True),
        ("instagram", (900,), LIVE, 48 * H, False),  # the window is over
        ("instagram", (None, 1), LIVE, timedelta(), False),  # clicks are nobody's insights
        ("instagram", (900,), DENIED, timedelta(), False),
        ("youtube", (900,), LIVE, timedelta(), False),  # a public counter that is not shown will not be
        ("reddit", (900,), LIVE, timedelta(), False),
    ],
)
def test_a_claim_waits_for_insights_that_are_not_there_yet(platform, claimed, availability, after, waits):
    nothing = look(claimed, (), platform=platform, availability=availability, after=after, posted_at=CLAIMED_AT)
    assert outcome(nothing) == (UNVERIFIABLE, None, NONE)
    assert nothing.next_look_at == (CLAIMED_AT + 48 * H if waits else None)


def test_what_a_post_of_an_unproven_account_speaks_against_counts_all_the_same():
    verdict = look((9_000,), (1_000,), denial=Denial.NOT_PROVEN)
    assert outcome(verdict) == (DISCREPANCY, HIGH, INACCURATE)
    assert verdict.next_look_at is None


def test_a_refusal_that_nobody_can_lift_counts_at_once():
    assert look((900,), (None,), availability=DENIED).next_look_at is None


@pytest.mark.parametrize(
    ("claimed", "expected"),
    [
        ((900,), (MATCHED, None, NONE)),  # what grew while the claim waited earns nothing
        ((1_030,), (DISCREPANCY, LOW, NONE)),
        ((1_100,), (DISCREPANCY, MEDIUM, INACCURATE)),
        ((9_000,), (DISCREPANCY, HIGH, INACCURATE)),
    ],
)
def test_what_is_seen_once_the_way_is_open_is_judged_and_earns_no_trust(claimed, expected):
    assert outcome(look(claimed, (1_000,), previous=(UNVERIFIABLE,), after=72 * H)) == expected


def test_a_post_that_is_gone_is_missing_whatever_else_stands_in_the_way():
    verdict = look((900,), (None,), availability=MISSING, denial=Denial.NOT_PROVEN)
    assert verdict.status == POST_MISSING


@pytest.mark.parametrize(
    ("claimed", "standing", "reversed_since", "status", "level"),
    [
        (12, 7, 5, MATCHED, None),
        (12, 7, 0, DISCREPANCY, HIGH),
        (20, 7, 5, DISCREPANCY, HIGH),  # over what ever stood
        (12, None, 5, UNVERIFIABLE, None),  # nobody counts, whatever was reversed
    ],
)
def test_what_was_reversed_after_a_claim_is_not_held_against_it(claimed, standing, reversed_since, status, level):
    verdict = judge(
        Claim(Figures(conversions=claimed), CLAIMED_AT),
        Truth(
            Figures(conversions=standing),
            None,
            False,
            CLAIMED_AT + timedelta(days=4),
            None,
            reversed_since=reversed_since,
        ),
        platform="youtube",
        rules=RULES,
        lags={"conversions": Lag(LagBasis.CLAIM_AGE, CONVERSIONS_LAG_H)},
        looks=Looks(),
    )
    assert (verdict.status, verdict.level) == (status, level)
    assert ("reversed after the claim" in verdict.explanation) == bool(reversed_since and standing)
