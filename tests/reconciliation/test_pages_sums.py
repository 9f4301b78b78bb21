"""The figures of the dashboard equal what plain SQL says, and add up."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from campaigns.models import Campaign
from reconciliation.models import AffiliateRollUp, DayRollUp, PostState, ReconciliationLog
from tests.factories import CampaignFactory

pytestmark = pytest.mark.django_db

CURRENT = """
    FROM reconciliation_poststate s
    JOIN campaigns_post p ON p.id = s.post_id
    JOIN reconciliation_affiliatereport c ON c.id = s.current_claim_id
    LEFT JOIN reconciliation_reconciliationlog v ON v.id = s.current_verdict_id
    WHERE p.campaign_id = %s AND p.displaced_at IS NULL AND p.merged_into_id IS NULL
"""
COMPARED = "v.status IN ('MATCHED', 'DISCREPANCY') AND v.views_discrepancy IS NOT NULL"


def _sql(select: str, campaign: Campaign, rest: str = "") -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {select} {CURRENT} {rest}", [campaign.pk])
        return list(cursor.fetchall())


def _sums(campaign: Campaign) -> Any:
    return DayRollUp.objects.filter(campaign=campaign)


def _words(posts: Any) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for cell in posts.cells():
        counts[cell.verdict] += cell.n
    return dict(counts)


def test_totals_equal_plain_sql(scene):
    totals = _sums(scene.campaign).totals() | AffiliateRollUp.objects.filter(campaign=scene.campaign).affiliate_totals()
    names = ("posts", "affiliates", "claimed_views", "verified_views", "over_claimed_views", "unjudged_views")
    assert (
        tuple(totals[name] for name in names)
        == _sql(
            f"""
        count(*), count(DISTINCT p.affiliate_id), sum(c.claimed_views),
        sum(least(c.claimed_views, c.claimed_views - v.views_discrepancy)) FILTER (WHERE {COMPARED}),
        sum(greatest(v.views_discrepancy, 0)) FILTER (WHERE {COMPARED}),
        sum(c.claimed_views) FILTER (WHERE NOT coalesce({COMPARED}, false))
        """,
            scene.campaign,
        )[0]
    )


def test_claimed_views_are_verified_or_over_claimed_or_not_judged_to_the_last_one(scene):
    totals = _sums(scene.campaign).totals()
    parts = [totals[f"{name}_views"] for name in ("verified", "over_claimed", "unjudged")]
    assert totals["claimed_views"] == sum(parts)
    assert all(parts)


def test_a_claim_that_no_post_can_have_is_counted_as_one_and_left_out_of_the_sums(scene, claim, world_post, drain_all):
    before = _sums(scene.campaign).totals()
    claim(scene.mila, scene.campaign, world_post("x", 1), 10**12 + 1)
    drain_all()
    after = _sums(scene.campaign).totals()
    assert (after["invalid"], after["posts"]) == (1, before["posts"] + 1)
    pending = scene.posts["pending"].affiliate_reports.get().claimed_views  # looked at meanwhile
    assert after["claimed_views"] == before["claimed_views"]
    assert after["unjudged_views"] == before["unjudged_views"] - pending


def test_each_word_counts_its_posts(scene):
    counts = _words(_sums(scene.campaign))
    assert counts == {
        "matched": 1,
        "low": 1,
        "medium": 1,
        "high": 1,
        "too_early": 1,
        "unverifiable": 2,  # Reddit counts no views, and nobody counts clicks yet
        "post_missing": 1,
        "pending": 1,
    }
    states = PostState.objects.filter(campaign=scene.campaign)
    assert _words(states) == counts


def test_money_at_risk_equals_plain_sql(scene):
    rows = [(row["currency"], row["amount"], row["posts"]) for row in _sums(scene.campaign).money_at_risk()]
    select, rest = "v.currency, sum(v.money_at_risk), count(*)", "AND v.status = 'DISCREPANCY' GROUP BY 1 ORDER BY 1"
    assert rows == _sql(select, scene.campaign, rest)
    high = ReconciliationLog.objects.get(discrepancy_level="HIGH", status="DISCREPANCY")
    assert high.money_at_risk == Decimal(high.views_discrepancy) / 1000 * 10


def test_currencies_never_meet_in_one_sum(scene, claim, world_post, drain_all):
    euros = CampaignFactory(advertiser=scene.advertiser, currency="EUR")
    claim(scene.mila, euros, world_post("x", 1), 10_000_000)
    drain_all()
    both = DayRollUp.objects.filter(campaign__in=[scene.campaign, euros])
    assert {row["currency"]: row["amount"] for row in both.money_at_risk()} == {
        "EUR": _sums(euros).money_at_risk()[0]["amount"],
        "USD": _sums(scene.campaign).money_at_risk()[0]["amount"],
    }


def test_days_are_those_of_the_advertiser(scene):
    rows = list(_sums(scene.campaign).totals_by_claim_day(60))
    assert [str(row["day"]) for row in rows] == ["2026-11-20"]
    claimed, verified = rows[0]["claimed"], rows[0]["verified"]
    totals = _sums(scene.campaign).totals()
    assert (claimed, verified) == (totals["claimed_views"] - totals["unjudged_views"], totals["verified_views"])
    scene.advertiser.time_zone = "Pacific/Auckland"
    scene.advertiser.save()
    moved = list(_sums(scene.campaign).totals_by_claim_day(60))
    assert moved == [rows[0] | {"day": rows[0]["day"] + timedelta(days=1)}]


def test_sums_by_campaign_are_the_sums_of_each(scene):
    empty = CampaignFactory(advertiser=scene.advertiser)
    by_campaign = DayRollUp.objects.filter(campaign__in=[scene.campaign, empty]).totals_by_campaign()
    assert by_campaign == {scene.campaign.pk: _sums(scene.campaign).totals()}
    assert _sums(empty).totals()["claimed_views"] is None


def test_a_displaced_post_no_longer_counts(scene):
    before = _sums(scene.campaign).totals()
    post = scene.posts["high"]
    post.displaced_at = post.created_at
    post.save()
    assert _sums(scene.campaign).totals()["posts"] == before["posts"] - 1
