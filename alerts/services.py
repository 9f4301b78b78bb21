"""What can happen to alerts."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from affiliates.models import AuditEvent, User
from affiliates.services import audit
from alerts.errors import AlertStateError, NoteRequiredError
from alerts.models import Alert
from config import clock
from reconciliation.comparison import Level
from reconciliation.models import Override, PostState, ReconciliationLog
from reconciliation.querysets import ReconciliationLogQuerySet

SEVERITY_OF_LEVEL = {Level.MEDIUM.value: Alert.Severity.MEDIUM, Level.HIGH.value: Alert.Severity.HIGH}
NOTE_MAX_LENGTH = 2000
FORGOTTEN_WITHIN = timedelta(days=2)
OPENED_AT_ONCE = 1000


def open_for_verdicts(*, verdict_ids: Sequence[UUID]) -> int:
    """Open an alert for each counted MEDIUM or HIGH discrepancy among these. Harmless to repeat; returns how many."""
    return _open_for(ReconciliationLog.objects.filter(pk__in=verdict_ids))


def open_forgotten() -> int:
    """Open alerts for recent verdicts and decisions whose queued hint was lost, and close those that no longer accuse;
    returns how many were opened. Harmless to repeat."""
    since = clock.now() - FORGOTTEN_WITHIN
    decided = list(Override.objects.filter(created_at__gte=since).values_list("verdict_id", flat=True))
    follow_decisions(verdict_ids=decided)
    return _open_for(ReconciliationLog.objects.filter(processed_at__gte=since))


@transaction.atomic
def _open_for(verdicts: "ReconciliationLogQuerySet") -> int:
    decided = Override.objects.holding().filter(discrepancy_level__in=SEVERITY_OF_LEVEL)
    accusing = Q(discrepancy_level__in=SEVERITY_OF_LEVEL) | Q(pk__in=decided.values("verdict"))
    unseen = verdicts.counted().filter(accusing, alert=None).with_outcome()
    unseen = unseen.filter(outcome_level__in=SEVERITY_OF_LEVEL).select_related("post")
    found = list(unseen[:OPENED_AT_ONCE])
    words = {each.verdict_id: each.explanation for each in decided.filter(verdict__in=found)}
    alerts = [
        Alert(
            kind=Alert.Kind.OVER_CLAIM,
            severity=SEVERITY_OF_LEVEL[verdict.outcome_level],
            campaign_id=verdict.post.campaign_id,
            affiliate_id=verdict.post.affiliate_id,
            post=verdict.post,
            verdict=verdict,
            summary=words.get(verdict.pk, verdict.explanation),
        )
        for verdict in found
    ]
    Alert.objects.bulk_create(alerts, ignore_conflicts=True)
    return len(alerts)


@transaction.atomic
def follow_decisions(*, verdict_ids: Sequence[UUID]) -> None:
    """Let alerts say what was decided of these verdicts: what no longer accuses is resolved, what accuses now is open,
    and as severe as it is. Harmless to repeat."""
    _open_for(ReconciliationLog.objects.filter(pk__in=verdict_ids))
    alerts = {alert.verdict_id: alert for alert in Alert.objects.select_for_update().filter(verdict__in=verdict_ids)}
    decisions = Override.objects.holding().filter(verdict__in=alerts).select_related("verdict", "decided_by")
    for decision in decisions:
        _follow(alerts[decision.verdict_id], decision)


def _follow(alert: Alert, decision: Override) -> None:
    severity = SEVERITY_OF_LEVEL.get(str(decision.discrepancy_level))
    is_resolved, resolved_at = alert.status == Alert.Status.RESOLVED, alert.resolved_at
    if severity is None and not is_resolved:
        _resolve(alert.pk, decision.decided_by, decision.explanation)
        audit(actor=decision.decided_by, action="alert.resolved", row=alert)
    elif severity and resolved_at and resolved_at <= decision.created_at and _accuses_anew(decision):
        Alert.objects.filter(pk=alert.pk).update(
            status=Alert.Status.OPEN,
            severity=severity,
            acknowledged_at=None,
            acknowledged_by=None,
            resolved_at=None,
            resolved_by=None,
            resolution_note="",
            updated_at=clock.now(),
        )
        audit(actor=decision.decided_by, action="alert.reopened", row=alert)
    elif severity and not is_resolved and severity != alert.severity:
        Alert.objects.filter(pk=alert.pk).update(severity=severity, updated_at=clock.now())
        audit(actor=decision.decided_by, action="alert.reassessed", row=alert, changes={"severity": severity})


def _accuses_anew(decision: Override) -> bool:
    """Whether what held before it did not accuse. What a person has resolved as it accused stays resolved."""
    before: Override | ReconciliationLog = decision.verdict
    if decision.number > 1:
        before = Override.objects.get(verdict=decision.verdict_id, number=decision.number - 1)
    return before.discrepancy_level not in SEVERITY_OF_LEVEL


_TWO_CLAIMANTS = {
    "claim.refused_second_claimant": (
        "Another affiliate tried to claim a post that is claimed already; the attempt was refused."
    ),
    "post.displaced": "Two affiliates claimed the same content; this claim gave way to the other's.",
}


@transaction.atomic
def open_for_refused_claim(*, event_id: UUID) -> None:
    """Open an alert for two affiliates who claim one content. A repeated attempt adds nothing."""
    event = AuditEvent.objects.get(pk=event_id)
    state = PostState.objects.select_related("post").get(post=event.object_id)
    alert = Alert(
        kind=Alert.Kind.SECOND_CLAIMANT,
        severity=Alert.Severity.MEDIUM,
        campaign_id=state.post.campaign_id,
        affiliate_id=UUID(event.changes["affiliate"]),
        post=state.post,
        summary=_TWO_CLAIMANTS[event.action],
    )
    Alert.objects.bulk_create([alert], ignore_conflicts=True)


@transaction.atomic
def acknowledge(*, alert_id: UUID, by: User) -> Alert:
    """Somebody is on it. Raises AlertStateError unless the alert is open."""
    changed = Alert.objects.filter(pk=alert_id, status=Alert.Status.OPEN).update(
        status=Alert.Status.ACKNOWLEDGED, acknowledged_at=clock.now(), acknowledged_by=by, updated_at=clock.now()
    )
    return _decided(alert_id, by, "alert.acknowledged", changed)


@transaction.atomic
def resolve(*, alert_id: UUID, by: User, note: str) -> Alert:
    """Close it, with the reason in words. Raises NoteRequiredError, and AlertStateError if it is resolved already."""
    note = note.strip()
    if not note:
        raise NoteRequiredError("Say in a few words how this was resolved.", field="note")
    if len(note) > NOTE_MAX_LENGTH:
        raise NoteRequiredError(f"At most {NOTE_MAX_LENGTH:,} characters.", field="note", code="note_too_long")
    return _decided(alert_id, by, "alert.resolved", _resolve(alert_id, by, note))


def _resolve(alert_id: UUID, by: User | None, note: str) -> int:
    resolved: int = (
        Alert.objects.filter(pk=alert_id)
        .active()
        .update(
            status=Alert.Status.RESOLVED,
            resolved_at=clock.now(),
            resolved_by=by,
            resolution_note=note,
            updated_at=clock.now(),
        )
    )
    return resolved


def _decided(alert_id: UUID, by: User, action: str, changed: int) -> Alert:
    """Of two who decide at once, one wins; the other is told how the alert stands now."""
    alert: Alert = Alert.objects.for_list().get(pk=alert_id)
    if not changed:
        who = alert.resolved_by or alert.acknowledged_by
        by_whom = f", by {who.name}" if who and who.name else ""
        raise AlertStateError(f"This alert is {alert.get_status_display().lower()} already{by_whom}.")
    audit(actor=by, action=action, row=alert)
    return alert
