"""Trust: each post once a day, by its latest counted outcome; two policies, an interval, and words for both."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.comparison import TrustEffect
from reconciliation.rules import RuleMatrixError
from reconciliation.trust import (
    ACCURATE,
    KINDS,
    Interval,
    Kind,
    Outcome,
    Policy,
    PolicyName,
    Trust,
    course,
    kind_of,
    parse_trust,
    tally,
    wilson,
)

MIDNIGHT = datetime(2026, 11, 14, tzinfo=UTC)
YES, NO, NONE = Kind.MATCHED, Kind.HIGH, Kind.NONE
EVENTS = parse_trust({"policy": "events"})


def outcome(kind, post="p1", hours=0.0, claim="c1", number=0, platform="x"):
    claimed_at = MIDNIGHT + timedelta(hours=hours)
    return Outcome(post, platform, claimed_at.date(), claimed_at, claim, number, kind)


def trust(policy=None, **counts):
    return Trust(policy or Policy(), {Kind(kind.upper()): number for kind, number in counts.items()})


@pytest.mark.parametrize(
    ("status", "level", "effect", "kind"),
    [
        ("MATCHED", None, TrustEffect.ACCURATE, Kind.MATCHED),
        ("MATCHED", None, TrustEffect.NONE, Kind.NONE),
        ("DISCREPANCY", "LOW", TrustEffect.ACCURATE, Kind.LOW),
        ("DISCREPANCY", "LOW", TrustEffect.NONE, Kind.NONE),
        ("DISCREPANCY", "MEDIUM", TrustEffect.INACCURATE, Kind.MEDIUM),
        ("DISCREPANCY", "HIGH", TrustEffect.INACCURATE, Kind.HIGH),
        ("POST_MISSING", None, TrustEffect.INACCURATE, Kind.POST_MISSING),
        ("POST_MISSING", None, TrustEffect.NONE, Kind.NONE),
        ("INVALID_CLAIM", None, TrustEffect.INACCURATE, Kind.INVALID_CLAIM),
        ("UNVERIFIABLE", None, TrustEffect.NONE, Kind.NONE),
    ],
)
def test_an_outcome_is_of_one_kind(status, level, effect, kind):
    assert kind_of(status, level, effect) is kind


@pytest.mark.parametrize(
    ("outcomes", "counted"),
    [
        ([], {}),
        ([outcome(NONE)], {}),
        ([outcome(YES)], {YES: 1}),
        ([outcome(YES, "p1"), outcome(NONE, "p2"), outcome(NO, "p3")], {YES: 1, NO: 1}),
        # Repeating a claim within a day earns nothing; on the next day it counts again.
        ([outcome(YES), outcome(YES, hours=1), outcome(YES, hours=23.99)], {YES: 1}),
        ([outcome(YES), outcome(NO, hours=24)], {YES: 1, NO: 1}),
        # The latest of a day decides, by the time of the claim, then by its id, then by what was said of it last.
        ([outcome(NO), outcome(YES, hours=1)], {YES: 1}),
        ([outcome(YES, hours=1), outcome(NO)], {YES: 1}),
        ([outcome(YES, claim="c1"), outcome(NO, claim="c2")], {NO: 1}),
        ([outcome(YES, number=1), outcome(NO)], {YES: 1}),
        ([outcome(YES, number=1), outcome(NO, hours=1)], {NO: 1}),
        # A latest outcome that is no matter of trust takes the post out of that day.
        ([outcome(NO), outcome(NONE, hours=1)], {}),
        ([outcome(NO), outcome(NONE, number=1), outcome(NO, "p2")], {NO: 1}),
    ],
)
def test_what_counts(outcomes, counted):
    assert tally(outcomes) == {("x", kind): number for kind, number in counted.items()}


def test_platforms_are_counted_apart():
    assert tally([outcome(YES), outcome(YES, "p2", platform="youtube"), outcome(NO, "p3")]) == {
        ("x", YES): 1,
        ("x", NO): 1,
        ("youtube", YES): 1,
    }


@pytest.mark.parametrize(
    ("counts", "accuracy", "events"),
    [
        ({}, "1.0000", "0.5000"),
        ({"matched": 1}, "1.0000", "0.5200"),
        ({"low": 2}, "1.0000", "0.5200"),
        ({"high": 1}, "0.0000", "0.3500"),
        ({"matched": 2, "medium": 1}, "0.6667", "0.4900"),
        ({"post_missing": 1, "invalid_claim": 1}, "0.0000", "0.1500"),
        # Cut off once and at the end: whatever came first, more than enough of one makes up for the other.
        ({"matched": 40, "high": 2}, "0.9524", "1.0000"),
        ({"high": 4}, "0.0000", "0.0000"),
        ({"matched": 5, "high": 4}, "0.5556", "0.0000"),
        # Four places, half to even: 1/32 = 0.03125, 3/32 = 0.09375.
        ({"matched": 1, "high": 31}, "0.0312", "0.0000"),
        ({"low": 3, "medium": 29}, "0.0938", "0.0000"),
    ],
)
def test_the_score_by_either_policy(counts, accuracy, events):
    assert str(trust(**counts).score) == accuracy
    assert str(trust(EVENTS, **counts).score) == events


def test_what_each_kind_adds_and_where_it_begins_can_be_set():
    policy = parse_trust({"policy": "events", "start": "0.8", "deltas": {"HIGH": "-0.0125", "LOW": "0"}})
    assert str(trust(policy, high=2, low=7, matched=1).score) == "0.7950"


# By hand from Wilson's formula, and in any table of it.
@pytest.mark.parametrize(
    ("accurate", "total", "low", "high"),
    [
        (0, 1, "0.0000", "0.7935"),
        (1, 1, "0.2065", "1.0000"),
        (3, 3, "0.4385", "1.0000"),
        (300, 300, "0.9874", "1.0000"),
        (5, 10, "0.2366", "0.7634"),
        (81, 263, "0.2553", "0.3662"),
        (0, 20, "0.0000", "0.1611"),
    ],
)
def test_the_interval(accurate, total, low, high):
    assert wilson(accurate, total) == Interval(Decimal(low), Decimal(high))


counts_of_all = st.fixed_dictionaries({kind: st.integers(0, 2_000) for kind in KINDS})


@given(counts=counts_of_all, policy=st.sampled_from([Policy(), EVENTS]))
def test_scores_and_intervals_stay_within_their_bounds(counts, policy):
    found = Trust(policy, counts)
    assert 0 <= found.score <= 1
    assert found.accurate <= found.total == sum(counts.values())
    assert (found.interval is None) == (found.total == 0)
    if found.interval:
        share = Fraction(found.accurate, found.total)
        assert 0 <= found.interval.low <= share <= found.interval.high <= 1


@given(counts=counts_of_all, policy=st.sampled_from([Policy(), EVENTS]), kind=st.sampled_from(KINDS))
def test_one_more_accurate_outcome_never_costs_and_an_inaccurate_one_never_earns(counts, policy, kind):
    more = {**counts, kind: counts[kind] + 1}
    before, after = policy.score(counts), policy.score(more)
    assert after >= before if kind in ACCURATE else after <= before or not sum(counts.values())


@pytest.mark.parametrize(
    ("found", "summary"),
    [
        (trust(), "Nothing counts yet."),
        (trust(matched=1), "1.00 from 1 post: too few to tell, 0.21 to 1.00 are likely."),
        (trust(matched=3), "1.00 from 3 posts: too few to tell, 0.44 to 1.00 are likely."),
        (trust(matched=300), "1.00, likely 0.99 to 1.00 from 300 posts."),
        (trust(matched=100, low=5, high=19), "0.85, likely 0.77 to 0.90 from 124 posts."),
        (trust(EVENTS), "Nothing counts yet."),
        (trust(EVENTS, matched=3), "0.56. Of 3 posts, 3 accurate: too few to tell, 44 % to 100 % of all are likely."),
        (trust(EVENTS, high=1), "0.35. Of 1 post, 0 accurate: too few to tell, 0 % to 79 % of all are likely."),
        (trust(EVENTS, matched=1_000, high=40), "1.00. Of 1,040 posts, 1,000 accurate: likely 95 % to 97 % of all."),
    ],
)  # fmt: skip
def test_a_score_says_what_it_rests_on(found, summary):
    assert found.summary == summary


GENTLE = parse_trust({"policy": "events", "deltas": {"MATCHED": "0.0001"}})
STRICT = parse_trust({"policy": "events", "deltas": {"MATCHED": "0"}})


@pytest.mark.parametrize(
    ("found", "to_raise"),
    [
        (trust(), "The first post that is judged does."),
        (trust(matched=4), "It can’t be higher."),
        (trust(matched=85, high=15), "50 more accurate posts bring it from 0.85 to 0.90."),
        (trust(matched=1, high=1), "1 more accurate post brings it from 0.50 to 0.67."),
        (trust(high=2), "1 more accurate post brings it from 0.00 to 0.33."),
        # 0.8478 is shown as 0.85, so the next step is 0.90.
        (trust(matched=39, high=7), "24 more accurate posts bring it from 0.85 to 0.90."),
        (trust(matched=96, high=4), "Each accurate post brings it closer to 1."),
        (trust(matched=998, high=2), "It can hardly be higher."),
        (trust(EVENTS), "3 more accurate posts bring it from 0.50 to 0.56."),
        (trust(EVENTS, matched=24), "1 more accurate post brings it from 0.98 to 1.00."),
        (trust(EVENTS, matched=60), "It can’t be higher."),
        # What was cut off has to be made up for: the sum stands at −0.40.
        (trust(EVENTS, high=6), "23 more accurate posts bring it from 0.00 to 0.06."),
        (trust(STRICT, high=1), "Accurate posts don’t raise it."),
        (trust(GENTLE), "500 more accurate posts bring it from 0.50 to 0.55."),
    ],
)
def test_it_says_what_would_raise_the_score(found, to_raise):
    assert found.to_raise == to_raise


def test_the_score_day_by_day_goes_on_from_what_was_before():
    days = {date(2026, 11, 15): {NO: 1}, date(2026, 11, 14): {YES: 2}}
    assert [(each.day.day, dict(each.counts), str(each.score)) for each in course({YES: 1}, days, Policy())] == [
        (14, {YES: 2}, "1.0000"),
        (15, {NO: 1}, "0.7500"),
    ]


recorded_outcomes = st.lists(
    st.builds(
        outcome,
        kind=st.sampled_from(Kind),
        post=st.sampled_from(["p1", "p2", "p3"]),
        hours=st.integers(0, 72),
        claim=st.uuids().map(str),
        number=st.integers(0, 1),
    ),
    unique_by=lambda each: each.claim_id,
)


@given(data=st.data(), recorded=recorded_outcomes)
def test_neither_the_order_nor_repetition_matters(data, recorded):
    found = tally(recorded)
    assert tally(data.draw(st.permutations(recorded))) == found
    assert tally([*recorded, *recorded]) == found
    assert found.total() <= len({(each.post_id, each.day) for each in recorded})


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([], "trust"),
        (None, "trust"),
        ({"policies": "events"}, "trust.policies"),
        ({"policy": "luck"}, "trust.policy"),
        ({"policy": ["events"]}, "trust.policy"),
        ({"start": 0.5}, "trust.start"),
        ({"start": "1.0001"}, "trust.start"),
        ({"start": "-0.1"}, "trust.start"),
        ({"start": "0.12345"}, "trust.start"),
        ({"start": "NaN"}, "trust.start"),
        ({"start": "0.5\n"}, "trust.start"),
        ({"deltas": []}, "trust.deltas"),
        ({"deltas": {"NONE": "0"}}, "trust.deltas.NONE"),
        ({"deltas": {"SMALL": "0"}}, "trust.deltas.SMALL"),
        ({"deltas": {"HIGH": "0.1"}}, "trust.deltas.HIGH"),
        ({"deltas": {"LOW": "-0.01"}}, "trust.deltas.LOW"),
        ({"deltas": {"HIGH": "-1.5"}}, "trust.deltas.HIGH"),
        ({"deltas": {"HIGH": None}}, "trust.deltas.HIGH"),
        ({"deltas": {"HIGH": "٠"}}, "trust.deltas.HIGH"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(given, field):
    with pytest.raises(RuleMatrixError) as refused:
        parse_trust(given)
    assert refused.value.field == field


def test_what_is_left_out_holds_by_default():
    assert parse_trust({}) == Policy()
    assert parse_trust({"policy": "events", "deltas": {"HIGH": "-1"}}) == Policy(
        PolicyName.EVENTS, deltas={**Policy().deltas, Kind.HIGH: Decimal(-1)}
    )
