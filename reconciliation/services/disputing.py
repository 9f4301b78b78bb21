"""Disputing: an affiliate objects to a counted verdict, once and with their reasons, and a person decides.

A dispute has the post looked at anew, as evidence: what counts changes by the decision alone. Where nobody decides in
time, an accusation does not hold any longer, and the claim is not verified either: it is unverifiable, until somebody
decides after all. A verdict that accuses nobody stands.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction

from affiliates.models import Affiliate, User
from affiliates.services import audit
from config import clock
from config.errors import ConflictError
from config.middleware import current_request_id
from reconciliation.comparison import Level, Status, TrustEffect
from reconciliation.errors import DisputeOverError, DisputeRefusedError
from reconciliation.models import Dispute, DisputeText, Job, Override, PostState, ReconciliationLog
from reconciliation.outcomes import Reason
from reconciliation.services.jobs import lock, request_looks, wake
from reconciliation.services.overriding import checked_note, put_in_place

DISPUTABLE_DAYS = 14
"""How long a verdict, or what was decided in its place, can be disputed."""
DECIDED_WITHIN_DAYS = 7
MAX_TEXT_CHARS = 2_000
LAPSED_AT_ONCE = 200


@transaction.atomic
def dispute(*, verdict: ReconciliationLog, affiliate: Affiliate, text: str) -> Dispute:
    """Object to a counted verdict on one of the affiliate's own claims, and have the post looked at anew.

    Raises DisputeRefusedError for a verdict that is not counted, not theirs, too old, or says that the claim holds, and
    for a text that is missing or too long; ConflictError where it was disputed before.
    """
    text = _checked_text(text)
    # Whoever decides on it meanwhile waits, or is waited for: the post's job first, as everywhere.
    lock(Job.objects.pending().filter(post=verdict.post))
    PostState.objects.take(verdict.post)
    if reason := refusal(verdict, affiliate):
        raise reason
    now = clock.now()
    try:
        with transaction.atomic():
            opened: Dispute = Dispute.objects.create(
                verdict=verdict,
                affiliate=affiliate,
                created_at=now,
                deadline_at=now + timedelta(days=DECIDED_WITHIN_DAYS),
            )
    except IntegrityError as error:
        raise ConflictError("This verdict was disputed before.", code="already_disputed") from error
    DisputeText.objects.create(dispute=opened, text=text)
    post = verdict.post
    if post.displaced_at is None and post.merged_into_id is None:
        looks = request_looks(
            posts={post.pk: verdict.affiliate_report.claimed_views is not None},
            reason=Job.Reason.DISPUTE,
            due_at=now,
            request_id=current_request_id(),
        )
        for look in looks:
            wake(look.lane)
    audit(actor=affiliate.user, action="dispute.opened", row=opened, changes={"verdict": str(verdict.pk)})
    return opened


def refusal(verdict: ReconciliationLog, affiliate: Affiliate) -> DisputeRefusedError | None:
    """Why an affiliate can't dispute a verdict; None where they can."""
    standing = _standing(verdict)
    if verdict.post.affiliate_id != affiliate.pk:
        return DisputeRefusedError("This is not a verdict on a claim of yours.", code="not_yours")
    if not verdict.is_counted:
        return DisputeRefusedError("This verdict is not the last word yet: another look follows.", code="not_counted")
    if standing.status == Status.MATCHED:
        return DisputeRefusedError("It says that your claim holds.", code="nothing_to_dispute")
    if clock.now() >= disputable_until(verdict):
        return DisputeRefusedError(f"A verdict can be disputed for {DISPUTABLE_DAYS} days.", code="too_late")
    return None


def disputable_until(verdict: ReconciliationLog) -> datetime:
    """Until when a verdict can be disputed: what is decided in its place can be as long."""
    standing = _standing(verdict)
    since: datetime = standing.created_at if isinstance(standing, Override) else verdict.processed_at
    return since + timedelta(days=DISPUTABLE_DAYS)


@transaction.atomic
def decide(
    *, dispute_id: UUID, outcome: tuple[Status, Level | None] | None, reason: Reason, note: str, by: User
) -> Dispute:
    """Decide on an open dispute: the verdict stands (`outcome` None), or comes to something else.

    Raises DisputeOverError for one that is over, and DecisionRefusedError as `override` does.
    """
    current = _locked(dispute_id)
    if outcome is None:
        note = checked_note(note)
        _end(current, Dispute.State.REJECTED, reason=reason, by=by)
    else:
        status, level = outcome
        made = put_in_place(verdict_id=current.verdict_id, status=status, level=level, reason=reason, note=note, by=by)
        _end(current, Dispute.State.UPHELD, reason=reason, by=by, made=made)
    DisputeText.objects.filter(dispute=current).update(answer=note.strip())
    return current


@transaction.atomic
def withdraw(*, dispute_id: UUID, by: User) -> Dispute:
    """Take a dispute back: the verdict stands. Raises DisputeOverError for one that is over."""
    current = _locked(dispute_id)
    _end(current, Dispute.State.WITHDRAWN)
    audit(actor=by, action="dispute.withdrawn", row=current)
    return current


def sweep() -> int:
    """End the disputes that nobody decided on in time; returns how many. Each in a transaction of its own."""
    due = Dispute.objects.open().filter(deadline_at__lte=clock.now()).order_by("deadline_at")
    ids = list(due.values_list("pk", flat=True)[:LAPSED_AT_ONCE])
    return sum(_lapse(pk) for pk in ids)


@transaction.atomic
def _lapse(dispute_id: UUID) -> bool:
    due = Dispute.objects.open().select_for_update(skip_locked=True, of=("self",)).select_related("verdict__post")
    current = due.filter(pk=dispute_id, deadline_at__lte=clock.now()).first()
    if current is None:
        return False
    made = None
    if _standing(current.verdict).trust_effect == TrustEffect.INACCURATE:
        made = put_in_place(
            verdict_id=current.verdict_id,
            status=Status.UNVERIFIABLE,
            level=None,
            reason=Reason.SILENCE,
            note="",
            by=None,
        )
    _end(current, Dispute.State.LAPSED, reason=Reason.SILENCE, made=made)
    return True


def _standing(verdict: ReconciliationLog) -> ReconciliationLog | Override:
    return verdict.overrides.order_by("number").last() or verdict


def _locked(dispute_id: UUID) -> Dispute:
    current: Dispute = Dispute.objects.select_for_update(of=("self",)).get(pk=dispute_id)
    if not current.is_open:
        raise DisputeOverError
    return current


def _end(
    current: Dispute,
    state: Dispute.State,
    *,
    reason: Reason | None = None,
    by: User | None = None,
    made: Override | None = None,
) -> None:
    current.state, current.reason, current.decided_by, current.override = state, reason or "", by, made
    current.decided_at = clock.now()
    current.save(update_fields=["state", "reason", "decided_by", "override", "decided_at"])
    if state != Dispute.State.WITHDRAWN:
        audit(actor=by, action=f"dispute.{state}", row=current)


def _checked_text(text: str) -> str:
    text = text.strip()
    if not text:
        raise DisputeRefusedError("Say why the verdict is wrong.", field="text", code="text_required")
    if len(text) > MAX_TEXT_CHARS:
        raise DisputeRefusedError(f"At most {MAX_TEXT_CHARS:,} characters.", field="text", code="text_too_long")
    return text
