"""Trust scores: at any moment what a recount of the recorded outcomes would give, by the policy that holds.

Posts that turned out to be one content count as one. Whoever changes a score locks its row first, in one order, and
reads the outcomes after that: of two that settle at once the later one sees what the first one added.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from config import clock
from config.bulk import array, read_rows
from reconciliation.models import ReconciliationLog, TrustEvent
from reconciliation.trust import KINDS, Counts, Kind, Outcome, Policy, kind_of, parse_trust, tally

_COLUMNS = [kind.lower() for kind in KINDS]
_RESCORED_AT_ONCE = 10_000

Change = Mapping[tuple[UUID | str, Kind], int]
"""How many post-days more or less, by platform and kind."""


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
    policy, before = _locked(event.affiliate_id for event in events)
    new = {event.claim_id for event in events}
    outcomes: dict[UUID, list[Outcome]] = defaultdict(list)
    for affiliate_id, outcome in _outcomes(events):
        outcomes[affiliate_id].append(outcome)
    changes = {}
    for affiliate_id, theirs in outcomes.items():
        changes[affiliate_id] = tally(theirs)
        changes[affiliate_id].subtract(tally(each for each in theirs if each.claim_id not in new))
    _add(policy, before, changes)


def _outcomes(events: Sequence[NewEvent]) -> Iterator[tuple[UUID, Outcome]]:
    """All outcomes of the contents and days that these events are about, each with its affiliate."""
    contents = {event.content_id for event in events}
    touched = {(event.content_id, event.day) for event in events}
    rows = read_rows(
        """
        SELECT event.affiliate_id, COALESCE(post.merged_into_id, post.id), event.platform_id, event.day,
            event.claimed_at, event.claim_id, event.number, event.kind
        FROM reconciliation_trustevent event JOIN campaigns_post post ON post.id = event.post_id
        WHERE event.post_id = ANY(ARRAY(
            SELECT id FROM campaigns_post
            WHERE id = ANY(%(contents)s::uuid[]) OR merged_into_id = ANY(%(contents)s::uuid[])
        )) AND event.day = ANY(%(days)s::date[])
        """,
        {"contents": array(contents), "days": array({day for _, day in touched})},
    )
    for row in rows:
        outcome = Outcome._make((*row[1:-1], Kind(row[-1])))
        if (outcome.post_id, outcome.day) in touched:
            yield row[0], outcome


def count_decision(*, verdict: ReconciliationLog, status: str, level: str | None, effect: str) -> None:
    """Let what was decided in the place of a counted verdict count for trust instead of it, as if it had been so from
    the start. In the caller's transaction; what was claimed in test mode has no effect either way.
    """
    events = TrustEvent.objects.filter(verdict=verdict).order_by("number")
    own = events.first()
    if own is None:
        return
    _locked([own.affiliate_id])
    TrustEvent.objects.create(
        verdict=verdict,
        number=events.count(),
        affiliate_id=own.affiliate_id,
        post_id=own.post_id,
        platform_id=own.platform_id,
        day=own.day,
        claimed_at=own.claimed_at,
        claim_id=own.claim_id,
        effect=effect,
        kind=kind_of(status, level, effect),
    )
    recount([own.affiliate_id])


def recount(affiliate_ids: Iterable[UUID]) -> None:
    """Bring these affiliates' scores up to date with all of their trust events, in the caller's transaction."""
    policy, before = _locked(affiliate_ids)
    counts: dict[UUID, Counter[tuple[UUID | str, Kind]]] = {pk: Counter() for pk in before}
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM reconciliation_platformtrust WHERE trust_id = ANY(%s)", [list(before)])
        cursor.execute(
            """
            SELECT affiliate_id, platform_id, kind, count(*)
            FROM (
                SELECT DISTINCT ON (event.affiliate_id, content, day)
                    event.affiliate_id, event.platform_id, event.kind
                FROM reconciliation_trustevent event
                JOIN campaigns_post post ON post.id = event.post_id,
                LATERAL (SELECT COALESCE(post.merged_into_id, post.id) AS content) AS standing
                WHERE event.affiliate_id = ANY(%s)
                ORDER BY event.affiliate_id, content, day, claimed_at DESC, claim_id DESC, number DESC
            ) AS latest
            WHERE kind <> 'NONE'
            GROUP BY affiliate_id, platform_id, kind
            """,
            [list(before)],
        )
        for affiliate_id, platform_id, kind, number in cursor.fetchall():
            counts[affiliate_id][platform_id, Kind(kind)] = number
    _add(policy, {pk: {} for pk in before}, counts)


def rescore(policy: Policy) -> None:
    """Bring all scores in line with another policy, in the caller's transaction, which is to make it the one that
    holds. Whoever counts verdicts meanwhile waits, and then goes by it.
    """
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE reconciliation_trustscore IN SHARE ROW EXCLUSIVE MODE")
    found = read_rows(f"SELECT DISTINCT {', '.join(_COLUMNS)} FROM reconciliation_trustscore", [])
    for start in range(0, len(found), _RESCORED_AT_ONCE):
        rows = found[start : start + _RESCORED_AT_ONCE]
        scores = [policy.score(dict(zip(KINDS, row, strict=True))) for row in rows]
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                UPDATE reconciliation_trustscore AS row SET trust_score = new.score, updated_at = %s
                FROM unnest(%s::numeric[], {_arrays()}) AS new (score, {", ".join(_COLUMNS)})
                WHERE ({", ".join(f"row.{name}" for name in _COLUMNS)}) = ({", ".join(f"new.{n}" for n in _COLUMNS)})
                    AND row.trust_score <> new.score
                """,
                [clock.now(), array(scores), *(array(column) for column in zip(*rows, strict=True))],
            )


