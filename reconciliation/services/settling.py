"""Settling: a batch of looks and one answer become snapshots, verdicts, trust and the next looks, in one transaction.

The steps, each one statement for the whole batch:

1. Lock the batch's jobs, if the lease still holds; whoever lost it changes nothing.
2. Read the posts' open claims, their earlier verdicts, the rules and rates. Claims that came while the platform was
   asked are found here, because submitting waits for the job's row.
3. Judge, in pure Python (`reconciliation.comparison`).
4. Write snapshots (one wherever a verdict is drawn from it; else only where something changed), verdicts, trust events.
5. Bring up to date: the posts' state, trust scores, jobs done, the next looks of claims still open.
6. Queue the alert rules, and the merging of posts that may have turned out to be one content.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from campaigns.models import CampaignPlatform, Post
from campaigns.rates import Rates, worth
from campaigns.tracking import totals
from config import clock
from config.queue import enqueue
from platforms.adapters import NOT_CONNECTED, NOT_LISTED
from platforms.metrics import Availability, Metric, PostReading, Provenance, definition_id
from platforms.models import Connection
from reconciliation.comparison import Claim, Denial, Figures, Looks, Status, Truth, Verdict, judge
from reconciliation.models import (
    AffiliateReport,
    Job,
    PlatformReport,
    PlatformReportBody,
    PostState,
    ReconciliationLog,
    RuleSet,
    TrustEvent,
)
from reconciliation.rules import RuleMatrix
from reconciliation.services import owning, rulesets, telling, trusting
from reconciliation.services.jobs import PRIORITY, Batch, lanes_of, wake

ALERT_CHUNK = 100
NO_POST = "no_post"
"""The code of a reading of a short link that leads to no post."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call said, by the ids that the posts' links have. `readings` None: no platform was asked.

    `api_ids`: the ids that the platform's API takes, where they turned out to be others.
    """

    fetched_at: datetime
    readings: Mapping[str, PostReading] | None
    api_ids: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(slots=True)
class _Look:
    """One post's share of a batch: what was found, and what follows from it."""

    job: Job
    state: PostState
    claims: list[AffiliateReport]
    snapshot: PlatformReport
    reading: PostReading | None
    rearmed: bool
    verdicts: list[ReconciliationLog] = field(default_factory=list)
    open_until: list[datetime] = field(default_factory=list)
    is_new: bool = False
    is_renamed: bool = False

    @property
    def post(self) -> Post:
        return self.job.post

    @property
    def denial(self) -> Denial | None:
        return Denial(self.snapshot.denial) if self.snapshot.denial else None


@dataclass(frozen=True, slots=True)
class _Context:
    """What judging needs besides the claims themselves, read once for the batch."""

    ruleset: RuleSet
    matrix: RuleMatrix
    previous: Mapping[UUID, list[ReconciliationLog]]
    rates: Mapping[tuple[UUID, UUID], Rates]
    reversed_since: Mapping[tuple[UUID | None, datetime], int]


@transaction.atomic
def settle(*, batch: Batch, answer: Answer) -> int:
    """Settle a leased batch; returns how many looks were settled.

    Settling twice, or under a lapsed lease, adds nothing.
    """
    looks = _locked_looks(batch, answer)
    if not looks:
        return 0
    _note_identities(looks, batch, answer)
    _note_tracking(looks, answer)
    context = _context(looks)
    for look in looks:
        _judge_claims(look, context)
    _write(looks)
    _bring_up_to_date(looks, batch, answer)
    return len(looks)


def _locked_looks(batch: Batch, answer: Answer) -> list[_Look]:
    jobs = list(
        Job.objects.select_for_update(of=("self",))
        .filter(lease=batch.lease, state=Job.State.LEASED, pk__in=[job.pk for job in batch.jobs])
        .select_related("post__platform", "post__campaign")
        .order_by("post_id")  # the order in which a run asks for looks, so that neither waits for the other
    )
    post_ids = [job.post_id for job in jobs]
    states = {
        state.post_id: state
        for state in PostState.objects.select_for_update(of=("self",))
        .filter(post__in=post_ids)
        .select_related("latest_snapshot", "counted_verdict__affiliate_report")
        .order_by("post_id")
    }
    claims: dict[UUID, list[AffiliateReport]] = defaultdict(list)
    for claim in AffiliateReport.objects.open().filter(post__in=post_ids).order_by("claimed_at", "id"):
        claims[claim.post_id].append(claim)
    return [_look(job, states[job.post_id], claims[job.post_id], batch, answer) for job in jobs]


