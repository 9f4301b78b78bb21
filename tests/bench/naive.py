"""The naive loop: one claim after the other, one transaction each, every row by the ORM."""

import json
from datetime import UTC, timedelta

from django.db import transaction

from campaigns.models import CampaignPlatform, PostText
from campaigns.rates import worth
from config import clock
from config.queue import enqueue
from platforms.metrics import Availability, definition_id
from reconciliation.comparison import Claim, Figures, Looks, Status, Truth, judge
from reconciliation.models import (
    Job,
    PlatformReport,
    PlatformReportBody,
    PlatformTrust,
    PostState,
    ReconciliationLog,
    TrustEvent,
    TrustScore,
)
from reconciliation.receipts import KeptTerms, lags_text
from reconciliation.services import rulesets
from reconciliation.trust import Kind, Policy, kind_of
from tests.bench.harness import use
from tests.bench.world import canned

NEXT_LOOK = timedelta(days=1)


def settle(database: str, limit: int) -> int:
    """Settle the first so many looks that are due; returns how many those were."""
    use(database)
    due = list(
        Job.objects.filter(state=Job.State.DUE)
        .order_by("urgent_at", "due_at", "id")
        .values_list("pk", flat=True)[:limit]
    )
    for job_id in due:
        _settle_one(job_id)
    return len(due)


@transaction.atomic
def _settle_one(job_id: object) -> None:
    now = clock.now()
    job = Job.objects.select_for_update(of=("self",)).select_related("post__campaign", "post__platform").get(pk=job_id)
    post = job.post
    state = PostState.objects.select_for_update(of=("self",)).select_related("current_claim").get(post=post)
    claim, reading, ruleset = state.current_claim, canned(post.external_id, now), rulesets.current()
    figures = {"views": reading.metrics.views, "likes": reading.metrics.likes, "comments": reading.metrics.comments}
    snapshot = PlatformReport.objects.create(
        post=post,
        connection_id=job.connection_id,
        availability=Availability.LIVE.value,
        posted_at=reading.posted_at,
        provenance=dict.fromkeys(figures, "public_api"),
        definitions={name: definition_id("youtube", name, now.date()) for name in figures},
        fetched_at=now,
        request_id=job.request_id,
        **figures,
    )
    PlatformReportBody.objects.create(platform_report=snapshot, raw_data=reading.raw)
    lags = post.platform.lags(conversion_lag_h=post.campaign.conversion_lag_h)
    judged = judge(
        Claim(Figures(claim.claimed_views), claim.claimed_at),
        Truth(Figures(reading.metrics.views), Availability.LIVE, False, now, reading.posted_at),
        platform=post.platform.slug,
        rules=rulesets.matrix_of(ruleset).rules_for(str(post.campaign_id), post.platform.slug, ruleset.version),
        lags=lags,
        looks=Looks((), seen_live=False),
    )
    views = judged.metrics["views"]
    rates = CampaignPlatform.objects.get(campaign=post.campaign, platform=post.platform).rates
    is_over = judged.status == Status.DISCREPANCY
    verdict = ReconciliationLog.objects.create(
        affiliate_report=claim,
        platform_report=snapshot,
        post=post,
        ruleset=ruleset,
        status=judged.status.value,
        discrepancy_level=judged.level.value if judged.level else None,
        views_discrepancy=views.difference,
        views_diff_pct=views.percentage,
        confidence=judged.confidence,
        explanation=judged.explanation,
        trust_effect=judged.trust_effect.value,
        money_at_risk=worth({"views": views.difference or 0}, rates) if is_over else None,
        currency=post.campaign.currency,
        next_look_at=judged.next_look_at,
        processed_at=now,
        terms=json.loads(
            KeptTerms(lags_text(lags), rates.per_1000_views, rates.per_click, rates.per_conversion).as_json()
        ),
        request_id=claim.request_id,
    )
    state.current_verdict, state.latest_snapshot = verdict, snapshot
    state.last_fetched_at = state.seen_live_at = now
    if verdict.is_counted:
        state.counted_verdict = verdict
        _count_for_trust(verdict)
        enqueue("alerts.tasks.evaluate_verdicts", str(verdict.pk))
    state.verdict = str(verdict.discrepancy_level if is_over else verdict.status).lower()
    state.views_discrepancy, state.views_diff_pct = verdict.views_discrepancy, verdict.views_diff_pct
    state.money_at_risk = verdict.money_at_risk
    state.currency = verdict.currency if verdict.money_at_risk is not None else ""
    state.save()
    post.author_id, post.is_reconciled, post.posted_at = reading.author_id or "", verdict.is_counted, reading.posted_at
    post.save()
    PostText.objects.update_or_create(post=post, defaults={"author_handle": reading.author_handle or ""})
    job.state, job.finished_at = Job.State.DONE, now
    job.save()
    next_look_at = verdict.next_look_at or now + NEXT_LOOK
    Job.objects.create(
        post=post,
        connection_id=job.connection_id,
        reason=Job.Reason.SECOND_LOOK if verdict.next_look_at else Job.Reason.RECHECK,
        due_at=next_look_at,
        urgent_at=next_look_at,
        request_id=job.request_id,
    )


def _count_for_trust(verdict: ReconciliationLog) -> None:
    post, claim = verdict.post, verdict.affiliate_report
    kind = kind_of(verdict.status, verdict.discrepancy_level, verdict.trust_effect)
    TrustEvent.objects.create(
        verdict=verdict,
        affiliate_id=post.affiliate_id,
        post=post,
        platform_id=post.platform_id,
        day=claim.claimed_at.astimezone(UTC).date(),
        claimed_at=claim.claimed_at,
        claim_id=claim.pk,
        effect=verdict.trust_effect,
        kind=kind,
    )
    trust, _ = TrustScore.objects.select_for_update().get_or_create(affiliate_id=post.affiliate_id)
    share, _ = PlatformTrust.objects.get_or_create(trust=trust, platform_id=post.platform_id)
    if kind != Kind.NONE:
        for counts in (trust, share):
            setattr(counts, kind.lower(), getattr(counts, kind.lower()) + 1)
    trust.trust_score = Policy().score(trust.counts)
    trust.save()
    share.save()
