"""Replaying: verdicts are derived anew from the snapshots that are stored, and nobody is asked.

Each verdict that stands is judged again from its receipt: by its own snapshot, its own rules and what else
held then, as the look that it was. What would come out otherwise today, because the program changed, is reported and
stays as it is. A claim that is open although its look's snapshot is there is given its verdict.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef

from campaigns.models import Post
from campaigns.querysets import PostQuerySet
from config.bulk import array, read_rows
from platforms.metrics import Availability
from reconciliation.comparison import Denial
from reconciliation.models import AffiliateReport
from reconciliation.receipts import differences, is_derivable
from reconciliation.services import examining
from reconciliation.services.recorded import Recording
from reconciliation.services.settling import found, judging, write_verdicts
from reconciliation.services.settling.found import FoundPost, OpenClaim
from reconciliation.services.settling.judging import Look, Snapshot

PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Difference:
    """A verdict that would come out otherwise today: by field, as it stands and as it would be."""

    verdict_id: UUID
    fields: dict[str, tuple[object, object]]


@dataclass(slots=True)
class Replayed:
    """What some posts came to: verdicts judged again, the different ones among them, and missing ones written."""

    posts: int = 0
    verdicts: int = 0
    written: int = 0
    differences: list[Difference] = field(default_factory=list)


def replay(*, posts: PostQuerySet) -> Iterator[Replayed]:
    """Replay these posts, a page of them at a time: each page is a transaction, and what it yields is committed."""
    after: UUID | None = None
    while page := list(
        (posts.filter(pk__gt=after) if after else posts).order_by("pk").values_list("pk", flat=True)[:PAGE]
    ):
        yield _replay_page(page)
        after = page[-1]


@transaction.atomic
def _replay_page(post_ids: Sequence[UUID]) -> Replayed:
    verdicts, changed = _differences(post_ids)
    if written := _write_missing(post_ids):
        still_open = AffiliateReport.objects.open().filter(post=OuterRef("pk"))
        Post.objects.filter(~Exists(still_open), pk__in=post_ids, is_reconciled=False).update(is_reconciled=True)
    return Replayed(len(post_ids), verdicts, written, changed)


_SNAPSHOT = """
    snapshot.id, snapshot.post_id, snapshot.connection_id, snapshot.fetched_at, snapshot.request_id,
    snapshot.posted_at, snapshot.availability, snapshot.deleted, snapshot.denial, snapshot.views, snapshot.likes,
    snapshot.comments, snapshot.shares, snapshot.clicks, snapshot.conversions, snapshot.link_posts,
    snapshot.followers, snapshot.disclosed
"""


def _snapshot(row: Sequence[object]) -> Snapshot:
    *told, followers, disclosed = row
    snapshot = Snapshot(*told)  # type: ignore[arg-type]
    snapshot.followers, snapshot.disclosed = followers, disclosed  # type: ignore[assignment]
    snapshot.availability = Availability(snapshot.availability) if snapshot.availability else None
    snapshot.denial = Denial(snapshot.denial) if snapshot.denial else None
    return snapshot


def _differences(post_ids: Sequence[UUID]) -> tuple[int, list[Difference]]:
    """How many verdicts these posts have that can be judged again, and those that would come out otherwise."""
    found = [each for each in Recording().of_posts(post_ids) if is_derivable(each)]
    changed = [(UUID(each["outcome"]["id"]), differences(each)) for each in found]
    return len(found), [Difference(verdict_id, fields) for verdict_id, fields in changed if fields]


def _write_missing(post_ids: Sequence[UUID]) -> int:
    """Judge the open claims whose look's snapshot is stored, of each post the oldest first. Returns how many verdicts
    were written."""
    written = 0
    while True:
        posts = found.lock_posts(post_ids)
        claims = {claim.id: claim for theirs in found.open_claims(post_ids).values() for claim in theirs}
        looks: dict[UUID, Look] = {}
        for claim_id, snapshot in _snapshots_of(claims):
            claim = claims[claim_id]
            looks.setdefault(claim.post_id, _look(posts[claim.post_id], claim, snapshot))
        if not looks:
            return written
        terms = found.terms_of(posts)
        for look in looks.values():
            as_of = look.snapshot.fetched_at
            taken_back = found.reversed_since(posts, {look.post.id: look.claims}, as_of=as_of)
            judging.judge_claims(look, terms, taken_back, examining.impossible([look], terms.ruleset))
        write_verdicts(list(looks.values()), terms)
        written += len(looks)


def _snapshots_of(claims: Mapping[UUID, OpenClaim]) -> list[tuple[UUID, Snapshot]]:
    """The stored snapshot that each of these claims is to be judged by, where there is one; the oldest claim first."""
    rows = read_rows(
        f"""
        SELECT open.claim, {_SNAPSHOT}
        FROM unnest(%s::uuid[], %s::uuid[], %s::timestamptz[], %s::boolean[])
            AS open (claim, post, look_due_at, claims_views)
        CROSS JOIN LATERAL (
            SELECT * FROM reconciliation_platformreport
            WHERE post_id = open.post AND fetched_at >= open.look_due_at
                AND (availability IS NOT NULL OR NOT open.claims_views)
            ORDER BY fetched_at LIMIT 1
        ) snapshot
        JOIN reconciliation_affiliatereport claim ON claim.id = open.claim
        ORDER BY claim.claimed_at, claim.id
        """,
        [
            array(claims),
            array(claim.post_id for claim in claims.values()),
            array(claim.look_due_at or claim.claimed_at for claim in claims.values()),
            array(claim.views is not None for claim in claims.values()),
        ],
    )
    return [(row[0], _snapshot(row[1:])) for row in rows]


def _look(post: FoundPost, claim: OpenClaim, snapshot: Snapshot) -> Look:
    return Look(
        post,
        [claim],
        snapshot,
        reading=None,
        asks_platform=False,
        rearmed=False,
        api_id=post.api_id,
        author_id=post.author_id,
        ownership=post.ownership,
    )
