"""What a batch's answer comes to: snapshots, verdicts and the next looks. Nothing is read and nothing is written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from uuid import UUID

from campaigns.models import Post
from campaigns.tracking.totals import Tracked
from config import clock
from config.ids import new_id
from platforms.adapters import NOT_CONNECTED, NOT_LISTED
from platforms.metrics import Availability, Metric, PostReading, Provenance, definition_id
from platforms.models import Connection
from reconciliation.comparison import Claim, Denial, Looks, Status, Truth, Verdict, judge, money_at_risk
from reconciliation.comparison import Figures as JudgedFigures
from reconciliation.quality.undisclosed import discloses
from reconciliation.querysets import Looked, ShownClaim
from reconciliation.receipts import KeptTerms
from reconciliation.services.settling.found import Figures, FoundPost, OpenClaim, Terms

NO_POST = "no_post"
"""The code of a reading of a short link that leads to no post."""

_DENIALS = {NOT_CONNECTED: Denial.NOT_CONNECTED, NOT_LISTED: Denial.NOT_LISTED, NO_POST: Denial.NO_POST}
_PLATFORMS_OWN = (Metric.VIEWS, Metric.LIKES, Metric.COMMENTS, Metric.SHARES)


@dataclass(slots=True)
class Snapshot:
    """A platform report as it would be written."""

    id: UUID
    post_id: UUID
    connection_id: UUID | None
    fetched_at: datetime
    request_id: str
    posted_at: datetime | None = None
    availability: Availability | None = None
    deleted: bool = False
    denial: Denial | None = None
    views: int | None = None
    likes: int | None = None
    comments: int | None = None
    shares: int | None = None
    clicks: int | None = None
    conversions: int | None = None
    link_posts: int | None = None
    platforms_provenance: Provenance | None = None
    followers: int | None = None
    disclosed: bool | None = None

    @property
    def figures(self) -> Figures:
        """What it says, to be held against what an earlier one said."""
        return Figures(
            self.availability,
            self.deleted,
            self.denial,
            self.views,
            self.likes,
            self.comments,
            self.shares,
            self.clicks,
            self.conversions,
        )

    def sources(self, platform: str) -> tuple[str, str]:
        """Who said each figure, and what it meant on that day: both as JSON, by metric."""
        told = tuple(metric for metric in _PLATFORMS_OWN if getattr(self, metric.value) is not None)
        counted = tuple(m for m in (Metric.CLICKS, Metric.CONVERSIONS) if getattr(self, m.value) is not None)
        return _sources(platform, self.fetched_at.date(), self.platforms_provenance, told, counted)


@lru_cache(maxsize=1_000)
def _sources(
    platform: str, day: date, provenance: Provenance | None, told: tuple[Metric, ...], counted: tuple[Metric, ...]
) -> tuple[str, str]:
    said_by = dict.fromkeys(told, provenance) | dict.fromkeys(counted, Provenance.OWN_TRACKING)
    meant = {metric.value: definition_id(platform, metric.value, day) for metric in said_by}
    return json.dumps({metric.value: source.value for metric, source in said_by.items() if source}), json.dumps(meant)


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict as it would be written."""

    id: UUID
    claim: OpenClaim
    verdict: Verdict
    money_at_risk: Decimal | None
    terms: str
    """By what it was drawn, besides claim, snapshot and rule set, as JSON."""

    @property
    def is_counted(self) -> bool:
        """Whether this is the claim's last word."""
        return self.verdict.next_look_at is None


