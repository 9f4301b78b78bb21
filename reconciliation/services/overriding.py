"""Overriding: a person decides what a counted verdict comes to, and all that reads it says so from then on."""

from decimal import Decimal
from uuid import UUID

from django.db import transaction

from affiliates.models import User
from affiliates.services import audit
from campaigns.models import CampaignPlatform, Post
from campaigns.rates import Rates
from config import clock
from config.queue import enqueue
from reconciliation import sentences
from reconciliation.comparison import Level, Status
from reconciliation.errors import DecisionRefusedError, NoteRefusedError
from reconciliation.models import Dispute, Override, OverrideNote, PostState, ReconciliationLog
from reconciliation.outcomes import REASONS, Found, Gap, Outcome, Reason, decided
from reconciliation.rules import CLAIMABLE
from reconciliation.services import trusting

MAX_NOTE_CHARS = 2_000


@transaction.atomic
def override(*, verdict_id: UUID, status: Status, level: Level | None, reason: Reason, note: str, by: User) -> Override:
    """Decide what a counted verdict comes to. The verdict stays on record; its post's figures, the sums, trust and
    alerts follow the decision, as if it had been so from the start.

    A later decision takes the place of an earlier one. Raises DecisionRefusedError for a verdict that is not counted or
    whose dispute is open, a decision that changes nothing or is nobody's to take, and a note that is missing or too
    long.
    """
    post: Post = Post.objects.get(verdicts=verdict_id)
    PostState.objects.take(post)  # whoever disputes it meanwhile waits, or is waited for
    if Dispute.objects.open().filter(verdict=verdict_id).exists():
        raise DecisionRefusedError("This verdict is disputed: decide on its dispute.", code="disputed")
    return put_in_place(verdict_id=verdict_id, status=status, level=level, reason=reason, note=note, by=by)


@transaction.atomic
def put_in_place(
    *, verdict_id: UUID, status: Status, level: Level | None, reason: Reason, note: str, by: User | None
) -> Override:
    """The same for a verdict whose dispute is being decided. Where nobody does (`by` None) there is no note."""
    note = checked_note(note) if by else ""
    verdict: ReconciliationLog = ReconciliationLog.objects.select_related("affiliate_report", "post").get(pk=verdict_id)
    if not verdict.is_counted:
        raise DecisionRefusedError("This verdict is not the claim's last word yet.", code="not_counted")
    # Whoever settles or claims meanwhile waits, or is waited for: then both write of the same outcome.
    PostState.objects.take(verdict.post)
    before = verdict.overrides.order_by("number").last()
    standing = before or verdict
    if (standing.status, standing.discrepancy_level) == (status, level):
        raise DecisionRefusedError("This is what it says already.", field="outcome", code="changes_nothing")
    try:
        outcome = decided(_found(verdict), status, level, _rates(verdict))
    except ValueError as refusal:
        sentence = f"{str(refusal).capitalize()}."
        raise DecisionRefusedError(sentence, field="outcome", code="invalid_outcome") from refusal
    now = clock.now()
    made = Override.objects.create(
        created_at=now,
        verdict=verdict,
        number=before.number + 1 if before else 1,
        currency=verdict.currency,
        reason=reason,
        explanation=sentences.decided(status=status, level=level, reason=REASONS[reason], decided_at=now),
        decided_by=by,
        **_columns(outcome),
    )
    if note:
        OverrideNote.objects.create(override=made, text=note)
    PostState.objects.write_decision(verdict.pk)
    trusting.count_decision(verdict=verdict, status=status, level=level, effect=outcome.trust_effect)
    audit(actor=by, action="verdict.overridden", row=verdict, changes={"override": str(made.pk)})
    enqueue("alerts.tasks.follow_decisions", str(verdict.pk))
    return made


def checked_note(note: str) -> str:
    """The note without blanks around it. Raises DecisionRefusedError where there is none, or too much."""
    note = note.strip()
    if not note:
        raise NoteRefusedError("Say in a few words why.", field="note")
    if len(note) > MAX_NOTE_CHARS:
        raise NoteRefusedError(f"At most {MAX_NOTE_CHARS:,} characters.", field="note", code="note_too_long")
    return note


def _found(verdict: ReconciliationLog) -> Found:
    claim = verdict.affiliate_report
    gaps = {
        metric.value: Gap(getattr(verdict, f"{metric}_discrepancy"), getattr(verdict, f"{metric}_diff_pct"))
        for metric in CLAIMABLE
        if getattr(claim, f"claimed_{metric}") is not None
    }
    return Found(Status(verdict.status), gaps, verdict.money_at_risk)


def _rates(verdict: ReconciliationLog) -> Rates:
    post = verdict.post
    row = CampaignPlatform.objects.filter(campaign=post.campaign_id, platform=post.platform_id).first()
    return row.rates if row else Rates()


def _columns(outcome: Outcome) -> dict[str, str | int | Decimal | None]:
    columns: dict[str, str | int | Decimal | None] = {
        "status": outcome.status,
        "discrepancy_level": outcome.level,
        "trust_effect": outcome.trust_effect,
        "money_at_risk": outcome.money_at_risk,
    }
    for metric, gap in outcome.gaps.items():
        columns |= {f"{metric}_discrepancy": gap.difference, f"{metric}_diff_pct": gap.percentage}
    return columns