def _look(job: Job, state: PostState, claims: list[AffiliateReport], batch: Batch, answer: Answer) -> _Look:
    reading = None
    if answer.readings is not None:
        reading = answer.readings[job.post.external_id]
    snapshot = _snapshot(job, reading, answer.fetched_at, batch.connection)
    # Somebody moved the look's moment on while it was taken: what it needs has changed since.
    rearmed = any(job.due_at > leased.due_at for leased in batch.jobs if leased.pk == job.pk)
    return _Look(job, state, claims, snapshot, reading, rearmed)


def _note_identities(looks: Sequence[_Look], batch: Batch, answer: Answer) -> None:
    """What the answer tells of the posts themselves: the API's id for them, and whose they are."""
    for look in looks:
        before = look.post.api_id
        look.post.api_id = answer.api_ids.get(look.post.external_id, before)
        look.is_renamed = bool(look.post.api_id) and look.post.api_id != before
    owning.note_authors([(look.post, look.reading) for look in looks if look.reading], lane=batch.connection)
    for look in looks:
        foreign = look.post.ownership in (Post.Ownership.UNPROVEN, Post.Ownership.FOREIGN)
        if look.post.campaign.requires_proof and foreign and look.snapshot.availability == Availability.LIVE:
            look.snapshot.denial = Denial.NOT_PROVEN.value


_DENIALS = {NOT_CONNECTED: Denial.NOT_CONNECTED, NOT_LISTED: Denial.NOT_LISTED, NO_POST: Denial.NO_POST}


def _note_tracking(looks: Sequence[_Look], answer: Answer) -> None:
    """What our own tracking counted until the answer came, for posts that have a link. Where nothing counts, nothing is
    written: unknown is not 0."""
    links = {look.post.tracking_link_id for look in looks if look.post.tracking_link_id}
    found = totals.tracked(links, as_of=answer.fetched_at) if links else {}
    for look in looks:
        tracked = found.get(look.post.tracking_link_id) if look.post.tracking_link_id else None
        if tracked is None:
            continue
        snapshot = look.snapshot
        snapshot.link_posts = tracked.posts
        for metric, figure in ((Metric.CLICKS, tracked.clicks), (Metric.CONVERSIONS, tracked.conversions)):
            if figure is not None:
                setattr(snapshot, metric.value, figure)
                _note_source(snapshot, metric, Provenance.OWN_TRACKING)


def _note_source(snapshot: PlatformReport, metric: Metric, provenance: Provenance) -> None:
    """Who said a figure, and what it meant on that day."""
    platform = snapshot.post.platform.slug
    snapshot.provenance[metric.value] = provenance.value
    snapshot.definitions[metric.value] = definition_id(platform, metric.value, snapshot.fetched_at.date())


def _snapshot(job: Job, reading: PostReading | None, fetched_at: datetime, lane: Connection | None) -> PlatformReport:
    """The row as it would be written. Figures of a post that is not live are nobody's truth and stay out."""
    snapshot = PlatformReport(
        post=job.post,
        connection=lane if reading else None,
        fetched_at=fetched_at,
        created_at=clock.now(),
        request_id=job.request_id,
    )
    if reading is None:
        return snapshot
    snapshot.availability = reading.availability.value
    if reading.error in _DENIALS:
        snapshot.denial = _DENIALS[reading.error].value
    snapshot.deleted = reading.deleted
    snapshot.posted_at = reading.posted_at or job.post.posted_at
    if reading.availability == Availability.LIVE:
        provenance = Provenance.CONNECTION if lane and lane.affiliate_id else Provenance.PUBLIC_API
        for metric in (Metric.VIEWS, Metric.LIKES, Metric.COMMENTS, Metric.SHARES):
            figure = getattr(reading.metrics, metric.value)
            if figure is not None:
                setattr(snapshot, metric.value, figure)
                _note_source(snapshot, metric, provenance)
    return snapshot


def _context(looks: Sequence[_Look]) -> _Context:
    previous: dict[UUID, list[ReconciliationLog]] = defaultdict(list)
    claim_ids = [claim.pk for look in looks for claim in look.claims]
    verdicts = ReconciliationLog.objects.filter(affiliate_report__in=claim_ids).select_related("platform_report")
    for verdict in verdicts.order_by("processed_at", "id"):
        previous[verdict.affiliate_report_id].append(verdict)
    rates = {
        (row.campaign_id, row.platform_id): row.rates
        for row in CampaignPlatform.objects.filter(campaign__in={look.post.campaign_id for look in looks})
    }
    tracked = [
        (look.post.tracking_link_id, claim.claimed_at)
        for look in looks
        for claim in look.claims
        if look.post.tracking_link_id and claim.claimed_conversions is not None
    ]
    reversed_since: Mapping[Any, int] = totals.reversed_since(tracked, as_of=looks[0].snapshot.fetched_at)
    ruleset = rulesets.current()
    return _Context(ruleset, rulesets.matrix_of(ruleset), previous, rates, reversed_since)


