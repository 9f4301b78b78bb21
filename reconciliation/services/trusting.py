"""Trust scores: at any moment what a recount of the recorded outcomes would give.

Posts that turned out to be one content count as one. Whoever changes a score locks its row first, in one order, and
reads the outcomes after that: of two that settle at once the later one sees what the first one added.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from config import clock
from config.bulk import array, read_rows
from reconciliation.trust import Outcome, accuracy, score


class NewEvent(NamedTuple):
    """A trust event that has just been written, as far as it says what it is about."""

    affiliate_id: UUID
    content_id: UUID
    """The post, or the one that it was merged into."""
    day: date
    claim_id: UUID


def count_in(events: Sequence[NewEvent]) -> None:
    """Bring scores up to date with trust events that the caller's transaction has just written.

    Only the posts and days that the events are about are looked at, so it costs the same however long a history is.
    """
    before = _locked(event.affiliate_id for event in events)
    new = {event.claim_id for event in events}
    outcomes: dict[UUID, list[Outcome]] = defaultdict(list)
    for affiliate_id, outcome in _outcomes(events):
        outcomes[affiliate_id].append(outcome)
    counts = {}
    for affiliate_id, theirs in outcomes.items():
        now, then = accuracy(theirs), accuracy(each for each in theirs if each.claim_id not in new)
        total, accurate = before[affiliate_id]
        counts[affiliate_id] = (total + now.total - then.total, accurate + now.accurate - then.accurate)
    _save(counts)


def _outcomes(events: Sequence[NewEvent]) -> Iterator[tuple[UUID, Outcome]]:
    """All outcomes of the contents and days that these events are about, each with its affiliate."""
    contents = {event.content_id for event in events}
    touched = {(event.content_id, event.day) for event in events}
    rows = read_rows(
        """
        SELECT event.affiliate_id, COALESCE(post.merged_into_id, post.id), event.day, event.claimed_at,
            event.claim_id, event.effect
        FROM reconciliation_trustevent event JOIN campaigns_post post ON post.id = event.post_id
        WHERE event.post_id = ANY(ARRAY(
            SELECT id FROM campaigns_post
            WHERE id = ANY(%(contents)s::uuid[]) OR merged_into_id = ANY(%(contents)s::uuid[])
        )) AND event.day = ANY(%(days)s::date[])
        """,
        {"contents": array(contents), "days": array({day for _, day in touched})},
    )
    for affiliate_id, *outcome in rows:
        if (outcome[0], outcome[1]) in touched:
            yield affiliate_id, Outcome(*outcome)


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
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO reconciliation_trustscore AS row
                (affiliate_id, trust_score, total_submissions, accurate_submissions, updated_at)
            SELECT id, 1, 0, 0, %s FROM unnest(%s::uuid[]) AS new (id) ORDER BY id
            ON CONFLICT (affiliate_id) DO UPDATE SET updated_at = row.updated_at
            RETURNING affiliate_id, total_submissions, accurate_submissions
            """,
            [clock.now(), array(set(affiliate_ids))],
        )
        return {pk: (total, accurate) for pk, total, accurate in cursor.fetchall()}


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
