"""A receipt says all that its verdict was drawn from: judged again from it alone, the same comes out."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.metrics import VIEWS_LAG, Availability, Lag, LagBasis
from reconciliation import receipts
from reconciliation.chain import GENESIS, Header, digest_of
from reconciliation.comparison import Claim, Denial, Figures, Looks, Status, Truth, judge, money_at_risk
from reconciliation.rules import CLAIMABLE, Rules, Thresholds

CLAIMED_AT = datetime(2026, 11, 2, 12, tzinfo=UTC)
ID = UUID("01A21308-C34E-75F5-A310-D7CBC37D212F")


def row(names: tuple[str, ...], **values: object) -> tuple[Any, ...]:
    """A row of a table, in which everything else is empty."""
    assert set(values) <= set(names)
    return tuple(values.get(name) for name in names)


def recorded(
    claim: Claim,
    truth: Truth,
    terms: receipts.KeptTerms,
    rules: Rules,
    lags: dict[str, Lag],
    platform: str,
    **otherwise: object,
) -> receipts.Recorded:
    """What settling would have written of this claim and this truth."""
    looks = Looks(terms.previous, seen_live=terms.seen_live)
    never = terms.impossible
    verdict = judge(claim, truth, platform=platform, rules=rules, lags=lags, looks=looks, impossible=never)
    figures = {metric: verdict.metrics.get(metric) for metric in CLAIMABLE}
    outcome = {
        "id": ID,
        "status": verdict.status,
        "discrepancy_level": verdict.level,
        **{f"{metric}_discrepancy": found.difference if found else None for metric, found in figures.items()},
        **{f"{metric}_diff_pct": found.percentage if found else None for metric, found in figures.items()},
        "confidence": verdict.confidence,
        "explanation": verdict.explanation,
        "trust_effect": verdict.trust_effect,
        "money_at_risk": money_at_risk(verdict, terms.rates),
        "next_look_at": verdict.next_look_at,
    }
    return receipts.Recorded(
        campaign=str(ID),
        platform=platform,
        claim=row(
            receipts.CLAIM,
            claimed_at=claim.claimed_at,
            **{f"claimed_{metric}": figure for metric, figure in claim.figures.by_metric},
        ),
        snapshot=row(
            receipts.SNAPSHOT,
            **dict(truth.figures.by_metric),
            **{name: getattr(truth, name) for name in ("availability", "deleted", "denial", "fetched_at", "posted_at")},
            link_posts=truth.link_posts,
        ),
        verdict=row(receipts.VERDICT, **outcome | otherwise),
        rules=rules,
        ruleset_sha256=receipts.digest_of_ruleset({}),
        terms=json.loads(terms.as_json()),
    )


def figures(least: int = 0) -> st.SearchStrategy[Figures]:
    each = st.none() | st.integers(0, 300) | st.integers(0, 2**53 - 1)
    tuples = st.tuples(each, each, each).filter(lambda found: sum(one is not None for one in found) >= least)
    return tuples.map(lambda found: Figures(*found))


hours = st.integers(0, 24 * 20)
percentages = st.decimals(0, 1000, places=4)
rates = st.none() | st.decimals(0, 10**6, places=4)
limits = st.builds(
    lambda pair, floor: Thresholds(medium_from_pct=min(pair), high_above_pct=max(pair), floor=floor),
    st.tuples(percentages, percentages),
    st.integers(0, 1000),
)
lags = st.fixed_dictionaries(
    {
        "views": st.builds(Lag, st.sampled_from(LagBasis), hours),
        "conversions": st.builds(Lag, st.just(LagBasis.CLAIM_AGE), hours),
    }
)
others = st.fixed_dictionaries(
    {
        "rate_per_1000_views": rates,
        "rate_per_click": rates,
        "rate_per_conversion": rates,
        "previous": st.lists(st.sampled_from(Status), max_size=3).map(tuple),
        "seen_live": st.booleans(),
        "reversed_since": st.integers(0, 9),
        "impossible": st.sampled_from(["", "More clicks than views."]),
    }
)
after = st.integers(0, 20 * 24 * 3600 * 10**6).map(lambda us: timedelta(microseconds=us))


@given(
    claimed=figures(1),
    counted=figures(),
    availability=st.none() | st.sampled_from(Availability),
    denial=st.none() | st.sampled_from(Denial),
    deleted=st.booleans(),
    link_posts=st.none() | st.integers(1, 3),
    fetched_after=after,
    posted_before=st.none() | after,
    lags=lags,
    others=others,
    thresholds=st.tuples(limits, limits, limits),
    platform=st.sampled_from(sorted(VIEWS_LAG)),
)
def test_whatever_was_judged_is_derived_from_the_receipts_text_alone(
    claimed,
    counted,
    availability,
    denial,
    deleted,
    link_posts,
    fetched_after,
    posted_before,
    lags,
    others,
    thresholds,
    platform,
):
    truth = Truth(
        counted,
        availability,
        deleted,
        CLAIMED_AT + fetched_after,
        None if posted_before is None else CLAIMED_AT - posted_before,
        denial,
        link_posts,
        others["reversed_since"],
    )
    terms = receipts.KeptTerms(receipts.lags_text(lags), **others)
    rules = Rules(3, dict(zip(CLAIMABLE, thresholds, strict=True)))
    receipt = receipts.receipt(recorded(Claim(claimed, CLAIMED_AT), truth, terms, rules, lags, platform))
    text = receipts.canonical(receipt)
    assert text == json.dumps(receipt, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    assert receipts.canonical(json.loads(text)) == text
    assert receipts.differences(json.loads(text)) == {}


def example(**otherwise: object) -> receipts.Receipt:
    """A plain over-claim, four minutes after it; `otherwise`: what its verdict says instead."""
    lags = {"views": VIEWS_LAG["youtube"], "conversions": Lag(LagBasis.CLAIM_AGE, 72)}
    return receipts.receipt(
        recorded(
            Claim(Figures(views=12_400, clicks=3), CLAIMED_AT),
            Truth(Figures(10_100, 3), Availability.LIVE, False, CLAIMED_AT + timedelta(minutes=4), None),
            receipts.KeptTerms(receipts.lags_text(lags), Decimal("2.5")),
            Rules(1, {metric: Thresholds(floor=50) for metric in CLAIMABLE}),
            lags,
            "youtube",
            **otherwise,
        )
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", Status.MATCHED),
        ("discrepancy_level", None),
        ("views_discrepancy", 2_299),
        ("clicks_diff_pct", None),
        ("confidence", Decimal("0.999")),
        ("explanation", ""),
        ("trust_effect", "NONE"),
        ("money_at_risk", Decimal("5.74")),
        ("next_look_at", CLAIMED_AT),
    ],
)
def test_an_outcome_that_does_not_follow_is_told(name, value):
    right, wrong = example(), example(**{name: value})
    assert receipts.differences(wrong) == {name: (wrong["outcome"][name], right["outcome"][name])}


def test_the_form_of_a_receipt_and_the_words_of_a_verdict_stay():
    """What is sealed is kept for good: another form, or another sentence for the same inputs, has to come beside this
    one under another number, or no verdict from before would follow from its receipt any more."""
    assert receipts.digest(example()) == "6c8c1696fe1b4d767354e787b21ae5d1b3931543ebc6428b70dc9b38c39e0329"


def test_one_moment_has_one_form():
    moments = (CLAIMED_AT, CLAIMED_AT.astimezone(timezone(timedelta(hours=5, minutes=30))))
    assert {receipts.told_moment(moment) for moment in moments} == {"2026-11-02T12:00:00.000000Z"}


def test_without_the_terms_there_is_nothing_to_derive():
    rows = [row(names) for names in (receipts.CLAIM, receipts.SNAPSHOT, receipts.VERDICT)]
    assert not receipts.is_derivable(receipts.receipt(receipts.Recorded(str(ID), "x", *rows, None, None, None)))
    assert receipts.is_derivable(example())


def test_a_blocks_hash_is_of_all_that_it_says():
    header = Header(2, str(ID), CLAIMED_AT.date(), CLAIMED_AT, GENESIS, 1, digest_of(["ab" * 32]))
    others = (3, str(UUID(int=1)), CLAIMED_AT.date() + timedelta(days=1), CLAIMED_AT + timedelta(microseconds=1))
    values = (*others, "1" * 64, 2, digest_of(["cd" * 32]))
    names = list(Header.__dataclass_fields__)
    hashes = [header.sha256]
    for name, value in zip(names, values, strict=True):
        hashes.append(Header(**{each: getattr(header, each) for each in names} | {name: value}).sha256)
    assert all(one != other for one, other in combinations(hashes, 2))
    assert digest_of(["ab" * 32, "cd" * 32]) != digest_of(["cd" * 32, "ab" * 32])
    with pytest.raises(ValueError, match="non-hexadecimal"):
        digest_of(["x" * 64])