def _judge_claims(look: _Look, context: _Context) -> None:
    """Hold each open claim whose look this is against the snapshot; note when the others are to be looked at."""
    for claim in look.claims:
        earlier = context.previous[claim.pk]
        due_at = max((verdict.next_look_at for verdict in earlier if verdict.next_look_at), default=claim.claimed_at)
        if _waited_for_access(earlier) and earlier[-1].platform_report.denial != look.snapshot.denial:
            due_at = claim.claimed_at  # it waited for its affiliate to open the way, who has done something to that end
        unasked = look.snapshot.availability is None and claim.claimed_views is not None
        if look.snapshot.fetched_at < due_at or unasked:
            look.open_until.append(due_at)
            continue
        verdict = _verdict(look, claim, earlier, context)
        look.verdicts.append(verdict)
        if verdict.next_look_at:
            look.open_until.append(verdict.next_look_at)


def _waited_for_access(earlier: Sequence[ReconciliationLog]) -> bool:
    return bool(earlier) and earlier[-1].status == Status.UNVERIFIABLE and bool(earlier[-1].platform_report.denial)


def _verdict(
    look: _Look, claim: AffiliateReport, earlier: Sequence[ReconciliationLog], context: _Context
) -> ReconciliationLog:
    snapshot, post = look.snapshot, look.post
    judged = judge(
        Claim(Figures(claim.claimed_views, claim.claimed_clicks, claim.claimed_conversions), claim.claimed_at),
        Truth(
            figures=Figures(snapshot.views, snapshot.clicks, snapshot.conversions),
            availability=Availability(snapshot.availability) if snapshot.availability else None,
            deleted=snapshot.deleted,
            fetched_at=snapshot.fetched_at,
            posted_at=snapshot.posted_at,
            denial=look.denial,
            link_posts=snapshot.link_posts,
            reversed_since=context.reversed_since.get((post.tracking_link_id, claim.claimed_at), 0),
        ),
        platform=post.platform.slug,
        rules=context.matrix.rules_for(str(post.campaign_id), post.platform.slug, context.ruleset.version),
        lags=post.platform.lags(conversion_lag_h=post.campaign.conversion_lag_h),
        looks=Looks(tuple(Status(v.status) for v in earlier), seen_live=look.state.seen_live_at is not None),
    )
    return ReconciliationLog(
        affiliate_report=claim,
        platform_report=snapshot,
        post=post,
        ruleset=context.ruleset,
        status=judged.status.value,
        discrepancy_level=judged.level.value if judged.level else None,
        **_differences(judged),
        confidence=judged.confidence,
        explanation=judged.explanation,
        trust_effect=judged.trust_effect.value,
        money_at_risk=_money_at_risk(judged, context.rates.get((post.campaign_id, post.platform_id))),
        currency=post.campaign.currency,
        next_look_at=judged.next_look_at,
        processed_at=clock.now(),
        created_at=clock.now(),
        request_id=claim.request_id,
    )


def _differences(judged: Verdict) -> dict[str, object]:
    columns: dict[str, object] = {}
    for metric, figure in judged.metrics.items():
        columns[f"{metric}_discrepancy"] = figure.difference
        columns[f"{metric}_diff_pct"] = figure.percentage
    return columns


def _money_at_risk(judged: Verdict, rates: Rates | None) -> Decimal | None:
    """What was claimed above the truth, at the campaign's rates; only a discrepancy puts money at risk."""
    if judged.status != Status.DISCREPANCY or rates is None:
        return None
    differences = {name: figure.difference or 0 for name, figure in judged.metrics.items()}
    return worth({name: difference for name, difference in differences.items() if difference > 0}, rates)


def _write(looks: Sequence[_Look]) -> None:
    for look in looks:
        look.is_new = bool(look.verdicts) or _tells_something_new(look)
    new = [look for look in looks if look.is_new]
    PlatformReport.objects.bulk_create([look.snapshot for look in new])
    PlatformReportBody.objects.bulk_create(
        [
            PlatformReportBody(platform_report=look.snapshot, raw_data=look.reading.raw)
            for look in new
            if look.reading and look.reading.raw
        ]
    )
    verdicts = [verdict for look in looks for verdict in look.verdicts]
    ReconciliationLog.objects.bulk_create(verdicts)
    TrustEvent.objects.bulk_create([_trust_event(verdict) for verdict in verdicts if _counts_for_trust(verdict)])


