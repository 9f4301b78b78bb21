"""What is known of a batch of looks when it is settled: each question one statement, whatever the batch's size."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from campaigns.rates import Rates
from campaigns.tracking import totals
from campaigns.tracking.totals import Tracked
from config.bulk import array, read_rows
from platforms.metrics import Lag
from platforms.models import Platform
from reconciliation.comparison import Rules, Status
from reconciliation.models import RuleSet
from reconciliation.receipts import lags_text
from reconciliation.services import rulesets


class LockedJob(NamedTuple):
    """A job of the batch whose lease still holds. Nobody else changes it until the transaction ends."""

    id: UUID
    post_id: UUID
    connection_id: UUID | None
    due_at: datetime
    request_id: str


class Figures(NamedTuple):
    """What a snapshot says, as far as the next one may say something else."""

    availability: str | None
    deleted: bool
    denial: str | None
    views: int | None
    likes: int | None
    comments: int | None
    shares: int | None
    clicks: int | None
    conversions: int | None


class FoundPost(NamedTuple):
    """A post with its campaign's terms and how it stands. Its state is locked too."""

    id: UUID
    external_id: str
    api_id: str | None
    author_id: str
    ownership: str
    posted_at: datetime | None
    is_reconciled: bool
    tracking_link_id: UUID | None
    merged_into_id: UUID | None
    affiliate_id: UUID
    campaign_id: UUID
    platform_id: UUID
    livemode: bool
    currency: str
    requires_proof: bool
    conversion_lag_h: int
    rate_per_1000_views: Decimal | None
    rate_per_click: Decimal | None
    rate_per_conversion: Decimal | None
    current_claim_id: UUID
    current_verdict_id: UUID | None
    counted_verdict_id: UUID | None
    counted_claimed_at: datetime | None
    counted_claim_id: UUID | None
    latest_snapshot_id: UUID | None
    last_fetched_at: datetime | None
    seen_live_at: datetime | None
    is_identified: bool
    is_standing: bool
    """And with a claim that was not withdrawn unseen."""
    claimed_at: datetime
    claimed_views: int | None
    claimed_clicks: int | None
    claimed_conversions: int | None
    latest: Figures | None

    @property
    def content_id(self) -> UUID:
        """The post that stands for its content."""
        return self.merged_into_id or self.id

    @property
    def rates(self) -> Rates:
        """The campaign's prices on this platform."""
        return Rates(self.rate_per_1000_views, self.rate_per_click, self.rate_per_conversion)


class OpenClaim(NamedTuple):
    """A claim without its counted verdict, and what its earlier looks came to, oldest first."""

    id: UUID
    post_id: UUID
    views: int | None
    clicks: int | None
    conversions: int | None
    claimed_at: datetime
    method: str
    request_id: str
    previous: tuple[Status, ...]
    look_due_at: datetime | None
    """When the last of those looks asked for another one."""
    last_denial: str | None


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all of a batch: rules and lags, by campaign and platform."""

    ruleset: RuleSet
    rules: Mapping[tuple[UUID, UUID], Rules]
    lags: Mapping[tuple[UUID, UUID], Mapping[str, Lag]]
    lags_texts: Mapping[tuple[UUID, UUID], str]
    """The same, as they are kept with verdicts."""
    slugs: Mapping[UUID, str]


def lock_jobs(*, lease: UUID, job_ids: Sequence[UUID]) -> list[LockedJob]:
    """Those of these jobs that this lease still holds, locked in the order of their posts, as all take several."""
    rows = read_rows(
        """
        SELECT id, post_id, connection_id, due_at, request_id FROM reconciliation_job
        WHERE id = ANY(%s::uuid[]) AND lease = %s AND state = 'leased'
        ORDER BY post_id FOR UPDATE
        """,
        [array(job_ids), lease],
    )
    return [LockedJob._make(row) for row in rows]


def lock_posts(post_ids: Sequence[UUID]) -> dict[UUID, FoundPost]:
    """The posts by their ids, their states locked.

    Read once all of them are locked: what a statement that waited for a lock finds beside it is as old as its start,
    and the post may have been merged since.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM reconciliation_poststate WHERE post_id = ANY(%s::uuid[]) ORDER BY post_id FOR UPDATE",
            [array(post_ids)],
        )
    rows = read_rows(
        """
        SELECT post.id, post.external_id, post.api_id, post.author_id, post.ownership, post.posted_at,
            post.is_reconciled, post.tracking_link_id, post.merged_into_id, post.affiliate_id, post.campaign_id,
            post.platform_id,
            campaign.livemode, campaign.currency, campaign.requires_proof, campaign.conversion_lag_h,
            rates.rate_per_1000_views, rates.rate_per_click, rates.rate_per_conversion,
            state.current_claim_id, state.current_verdict_id, state.counted_verdict_id,
            counted_claim.claimed_at, counted_claim.id, state.latest_snapshot_id, state.last_fetched_at,
            state.seen_live_at, post.is_identified, state.is_standing AND state.verdict <> 'withdrawn',
            claim.claimed_at, claim.claimed_views, claim.claimed_clicks, claim.claimed_conversions,
            latest.availability, latest.deleted, latest.denial, latest.views, latest.likes, latest.comments,
            latest.shares, latest.clicks, latest.conversions
        FROM reconciliation_poststate state
        JOIN campaigns_post post ON post.id = state.post_id
        JOIN reconciliation_affiliatereport claim ON claim.id = state.current_claim_id
        JOIN campaigns_campaign campaign ON campaign.id = post.campaign_id
        LEFT JOIN campaigns_campaignplatform rates
            ON rates.campaign_id = post.campaign_id AND rates.platform_id = post.platform_id
        LEFT JOIN reconciliation_reconciliationlog counted ON counted.id = state.counted_verdict_id
        LEFT JOIN reconciliation_affiliatereport counted_claim ON counted_claim.id = counted.affiliate_report_id
        LEFT JOIN reconciliation_platformreport latest ON latest.id = state.latest_snapshot_id
        WHERE state.post_id = ANY(%s::uuid[])
        """,
        [array(post_ids)],
    )
    return {row[0]: FoundPost._make((*row[:33], Figures._make(row[33:]) if row[24] else None)) for row in rows}


