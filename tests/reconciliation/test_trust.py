"""The accuracy policy: each post once a day, by its latest counted verdict."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.comparison import TrustEffect
from reconciliation.trust import Outcome, Trust, accuracy

MIDNIGHT = datetime(2026, 11, 14, tzinfo=UTC)
YES, NO, NONE = TrustEffect.ACCURATE, TrustEffect.INACCURATE, TrustEffect.NONE


def outcome(effect, post="p1", hours=0.0, claim="c1"):
    claimed_at = MIDNIGHT + timedelta(hours=hours)
    return Outcome(post, claimed_at.date(), claimed_at, claim, effect)


@pytest.mark.parametrize(
    ("outcomes", "score", "total", "accurate"),
    [
        ([], "1.0000", 0, 0),
        ([outcome(NONE)], "1.0000", 0, 0),
        ([outcome(YES)], "1.0000", 1, 1),
        ([outcome(NO)], "0.0000", 1, 0),
        ([outcome(YES, "p1"), outcome(YES, "p2"), outcome(NO, "p3")], "0.6667", 3, 2),
        ([outcome(YES, "p1"), outcome(NONE, "p2"), outcome(NO, "p3")], "0.5000", 2, 1),
        # Repeating a claim within a day earns nothing; on the next day it counts again.
        ([outcome(YES), outcome(YES, hours=1), outcome(YES, hours=23.99)], "1.0000", 1, 1),
        ([outcome(YES), outcome(NO, hours=24)], "0.5000", 2, 1),
        # The latest of a day decides, by the time of the claim and then by its id.
        ([outcome(NO), outcome(YES, hours=1)], "1.0000", 1, 1),
        ([outcome(YES, hours=1), outcome(NO)], "1.0000", 1, 1),
        ([outcome(YES, claim="c1"), outcome(NO, claim="c2")], "0.0000", 1, 0),
        # A latest outcome without effect takes the post out of that day.
        ([outcome(NO), outcome(NONE, hours=1)], "1.0000", 0, 0),
        ([outcome(YES), outcome(NONE, hours=1), outcome(NO, "p2")], "0.0000", 1, 0),
        # Four places, half to even: 1/32 = 0.03125, 3/32 = 0.09375.
        ([outcome(YES, f"p{n}") if n < 1 else outcome(NO, f"p{n}") for n in range(32)], "0.0312", 32, 1),
        ([outcome(YES, f"p{n}") if n < 3 else outcome(NO, f"p{n}") for n in range(32)], "0.0938", 32, 3),
    ],
)
def test_the_score(outcomes, score, total, accurate):
    trust = accuracy(outcomes)
    assert trust == Trust(Decimal(score), total, accurate)
    assert str(trust.score) == score


outcomes = st.lists(
    st.builds(
        outcome,
        effect=st.sampled_from(TrustEffect),
        post=st.sampled_from(["p1", "p2", "p3"]),
        hours=st.integers(0, 72),
        claim=st.uuids().map(str),
    ),
    unique_by=lambda x: x.claim_id,
)


@given(data=st.data(), recorded=outcomes)
def test_the_order_of_processing_does_not_matter(data, recorded):
    assert accuracy(data.draw(st.permutations(recorded))) == accuracy(recorded)


@given(recorded=outcomes)
def test_the_score_stays_between_its_bounds_and_agrees_with_its_counts(recorded):
    trust = accuracy(iter(recorded))
    assert 0 <= trust.score <= 1
    assert 0 <= trust.accurate <= trust.total <= len({(x.post_id, x.day) for x in recorded})


@given(recorded=outcomes)
def test_counting_an_outcome_twice_changes_nothing(recorded):
    assert accuracy([*recorded, *recorded]) == accuracy(recorded)