def _counts_for_trust(verdict: ReconciliationLog) -> bool:
    """Each claim's last word; what is claimed in test mode is nobody's merit and nobody's fault."""
    return verdict.is_counted and verdict.post.campaign.livemode


def _tells_something_new(look: _Look) -> bool:
    """A figure or the availability changed since the newest snapshot. Where no platform was asked, only our own
    tracking can have something to tell."""
    before, told = look.state.latest_snapshot, _TRACKED
    if look.snapshot.availability is not None:
        told += ("availability", "deleted", "denial", "views", "likes", "comments", "shares")
    elif all(getattr(look.snapshot, name) is None for name in told):
        return False
    return before is None or any(getattr(before, name) != getattr(look.snapshot, name) for name in told)


_TRACKED: tuple[str, ...] = ("clicks", "conversions")


def _trust_event(verdict: ReconciliationLog) -> TrustEvent:
    claim, post = verdict.affiliate_report, verdict.post
    return TrustEvent(
        verdict=verdict,
        affiliate_id=post.affiliate_id,
        post=post,
        platform_id=post.platform_id,
        day=claim.claimed_at.astimezone(UTC).date(),
        claimed_at=claim.claimed_at,
        claim_id=claim.pk,
        effect=verdict.trust_effect,
        created_at=verdict.created_at,
    )


def _bring_up_to_date(looks: Sequence[_Look], batch: Batch, answer: Answer) -> None:
    asked = answer.readings is not None
    for look in looks:
        _update_state(look, asked)
    PostState.objects.write_looks([look.state for look in looks])
    Post.objects.write_looks([look.post for look in looks])
    verdicts = [verdict for look in looks for verdict in look.verdicts]
    trusting.recount({verdict.post.affiliate_id for verdict in verdicts if _counts_for_trust(verdict)})
    Job.objects.filter(pk__in=[look.job.pk for look in looks]).update(
        state=Job.State.DONE, finished_at=clock.now(), lease=None, leased_until=None, last_error=""
    )
    still_open = [look for look in looks if look.open_until]
    lanes = lanes_of([look.post.pk for look in still_open if look.job.connection_id])
    next_jobs = Job.objects.bulk_create([_next_job(look, lanes.get(look.post.pk), batch) for look in still_open])
    for lane in {job.connection_id for job in next_jobs if job.due_at <= clock.now()}:
        wake(lane)  # a claim came meanwhile, perhaps for another lane than the one that is at work
    telling.note_verdicts(verdicts)
    for look in looks:
        if look.is_renamed:
            enqueue("reconciliation.tasks.merge_twins", str(look.post.pk))
    counted = [str(verdict.pk) for verdict in verdicts if verdict.is_counted]
    for start in range(0, len(counted), ALERT_CHUNK):
        enqueue("alerts.tasks.evaluate_verdicts", *counted[start : start + ALERT_CHUNK])


def _update_state(look: _Look, asked: bool) -> None:
    state, snapshot = look.state, look.snapshot
    if asked:
        state.last_fetched_at = snapshot.fetched_at
    before = state.latest_snapshot
    if look.is_new and (asked or before is None or before.availability is None):
        # What asked no platform tells nothing newer of its figures, and takes the place of its like only.
        state.latest_snapshot = snapshot
    if snapshot.availability == Availability.LIVE and state.seen_live_at is None:
        state.seen_live_at = snapshot.fetched_at
    for verdict in look.verdicts:  # oldest claim first
        if verdict.affiliate_report_id == state.current_claim_id:
            state.current_verdict = verdict
        counted = state.counted_verdict
        if verdict.is_counted and (counted is None or _order(counted) <= _order(verdict)):
            state.counted_verdict = verdict
    look.post.is_reconciled = not look.open_until
    look.post.posted_at = snapshot.posted_at or look.post.posted_at


def _order(verdict: ReconciliationLog) -> tuple[datetime, UUID]:
    return verdict.affiliate_report.claimed_at, verdict.affiliate_report_id


def _next_job(look: _Look, lane: UUID | None, batch: Batch) -> Job:
    """The post's next look: at the earliest moment one of its open claims asks for; at once where the way was opened
    while this look was taken."""
    asked = batch.connection.pk if batch.connection else None
    opened = look.rearmed or (look.denial in (Denial.NOT_CONNECTED, Denial.NOT_LISTED) and lane != asked)
    due_at = clock.now() if opened else min(look.open_until)
    reason = Job.Reason.SECOND_LOOK if look.verdicts else Job.Reason.SUBMISSION
    return Job(
        post=look.post,
        connection_id=lane,
        reason=reason,
        priority=PRIORITY[reason],
        due_at=due_at,
        created_at=clock.now(),
        request_id=look.job.request_id,
    )