def open_claims(post_ids: Sequence[UUID]) -> dict[UUID, list[OpenClaim]]:
    """The claims of these posts that are not judged for good, and are to be, oldest first.

    Those that came while the platform was asked are among them: submitting waits for the job's row, which is locked.
    """
    claims: dict[UUID, list[OpenClaim]] = defaultdict(list)
    rows = read_rows(
        """
        SELECT claim.id, claim.post_id, claim.claimed_views, claim.claimed_clicks, claim.claimed_conversions,
            claim.claimed_at, claim.submission_method, claim.request_id, earlier.statuses, earlier.next_look_at,
            earlier.denials[array_upper(earlier.denials, 1)]
        FROM reconciliation_affiliatereport claim
        LEFT JOIN LATERAL (
            SELECT array_agg(verdict.status ORDER BY verdict.processed_at, verdict.id) AS statuses,
                array_agg(snapshot.denial ORDER BY verdict.processed_at, verdict.id) AS denials,
                max(verdict.next_look_at) AS next_look_at,
                bool_or(verdict.next_look_at IS NULL) AS is_counted
            FROM reconciliation_reconciliationlog verdict
            JOIN reconciliation_platformreport snapshot ON snapshot.id = verdict.platform_report_id
            WHERE verdict.affiliate_report_id = claim.id
        ) earlier ON true
        WHERE claim.post_id = ANY(%s::uuid[]) AND earlier.is_counted IS NOT TRUE AND NOT EXISTS (
            SELECT FROM reconciliation_claimwithdrawal gone WHERE gone.claim_id = claim.id AND gone.is_unseen
        )
        ORDER BY claim.claimed_at, claim.id
        """,
        [array(post_ids)],
    )
    for row in rows:
        previous = tuple(Status(status) for status in row[8]) if row[8] else ()
        claims[row[1]].append(OpenClaim._make((*row[:8], previous, *row[9:])))
    return claims


def terms_of(posts: Mapping[UUID, FoundPost], ruleset: RuleSet | None = None) -> Terms:
    """The rules for these posts, by the version that holds now or another one, and how long each figure's source may
    lag."""
    ruleset = ruleset or rulesets.current()
    matrix = rulesets.matrix_of(ruleset)
    platforms = Platform.objects.in_bulk({post.platform_id for post in posts.values()})
    slugs = {pk: platform.slug for pk, platform in platforms.items()}
    lag_h = {(post.campaign_id, post.platform_id): post.conversion_lag_h for post in posts.values()}
    rules = {key: matrix.rules_for(str(key[0]), slugs[key[1]], ruleset.version) for key in lag_h}
    lags = {
        key: platforms[key[1]].lags(views_lag_h=rules[key].views_lag_h, conversion_lag_h=hours)
        for key, hours in lag_h.items()
    }
    return Terms(ruleset, rules, lags, {key: lags_text(each) for key, each in lags.items()}, slugs)


def tracked(posts: Mapping[UUID, FoundPost], *, as_of: datetime) -> dict[UUID, Tracked]:
    """What our own tracking had counted at that moment, by link, for posts that have one."""
    links = {post.tracking_link_id for post in posts.values() if post.tracking_link_id}
    return totals.tracked(links, as_of=as_of) if links else {}


def reversed_since(
    posts: Mapping[UUID, FoundPost], claims: Mapping[UUID, Sequence[OpenClaim]], *, as_of: datetime
) -> Mapping[tuple[UUID, datetime], int]:
    """How many conversions of a link were taken back between a claim and that moment."""
    asked = [
        (link, claim.claimed_at)
        for post_id, theirs in claims.items()
        if (link := posts[post_id].tracking_link_id)
        for claim in theirs
        if claim.conversions is not None
    ]
    return totals.reversed_since(asked, as_of=as_of)
