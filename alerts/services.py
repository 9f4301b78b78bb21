"""What can happen to alerts."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from affiliates.models import AuditEvent, User
from affiliates.services import audit
from alerts.errors import AlertStateError, NoteRequiredError
from alerts.models import Alert
from config import clock
from reconciliation.comparison import Level, Status
from reconciliation.models import PostState, ReconciliationLog

SEVERITY_OF_LEVEL = {Level.MEDIUM.value: Alert.Severity.MEDIUM, Level.HIGH.value: Alert.Severity.HIGH}
NOTE_MAX_LENGTH = 2000
FORGOTTEN_WITHIN = timedelta(days=2)
OPENED_AT_ONCE = 1000


def open_for_verdicts(*, verdict_ids: Sequence[UUID]) -> int:
    """Open an alert for each counted MEDIUM or HIGH discrepancy among these. Harmless to repeat; returns how many."""
    return _open_for(ReconciliationLog.objects.filter(pk__in=verdict_ids))


def open_forgotten() -> int:
    """Open alerts for recent verdicts whose queued hint was lost; returns how many. Harmless to repeat."""
    return _open_for(ReconciliationLog.objects.filter(processed_at__gte=clock.now() - FORGOTTEN_WITHIN))


@transaction.atomic
def _open_for(verdicts: "QuerySet[ReconciliationLog]") -> int:
    unseen = verdicts.filter(
        next_look_at=None, status=Status.DISCREPANCY.value, discrepancy_level__in=SEVERITY_OF_LEVEL, alert=None
    )
    alerts = [
        Alert(
            kind=Alert.Kind.OVER_CLAIM,
            severity=SEVERITY_OF_LEVEL[str(verdict.discrepancy_level)],
            campaign_id=verdict.post.campaign_id,
            affiliate_id=verdict.post.affiliate_id,
            post=verdict.post,
            verdict=verdict,
            summary=verdict.explanation,
        )
        for verdict in unseen.select_related("post")[:OPENED_AT_ONCE]
    ]
    Alert.objects.bulk_create(alerts, ignore_conflicts=True)
    return len(alerts)


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
    changed = (
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
    return _decided(alert_id, by, "alert.resolved", changed)


def _decided(alert_id: UUID, by: User, action: str, changed: int) -> Alert:
    """Of two who decide at once, one wins; the other is told how the alert stands now."""
    alert: Alert = Alert.objects.for_list().get(pk=alert_id)
    if not changed:
        who = alert.resolved_by or alert.acknowledged_by
        by_whom = f", by {who.name}" if who and who.name else ""
        raise AlertStateError(f"This alert is {alert.get_status_display().lower()} already{by_whom}.")
    audit(actor=by, action=action, row=alert)
    return alert
