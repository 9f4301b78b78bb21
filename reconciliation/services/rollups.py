"""Roll-ups: folding what statements added, and holding all of it against a full recount."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from config.locks import try_turn
from reconciliation.models import AffiliateRollUp, DayRollUp
from reconciliation.sums import MEASURES

WORTH_FOLDING = 1_000
"""Fewer increments than these cost readers less than folding them would cost."""
FOLDED_AT_ONCE = 5_000
"""Increments that one statement folds."""
STATEMENTS_A_CALL = 20


def compact() -> int:
    """Fold the increments of each roll-up, where there are enough of them, into a row a key; returns how many.

    One at a time: whoever comes while another is at it leaves it to them. What is left over waits for the next call.
    """
    return sum(_compact(table) for table in (DayRollUp, AffiliateRollUp))


def _compact(table: type[DayRollUp] | type[AffiliateRollUp]) -> int:
    total = 0
    for _ in range(STATEMENTS_A_CALL):
        if table.objects.filter(is_folded=False)[:WORTH_FOLDING].count() < WORTH_FOLDING:
            break
        with transaction.atomic():
            folded = table.objects.fold(FOLDED_AT_ONCE) if try_turn("compact roll-ups") else 0
        total += folded
        if not folded:
            break
    return total


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a table does not say what the claims and verdicts do: the row's key, and both by column; None: no row."""

    table: str
    key: Mapping[str, object]
    found: Mapping[str, object] | None
    expected: Mapping[str, object] | None


def differences(limit: int = 100) -> list[Difference]:
    """Rows that differ from a full recount, of what `PostState` copies and of the roll-ups: so many of a table at most.

    Reads every current claim and verdict. Each table is read as it is at one moment: those who write meanwhile make no
    difference.
    """
    sums = ", ".join(f"sum({column}) AS {column}" for column in MEASURES)
    found = _differing(
        "reconciliation_poststate", ("post_id",), f"SELECT post_id, {_COPIED} FROM reconciliation_poststate", limit
    )
    for table in (DayRollUp, AffiliateRollUp):
        name, key = table._meta.db_table, table.objects.all().key
        columns = ", ".join(key)
        rows = f"SELECT {columns}, {sums} FROM {name} GROUP BY {columns} HAVING sum(post_count) <> 0"
        found += _differing(name, key, rows, limit, counted=_COUNTED)
    return found


def _differing(table: str, key: Sequence[str], rows: str, limit: int, *, counted: str = "") -> list[Difference]:
    columns = ", ".join(key)
    expected = f"SELECT {columns}, {_COPIED} FROM fact"
    if counted:
        expected = f"SELECT {columns}, {counted} FROM fact WHERE is_standing GROUP BY {columns}"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH fact AS ({_FACTS}), found AS ({rows}), expected AS ({expected})
            SELECT to_jsonb(found), to_jsonb(expected) FROM found FULL JOIN expected USING ({columns})
            WHERE to_jsonb(found) IS DISTINCT FROM to_jsonb(expected)
            LIMIT %s
            """,
            [limit],
        )
        pairs = [[side and json.loads(side) for side in pair] for pair in cursor.fetchall()]
    return [
        Difference(table, {name: (found or wanted)[name] for name in key}, found, wanted) for found, wanted in pairs
    ]


_COPIED = """
    campaign_id, platform_id, affiliate_id, is_standing, claimed_at, claimed_on, claimed_views, verdict, override_id,
    views_discrepancy, views_diff_pct, money_at_risk, currency
"""
_COUNTED = """
    count(*) AS post_count, count(possible) AS claiming_count, count(over_claimed) AS compared_count,
    coalesce(sum(possible), 0) AS claimed_sum, coalesce(sum(possible - over_claimed), 0) AS verified_sum,
    coalesce(sum(over_claimed), 0) AS over_claimed_sum, coalesce(sum(money_at_risk), 0) AS money_sum
"""
_FACTS = """
    SELECT state.post_id, post.campaign_id, post.platform_id, post.affiliate_id,
        post.displaced_at IS NULL AND post.merged_into_id IS NULL AS is_standing,
        claim.claimed_at, moment.day AS claimed_on, moment.day,
        CASE WHEN claim.is_gone THEN NULL ELSE claim.claimed_views END AS claimed_views,
        CASE WHEN claim.is_gone THEN 'withdrawn'
            ELSE lower(coalesce(nullif(verdict.status, 'DISCREPANCY'), verdict.discrepancy_level, 'pending'))
        END AS verdict,
        verdict.override_id, verdict.views_discrepancy, verdict.views_diff_pct, verdict.money_at_risk,
        CASE WHEN verdict.money_at_risk IS NULL THEN '' ELSE verdict.currency END AS currency,
        CASE WHEN verdict.status = 'INVALID_CLAIM' OR claim.is_gone THEN NULL ELSE claim.claimed_views END AS possible,
        CASE WHEN verdict.status IN ('MATCHED', 'DISCREPANCY') AND verdict.views_discrepancy IS NOT NULL
            THEN greatest(verdict.views_discrepancy, 0) END AS over_claimed
    FROM reconciliation_poststate AS state
        JOIN campaigns_post AS post ON post.id = state.post_id
        JOIN campaigns_campaign AS campaign ON campaign.id = post.campaign_id
        JOIN campaigns_advertiser AS advertiser ON advertiser.id = campaign.advertiser_id
        JOIN (
            SELECT made.*, gone.is_unseen IS TRUE AS is_gone FROM reconciliation_affiliatereport AS made
                LEFT JOIN reconciliation_claimwithdrawal AS gone ON gone.claim_id = made.id
        ) AS claim ON claim.id = state.current_claim_id
        LEFT JOIN (
            SELECT said.id, decided.id AS override_id, said.currency,
                CASE WHEN decided.id IS NULL THEN said.status ELSE decided.status END AS status,
                CASE WHEN decided.id IS NULL THEN said.discrepancy_level ELSE decided.discrepancy_level END
                    AS discrepancy_level,
                CASE WHEN decided.id IS NULL THEN said.views_discrepancy ELSE decided.views_discrepancy END
                    AS views_discrepancy,
                CASE WHEN decided.id IS NULL THEN said.views_diff_pct ELSE decided.views_diff_pct END AS views_diff_pct,
                CASE WHEN decided.id IS NULL THEN said.money_at_risk ELSE decided.money_at_risk END AS money_at_risk
            FROM reconciliation_reconciliationlog AS said
                LEFT JOIN (
                    SELECT DISTINCT ON (verdict_id) * FROM reconciliation_override ORDER BY verdict_id, number DESC
                ) AS decided ON decided.verdict_id = said.id
        ) AS verdict ON verdict.id = state.current_verdict_id,
        LATERAL (SELECT (claim.claimed_at AT TIME ZONE advertiser.time_zone)::date AS day) AS moment
"""
"""What the posts, claims and verdicts say, told anew: whatever keeps the tables up to date is not asked."""
