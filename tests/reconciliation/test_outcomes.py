"""What follows from a decision: level, trust, gaps and money."""

from decimal import Decimal

import pytest

from campaigns.rates import Rates
from reconciliation.comparison import Level, Status, TrustEffect
from reconciliation.outcomes import DECIDABLE, Found, Gap, decided

RATES = Rates(per_1000_views=Decimal(10), per_click=Decimal("0.5"))
YES, NO, NONE = TrustEffect.ACCURATE, TrustEffect.INACCURATE, TrustEffect.NONE
OVER, UNDER, UNKNOWN = Gap(2_000, Decimal("20.00")), Gap(-100, Decimal("-1.00")), Gap()
CLOSED = Gap(0, Decimal("0.00"))
STOOD = Decimal("17.00")  # at other rates than today's
TODAYS = Decimal("20.00")


@pytest.mark.parametrize(
    ("found", "decision", "trust", "gaps", "money"),
    [
        # The claim holds: nothing claimed is over, and what was counted above a claim stays.
        (Found(Status.DISCREPANCY, {"views": OVER, "clicks": UNDER}, STOOD), "MATCHED", YES, [CLOSED, UNDER], None),
        (Found(Status.UNVERIFIABLE, {"views": UNKNOWN}, None), "MATCHED", YES, [CLOSED], None),
        # Another level of the same gap costs the same; LOW is accurate.
        (Found(Status.DISCREPANCY, {"views": OVER}, STOOD), "LOW", YES, [OVER], STOOD),
        (Found(Status.DISCREPANCY, {"views": OVER}, STOOD), "MEDIUM", NO, [OVER], STOOD),
        (Found(Status.DISCREPANCY, {"views": OVER}, None), "LOW", YES, [OVER], None),  # no rate was set then
        # A gap that had put no money at risk is priced at today's rates, over-claimed metrics only.
        (Found(Status.INVALID_CLAIM, {"views": OVER, "clicks": UNDER}, None), "HIGH", NO, [OVER, UNDER], TODAYS),
        # Nothing was counted over: how much it is, nobody knows.
        (Found(Status.MATCHED, {"views": UNDER, "clicks": CLOSED}, None), "HIGH", NO, [UNKNOWN, UNKNOWN], None),
        (Found(Status.UNVERIFIABLE, {"views": UNKNOWN}, None), "MEDIUM", NO, [UNKNOWN], None),
        # Nobody can tell, or nobody can have it: no money is at risk.
        (Found(Status.DISCREPANCY, {"views": OVER}, STOOD), "UNVERIFIABLE", NONE, [OVER], None),
        (Found(Status.DISCREPANCY, {"views": OVER}, STOOD), "INVALID_CLAIM", NO, [OVER], None),
    ],
)
def test_what_follows_from_a_decision(found, decision, trust, gaps, money):
    level = Level(decision) if decision in list(Level) else None
    status = Status.DISCREPANCY if level else Status(decision)
    outcome = decided(found, status, level, RATES)
    assert (outcome.status, outcome.level, outcome.trust_effect) == (status, level, trust)
    assert (list(outcome.gaps.values()), outcome.money_at_risk) == (gaps, money)
    assert list(outcome.gaps) == list(found.gaps)


@pytest.mark.parametrize(
    ("status", "level"),
    [
        *((status, None) for status in Status if status not in DECIDABLE),
        (Status.DISCREPANCY, None),
        (Status.MATCHED, Level.LOW),
        (Status.INVALID_CLAIM, Level.HIGH),
    ],
)
def test_what_nobody_may_decide(status, level):
    with pytest.raises(ValueError, match=r"decide|level"):
        decided(Found(Status.DISCREPANCY, {"views": OVER}, STOOD), status, level, RATES)
