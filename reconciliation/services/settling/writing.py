"""Writing a settled batch: a statement for each table, whatever the batch's size."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from uuid import UUID

from campaigns.models import Post
from config import clock
from config.bulk import copy_rows
from config.ids import new_id
from reconciliation.models import (
    PlatformReport,
    PlatformReportBody,
    PostState,
    ReconciliationLog,
    RuleSet,
    TrustEvent,
)
from reconciliation.rules import CLAIMABLE
from reconciliation.services import examining, trusting
from reconciliation.services.settling.judging import Judged, Look, standing_after
from reconciliation.services.trusting import NewEvent
from reconciliation.trust import kind_of

_SNAPSHOT = (
    "id", "created_at", "post", "connection", "availability", "deleted", "denial", "views", "likes", "comments",
    "shares", "clicks", "conversions", "link_posts", "followers", "disclosed", "posted_at", "provenance",
    "definitions", "fetched_at", "request_id",
)  # fmt: skip
_VERDICT = (
    "id", "created_at", "affiliate_report", "platform_report", "post", "ruleset", "status", "discrepancy_level",
    "views_discrepancy", "views_diff_pct", "clicks_discrepancy", "clicks_diff_pct", "conversions_discrepancy",
    "conversions_diff_pct", "confidence", "explanation", "trust_effect", "money_at_risk", "currency", "next_look_at",
    "processed_at", "terms", "request_id",
)  # fmt: skip
_TRUST_EVENT = (
    "id",
    "created_at",
    "verdict",
    "affiliate",
    "post",
    "platform",
    "day",
    "claimed_at",
    "claim_id",
    "effect",
    "kind",
)


def write_snapshots(looks: Sequence[Look], slugs: Mapping[UUID, str]) -> None:
    """What was found, with the answer as it was received."""
    now = clock.now()
    new = [look for look in looks if look.is_new]
    copy_rows(PlatformReport, _SNAPSHOT, (_snapshot_row(look, slugs[look.post.platform_id], now) for look in new))
    bodies = [(look.snapshot.id, json.dumps(look.reading.raw)) for look in new if look.reading and look.reading.raw]
    if bodies:
        copy_rows(PlatformReportBody, ("platform_report", "raw_data"), bodies)


def _snapshot_row(look: Look, platform: str, now: datetime) -> tuple[object, ...]:
    found = look.snapshot
    return (
        found.id, now, found.post_id, found.connection_id, found.availability, found.deleted, found.denial,
        found.views, found.likes, found.comments, found.shares, found.clicks, found.conversions, found.link_posts,
        found.followers, found.disclosed, found.posted_at, *found.sources(platform), found.fetched_at, found.request_id,
    )  # fmt: skip


def write_verdicts(looks: Sequence[Look], ruleset: RuleSet) -> None:
    """The verdicts, and what those that count do to their affiliates' trust. What is claimed in test mode is nobody's
    merit and nobody's fault."""
    now = clock.now()
    judged = [(look, each) for look in looks for each in look.verdicts]
    if not judged:
        return
    copy_rows(ReconciliationLog, _VERDICT, (_verdict_row(look, each, ruleset.pk, now) for look, each in judged))
    examining.note([each.id for _, each in judged])
    counted = [(look, each) for look, each in judged if each.is_counted and look.post.livemode]
    if counted:
        copy_rows(TrustEvent, _TRUST_EVENT, (_trust_event(look, each, now) for look, each in counted))
        trusting.count_in(
            [
                NewEvent(look.post.affiliate_id, look.post.content_id, _day(each), each.claim.id)
                for look, each in counted
            ]
        )


def _verdict_row(look: Look, judged: Judged, ruleset_id: UUID, now: datetime) -> tuple[object, ...]:
    verdict = judged.verdict
    differences: list[object] = []
    for metric in CLAIMABLE:
        figure = verdict.metrics.get(metric.value)
        differences += [figure.difference, figure.percentage] if figure else [None, None]
    return (
        judged.id, now, judged.claim.id, look.snapshot.id, look.post.id, ruleset_id, verdict.status, verdict.level,
        *differences, verdict.confidence, verdict.explanation, verdict.trust_effect, judged.money_at_risk,
        look.post.currency, verdict.next_look_at, now, judged.terms, judged.claim.request_id,
    )  # fmt: skip


def _trust_event(look: Look, judged: Judged, now: datetime) -> tuple[object, ...]:
    claim, post, verdict = judged.claim, look.post, judged.verdict
    return (
        new_id(), now, judged.id, post.affiliate_id, post.id, post.platform_id, _day(judged), claim.claimed_at,
        claim.id, verdict.trust_effect, kind_of(verdict.status, verdict.level, verdict.trust_effect),
    )  # fmt: skip


def _day(judged: Judged) -> date:
    return judged.claim.claimed_at.astimezone(UTC).date()


def write_standing(looks: Sequence[Look]) -> None:
    """How the posts stand now."""
    PostState.objects.write_looks([standing_after(look) for look in looks])


def write_learnt(looks: Sequence[Look]) -> None:
    """What was learnt of the posts themselves."""
    known = ("is_reconciled", "posted_at", "api_id", "author_id", "ownership")
    learnt = [(look.post, _learnt(look)) for look in looks]
    changed = [(post.id, *row) for post, row in learnt if row != tuple(getattr(post, name) for name in known)]
    if changed:
        Post.objects.write_looks(changed)


def _learnt(look: Look) -> tuple[bool, datetime | None, str | None, str, str]:
    posted_at = look.snapshot.posted_at or look.post.posted_at
    return look.is_reconciled, posted_at, look.api_id, look.author_id, look.ownership