@dataclass(slots=True)
class Look:
    """One post's share of a batch: what was found, and what follows from it."""

    post: FoundPost
    claims: list[OpenClaim]
    snapshot: Snapshot
    reading: PostReading | None
    """None: no platform was asked, or the snapshot is one that is stored."""
    asks_platform: bool
    """Whether the next look does, should a claim stay open."""
    rearmed: bool
    """Somebody moved the look's moment on while it was taken: what it needs has changed since."""
    api_id: str | None
    author_id: str
    ownership: str
    verdicts: list[Judged] = field(default_factory=list)
    open_until: list[datetime] = field(default_factory=list)

    @property
    def is_new(self) -> bool:
        """Whether its snapshot is to be kept: a verdict is drawn from it, or it says something else than the newest.

        Where no platform was asked, only our own tracking can have something to tell.
        """
        if self.verdicts:
            return True
        before, now = self.post.latest, self.snapshot.figures
        if now.availability is None:
            if now.clicks is None and now.conversions is None:
                return False
            return before is None or (before.clicks, before.conversions) != (now.clicks, now.conversions)
        return before != now

    @property
    def is_renamed(self) -> bool:
        """Whether it turned out to be known by another id, under which it may be claimed twice."""
        return bool(self.api_id) and self.api_id != self.post.api_id

    @property
    def shown_claim(self) -> ShownClaim | None:
        """What is claimed for it now; None for a post that is not to be looked at by plan: see `plans`."""
        post = self.post
        known = self.snapshot.availability or (post.latest and post.latest.availability)
        if not (post.is_standing and post.is_identified and known in (None, Availability.LIVE)):
            return None
        claimed = (post.claimed_views, post.claimed_clicks, post.claimed_conversions)
        return ShownClaim(post.id, post.campaign_id, post.platform_id, post.claimed_at, *claimed)

    @property
    def is_reconciled(self) -> bool:
        """Whether no claim is open any more."""
        return not self.open_until


def snapshot_of(
    post: FoundPost, reading: PostReading | None, fetched_at: datetime, lane: Connection | None, request_id: str
) -> Snapshot:
    """What the platform said, or that it was not asked. Figures of a post that is not live are nobody's truth and stay
    out."""
    if reading is None:
        return Snapshot(new_id(), post.id, None, fetched_at, request_id)
    snapshot = Snapshot(
        new_id(),
        post.id,
        lane.pk if lane else None,
        fetched_at,
        request_id,
        posted_at=reading.posted_at or post.posted_at,
        availability=reading.availability,
        deleted=reading.deleted,
        denial=_DENIALS.get(reading.error) if reading.error else None,
    )
    if reading.availability == Availability.LIVE:
        snapshot.followers = reading.followers
        snapshot.disclosed = discloses(_words(reading), reading.disclosed)
        metrics = reading.metrics
        snapshot.views, snapshot.likes = metrics.views, metrics.likes
        snapshot.comments, snapshot.shares = metrics.comments, metrics.shares
        snapshot.platforms_provenance = Provenance.CONNECTION if lane and lane.affiliate_id else Provenance.PUBLIC_API
    return snapshot


def _words(reading: PostReading) -> str | None:
    return None if reading.title is None and reading.text is None else f"{reading.title or ''} {reading.text or ''}"


def note_proof(look: Look) -> None:
    """A campaign that takes posts of proven accounts only: this one's author is not known to be the claimant."""
    foreign = look.ownership in (Post.Ownership.UNPROVEN, Post.Ownership.FOREIGN)
    if look.post.requires_proof and foreign and look.snapshot.availability == Availability.LIVE:
        look.snapshot.denial = Denial.NOT_PROVEN


def note_tracking(look: Look, tracked: Mapping[UUID, Tracked]) -> None:
    """What our own tracking counted for the post's link. Where nothing counts, nothing is written: unknown is not 0."""
    found = tracked.get(look.post.tracking_link_id) if look.post.tracking_link_id else None
    if found:
        look.snapshot.link_posts = found.posts
        look.snapshot.clicks, look.snapshot.conversions = found.clicks, found.conversions


def judge_claims(
    look: Look, terms: Terms, reversed_since: Mapping[tuple[UUID, datetime], int], impossible: Mapping[UUID, str]
) -> None:
    """Hold each open claim whose look this is against the snapshot; note when the others are to be looked at.

    `impossible`: what a data-quality rule that is marked so says, by claim.
    """
    snapshot, post = look.snapshot, look.post
    for claim in look.claims:
        due_at = claim.look_due_at or claim.claimed_at
        if _waited_for_access(claim) and claim.last_denial != snapshot.denial:
            due_at = claim.claimed_at  # it waited for its affiliate to open the way, who has done something to that end
        unasked = snapshot.availability is None and claim.views is not None
        if snapshot.fetched_at < due_at or unasked:
            look.open_until.append(due_at)
            look.asks_platform |= unasked  # its own look may have been given up
            continue
        taken_back = reversed_since.get((post.tracking_link_id, claim.claimed_at), 0) if post.tracking_link_id else 0
        never = impossible.get(claim.id, "")
        verdict = verdict_on(claim, snapshot, post, terms, reversed_since=taken_back, impossible=never)
        at_risk, kept = money_at_risk(verdict, post.rates), _terms_kept(claim, snapshot, post, terms, taken_back, never)
        look.verdicts.append(Judged(new_id(), claim, verdict, at_risk, kept))
        if verdict.next_look_at:
            look.open_until.append(verdict.next_look_at)


