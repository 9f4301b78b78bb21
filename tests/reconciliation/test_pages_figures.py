"""The chart and the cards, where figures are missing or the list is long."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from reconciliation.pages.figures import CHART_DAYS, total_cards, views_chart
from reconciliation.pages.rows import share_pct

DAY = date(2026, 11, 20)


def _day(days_ago: int, claimed: int | None = 10, verified: int | None = 8) -> dict[str, object]:
    return {"day": DAY - timedelta(days=days_ago), "posts": 1, "claimed": claimed, "verified": verified}


def test_a_day_without_claims_is_nothing_and_one_without_a_count_is_unknown():
    points = views_chart([_day(3), _day(1, None, None), _day(0)]).points
    assert [(point.claimed, point.verified) for point in points] == [(10, 8), (0, 0), (None, None), (10, 8)]
    assert [point.label for point in points] == ["17 Nov", "18 Nov", "19 Nov", "20 Nov"]


def test_a_chart_ends_with_the_newest_claim_and_reaches_back_so_many_days():
    points = views_chart([_day(400), _day(0)]).points
    assert len(points) == CHART_DAYS
    assert points[-1].label == "20 Nov"


def test_without_a_verdict_there_is_no_chart():
    assert views_chart([]).points == ()


@pytest.mark.parametrize(
    ("part", "whole", "share"),
    [(1, 4, Decimal(25)), (0, 4, Decimal(0)), (None, 4, None), (4, 0, None), (4, None, None)],
)
def test_a_share_of_nothing_or_of_the_unknown_is_unknown(part, whole, share):
    assert share_pct(part, whole) == share


def test_currencies_stand_beside_each_other():
    names = ("posts", "affiliates", "over_claimed_posts", "too_early", "unverifiable", "missing", "pending", "invalid")
    views = {f"{name}_views": None for name in ("claimed", "verified", "over_claimed", "unjudged")}
    at_risk = [
        {"currency": "EUR", "amount": Decimal("1.50"), "posts": 1},
        {"currency": "USD", "amount": Decimal("20"), "posts": 2},
    ]
    cards = {
        card.label: card
        for card in total_cards(dict.fromkeys(names, 0) | views | {"affiliates_at_risk": 2}, at_risk, "USD")
    }
    assert (cards["Money at risk"].value, cards["Money at risk"].note) == ("€1.50 + $20.00", "3 posts, 2 affiliates")
    assert (cards["Claimed views"].value, cards["Verified views"].note) == ("—", "")
    assert cards["Not judged yet"].note == "all is judged"
