"""Trust scores: always a recount of the recorded outcomes, so that counting twice changes nothing.

Posts that turned out to be one content count as one.
"""

from collections.abc import Iterable
from uuid import UUID

from django.db import connection

from config import clock
from reconciliation.models import TrustScore
from reconciliation.trust import score


def recount(affiliate_ids: Iterable[UUID]) -> None:
    """Bring these affiliates' scores up to date with their trust events, in the caller's transaction.

    The score rows are locked first, in one order, so that of two that settle at once the later one counts both.
    """
    ids = sorted(set(affiliate_ids))
    if not ids:
        return
    TrustScore.objects.bulk_create([TrustScore(affiliate_id=pk) for pk in ids], ignore_conflicts=True)
    list(TrustScore.objects.select_for_update().filter(pk__in=ids).order_by("pk").values_list("pk"))
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
        rows = [(pk, *counts.get(pk, (0, 0))) for pk in ids]
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
                ids,
                [score(accurate=accurate, total=total) for _, total, accurate in rows],
                [total for _, total, _ in rows],
                [accurate for _, _, accurate in rows],
            ],
        )