def verdict_on(
    claim: OpenClaim, snapshot: Snapshot, post: FoundPost, terms: Terms, *, reversed_since: int, impossible: str = ""
) -> Verdict:
    """The verdict on a claim by a snapshot, by these terms."""
    key = (post.campaign_id, post.platform_id)
    return judge(
        Claim(JudgedFigures(claim.views, claim.clicks, claim.conversions), claim.claimed_at),
        Truth(
            figures=JudgedFigures(snapshot.views, snapshot.clicks, snapshot.conversions),
            availability=snapshot.availability,
            deleted=snapshot.deleted,
            fetched_at=snapshot.fetched_at,
            posted_at=snapshot.posted_at,
            denial=snapshot.denial,
            link_posts=snapshot.link_posts,
            reversed_since=reversed_since,
        ),
        platform=terms.slugs[post.platform_id],
        rules=terms.rules[key],
        lags=terms.lags[key],
        looks=Looks(claim.previous, seen_live=_seen_live(post, snapshot)),
        impossible=impossible,
    )


def _seen_live(post: FoundPost, snapshot: Snapshot) -> bool:
    return post.seen_live_at is not None and post.seen_live_at <= snapshot.fetched_at


def _terms_kept(
    claim: OpenClaim, snapshot: Snapshot, post: FoundPost, terms: Terms, reversed_since: int, impossible: str
) -> str:
    rates = post.rate_per_1000_views, post.rate_per_click, post.rate_per_conversion
    lags, seen_live = terms.lags_texts[post.campaign_id, post.platform_id], _seen_live(post, snapshot)
    return _as_json(KeptTerms(lags, *rates, claim.previous, seen_live, reversed_since, impossible))


_as_json = lru_cache(maxsize=10_000)(KeptTerms.as_json)


def _waited_for_access(claim: OpenClaim) -> bool:
    return bool(claim.last_denial) and claim.previous[-1] == Status.UNVERIFIABLE


def standing_after(look: Look) -> Looked:
    """How the post stands once this is settled: its current claim's verdict, its newest counted one and truth."""
    post, snapshot = look.post, look.snapshot
    current, counted, latest = post.current_verdict_id, post.counted_verdict_id, post.latest_snapshot_id
    asked = look.reading is not None
    if look.is_new and (asked or post.latest is None or post.latest.availability is None):
        # What asked no platform tells nothing newer of its figures, and takes the place of its like only.
        latest = snapshot.id
    newest = (post.counted_claimed_at, post.counted_claim_id)
    for judged in look.verdicts:  # oldest claim first
        if judged.claim.id == post.current_claim_id:
            current = judged.id
        order = (judged.claim.claimed_at, judged.claim.id)
        if judged.is_counted and (counted is None or newest <= order):
            counted, newest = judged.id, order
    last_fetched_at = snapshot.fetched_at if asked else post.last_fetched_at
    seen_live_at = post.seen_live_at or (snapshot.fetched_at if snapshot.availability == Availability.LIVE else None)
    return Looked(post.id, current, counted, latest, last_fetched_at, seen_live_at)


def next_look_at(look: Look, lane: UUID | None, asked: UUID | None) -> datetime:
    """When the post is looked at next: the earliest moment one of its open claims asks for; at once where the way was
    opened while this look was taken."""
    denied = look.snapshot.denial in (Denial.NOT_CONNECTED, Denial.NOT_LISTED)
    opened = look.rearmed or (denied and lane != asked)
    return clock.now() if opened else min(look.open_until)