def _locked(affiliate_ids: Iterable[UUID]) -> tuple[Policy, dict[UUID, Counts]]:
    """The policy that holds, and the counts of these affiliates, whose rows are locked from here on.

    Both in one statement, which waits for `rescore` before it looks at anything.
    """
    rows = read_rows(
        f"""
        INSERT INTO reconciliation_trustscore AS row (affiliate_id, trust_score, updated_at)
        SELECT id, 1, %s FROM unnest(%s::uuid[]) AS new (id) ORDER BY id
        ON CONFLICT (affiliate_id) DO UPDATE SET updated_at = row.updated_at
        RETURNING affiliate_id, (SELECT trust::text FROM reconciliation_ruleset ORDER BY version DESC LIMIT 1),
            {", ".join(_COLUMNS)}
        """,
        [clock.now(), array(set(affiliate_ids))],
    )
    policy = _policy_of(rows[0][1]) if rows else Policy()
    return policy, {pk: dict(zip(KINDS, counts, strict=True)) for pk, _, *counts in rows}


@lru_cache(maxsize=8)
def _policy_of(text: str) -> Policy:
    return parse_trust(json.loads(text))


def _add(policy: Policy, before: Mapping[UUID, Counts], changes: Mapping[UUID, Change]) -> None:
    """Add changes to the counts of affiliates whose rows are locked, overall and by platform, and write the scores."""
    if not changes:
        return
    overall, by_platform = [], []
    for affiliate_id, change in changes.items():
        platforms: dict[UUID | str, Counter[Kind]] = defaultdict(Counter)
        counts = Counter(before[affiliate_id])
        for (platform_id, kind), number in change.items():
            counts[kind] += number
            platforms[platform_id][kind] += number
        overall.append((affiliate_id, policy.score(counts), *(counts[kind] for kind in KINDS)))
        by_platform += [(affiliate_id, pk, *(each[kind] for kind in KINDS)) for pk, each in platforms.items()]
    names = ", ".join(_COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH scored AS (
                UPDATE reconciliation_trustscore AS row
                SET trust_score = new.score, updated_at = %s, {", ".join(f"{name} = new.{name}" for name in _COLUMNS)}
                FROM unnest(%s::uuid[], %s::numeric[], {_arrays()}) AS new (id, score, {names})
                WHERE row.affiliate_id = new.id
            )
            MERGE INTO reconciliation_platformtrust AS row
            USING unnest(%s::uuid[], %s::uuid[], {_arrays()}) AS new (trust_id, platform_id, {names})
            ON row.trust_id = new.trust_id AND row.platform_id = new.platform_id
            WHEN MATCHED THEN UPDATE SET {", ".join(f"{name} = row.{name} + new.{name}" for name in _COLUMNS)}
            WHEN NOT MATCHED THEN INSERT (trust_id, platform_id, {names})
                VALUES (new.trust_id, new.platform_id, {", ".join(f"new.{name}" for name in _COLUMNS)})
            """,
            [clock.now(), *_by_column(overall, 2 + len(KINDS)), *_by_column(by_platform, 2 + len(KINDS))],
        )


def _arrays() -> str:
    return ", ".join(["%s::int[]"] * len(_COLUMNS))


def _by_column(rows: Sequence[Sequence[object]], width: int) -> list[str]:
    return [array(row[n] for row in rows) for n in range(width)]
