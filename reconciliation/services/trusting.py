"""Trust scores: at any moment what a recount of the recorded outcomes would give.

Posts that turned out to be one content count as one. Whoever changes a score locks its row first, in one order, and
reads the outcomes after that: of two that settle at once the later one sees what the first one added.
"""

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from django.db import connection

from config import clock
from config.bulk import array
from reconciliation.models import TrustScore
from reconciliation.trust import score


def count_in(event_ids: Collection[UUID], *, affiliate_ids: Iterable[UUID]) -> None:
    """Bring scores up to date with trust events that the caller's transaction has just written, for these affiliates.

    Only the posts and days that the events are about are looked at, so it costs the same however long a history is.
    """
    before = _locked(affiliate_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH touched AS (
                SELECT DISTINCT event.affiliate_id, COALESCE(post.merged_into_id, post.id) AS content, event.day
                FROM reconciliation_trustevent event JOIN campaigns_post post ON post.id = event.post_id
                WHERE event.id = ANY(%(ids)s::uuid[])
            ), outcomes AS (
                SELECT touched.*, event.effect, event.claimed_at, event.claim_id,
                    event.id = ANY(%(ids)s::uuid[]) AS is_new
                FROM touched CROSS JOIN LATERAL (
                    SELECT touched.content AS id
                    UNION ALL SELECT id FROM campaigns_post WHERE merged_into_id = touched.content
                ) post
                JOIN reconciliation_trustevent event ON event.affiliate_id = touched.affiliate_id
                    AND event.post_id = post.id AND event.day = touched.day
            ), counted AS (
                SELECT DISTINCT ON (affiliate_id, content, day) affiliate_id, effect, 1 AS sign FROM outcomes
                ORDER BY affiliate_id, content, day, claimed_at DESC, claim_id DESC
            ), counted_before AS (
                SELECT DISTINCT ON (affiliate_id, content, day) affiliate_id, effect, -1 FROM outcomes WHERE NOT is_new
                ORDER BY affiliate_id, content, day, claimed_at DESC, claim_id DESC
            )
            SELECT affiliate_id, sum(sign), COALESCE(sum(sign) FILTER (WHERE effect = 'ACCURATE'), 0)
            FROM (SELECT * FROM counted UNION ALL SELECT * FROM counted_before) AS change
            WHERE effect <> 'NONE'
            GROUP BY affiliate_id
            """,
            {"ids": array(event_ids)},
        )
        changes = {row[0]: (int(row[1]), int(row[2])) for row in cursor.fetchall()}
    _save({pk: (before[pk][0] + total, before[pk][1] + accurate) for pk, (total, accurate) in changes.items()})


def recount(affiliate_ids: Iterable[UUID]) -> None:
    """Bring these affiliates' scores up to date with all of their trust events, in the caller's transaction."""
    ids = list(_locked(affiliate_ids))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT affiliate_id, count(*), count(*) FILTER (WHERE effect = 'ACCURATE')
            FROM (
                SELECT DISTINCT ON (event.affiliate_id, content, day) event.affiliate_id, effect
                FROM reconciliation_trustevent event
                JOIN campaigns_post post ON post.id = event.post_id,
                LATERAL (SELECT COALESCE(post.merged_into_id, post.id) AS content) AS standing
                WHERE event.affiliate_id = ANY(%s)
                ORDER BY event.affiliate_id, content, day, claimed_at DESC, claim_id DESC
            ) AS latest
            WHERE effect <> 'NONE'
            GROUP BY affiliate_id
            """,
            [ids],
        )
        counts = {row[0]: (row[1], row[2]) for row in cursor.fetchall()}
    _save({pk: counts.get(pk, (0, 0)) for pk in ids})


def _locked(affiliate_ids: Iterable[UUID]) -> dict[UUID, tuple[int, int]]:
    """The counts of these affiliates, all outcomes and the accurate ones, whose rows are locked from here on."""
    ids = sorted(set(affiliate_ids))
    TrustScore.objects.bulk_create([TrustScore(affiliate_id=pk) for pk in ids], ignore_conflicts=True)
    rows = TrustScore.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    return {
        pk: (total, accurate)
        for pk, total, accurate in rows.values_list("pk", "total_submissions", "accurate_submissions")
    }


def _save(counts: Mapping[UUID, tuple[int, int]]) -> None:
    if not counts:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE reconciliation_trustscore AS row
            SET trust_score = new.score, total_submissions = new.total, accurate_submissions = new.accurate,
                updated_at = %s
            FROM unnest(%s::uuid[], %s::numeric[], %s::int[], %s::int[]) AS new (id, score, total, accurate)
            WHERE row.affiliate_id = new.id
            """,
            [
                clock.now(),
                array(counts),
                array(score(accurate=accurate, total=total) for total, accurate in counts.values()),
                array(total for total, _ in counts.values()),
                array(accurate for _, accurate in counts.values()),
            ],
        )
