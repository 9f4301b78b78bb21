"""Replaying: verdicts are derived anew from the snapshots that are stored, and nobody is asked.

Each verdict that stands is judged again, by its own snapshot and its own version of the rules, as the look that it was;
what would come out otherwise today (because a campaign's terms or the program changed) is reported and stays as it is.
A claim that is open although its look's snapshot is there is given its verdict.
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
from reconciliation.comparison import Denial, Status
from reconciliation.models import AffiliateReport, RuleSet
from reconciliation.services import examining
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
    posts = found.lock_posts(post_ids)
    verdicts, differences = _differences(posts)
    if written := _write_missing(post_ids):
        still_open = AffiliateReport.objects.open().filter(post=OuterRef("pk"))
        Post.objects.filter(~Exists(still_open), pk__in=post_ids, is_reconciled=False).update(is_reconciled=True)
    return Replayed(len(post_ids), verdicts, written, differences)


_SNAPSHOT = """
    snapshot.id, snapshot.post_id, snapshot.connection_id, snapshot.fetched_at, snapshot.request_id,
    snapshot.posted_at, snapshot.availability, snapshot.deleted, snapshot.denial, snapshot.views, snapshot.likes,
    snapshot.comments, snapshot.shares, snapshot.clicks, snapshot.conversions, snapshot.link_posts
"""


def _snapshot(row: Sequence[object]) -> Snapshot:
    snapshot = Snapshot(*row)  # type: ignore[arg-type]
    snapshot.availability = Availability(snapshot.availability) if snapshot.availability else None
    snapshot.denial = Denial(snapshot.denial) if snapshot.denial else None
    return snapshot


def _differences(posts: Mapping[UUID, FoundPost]) -> tuple[int, list[Difference]]:
    """How many verdicts these posts have, and those that would come out otherwise."""
    rows = read_rows(
        f"""
        SELECT {_SNAPSHOT},
            claim.id, claim.post_id, claim.claimed_views, claim.claimed_clicks, claim.claimed_conversions,
            claim.claimed_at, claim.submission_method, claim.request_id,
            array_agg(verdict.status) OVER earlier,
            CASE WHEN claim.claimed_conversions IS NOT NULL AND post.tracking_link_id IS NOT NULL THEN (
                SELECT count(*) FROM campaigns_conversion conversion
                WHERE conversion.link_id = post.tracking_link_id AND conversion.reversed_at > claim.claimed_at
                    AND conversion.reversed_at <= snapshot.fetched_at AND received_at <= snapshot.fetched_at
            ) ELSE 0 END,
            verdict.id, verdict.ruleset_id, verdict.status, verdict.discrepancy_level, verdict.confidence,
            verdict.explanation, verdict.trust_effect, verdict.next_look_at, verdict.money_at_risk
        FROM reconciliation_reconciliationlog verdict
        JOIN reconciliation_affiliatereport claim ON claim.id = verdict.affiliate_report_id
        JOIN reconciliation_platformreport snapshot ON snapshot.id = verdict.platform_report_id
        JOIN campaigns_post post ON post.id = verdict.post_id
        WHERE verdict.post_id = ANY(%s::uuid[])
        WINDOW earlier AS (
            PARTITION BY verdict.affiliate_report_id ORDER BY verdict.processed_at, verdict.id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
        """,
        [array(posts)],
    )
    rulesets = RuleSet.objects.filter(pk__in={row[-8] for row in rows})
    terms = {ruleset.pk: found.terms_of(posts, ruleset) for ruleset in rulesets}
    differences = []
    for row in rows:
        snapshot, claimed = _snapshot(row[:16]), row[16:24]
        earlier, taken_back, verdict_id, ruleset_id, *stands = row[24:]
        claim = OpenClaim._make((*claimed, tuple(Status(status) for status in earlier or ()), None, None))
        post = posts[claim.post_id]
        verdict = judging.verdict_on(claim, snapshot, post, terms[ruleset_id], reversed_since=taken_back)
        would_be: dict[str, object] = {
            "status": verdict.status,
            "discrepancy_level": verdict.level,
            "confidence": verdict.confidence,
            "explanation": verdict.explanation,
            "trust_effect": verdict.trust_effect,
            "next_look_at": verdict.next_look_at,
            "money_at_risk": judging.money_at_risk(verdict, post.rates),
        }
        pairs = dict(zip(would_be, zip(stands, would_be.values(), strict=True), strict=True))
        changed: dict[str, tuple[object, object]] = {
            name: (before, now) for name, (before, now) in pairs.items() if before != now
        }
        if changed:
            differences.append(Difference(verdict_id, changed))
    return len(rows), differences


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
