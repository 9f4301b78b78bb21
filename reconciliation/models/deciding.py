"""What people say and decide of counted verdicts. The verdict stays as it is; the newest decision is what holds."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from affiliates.models import Affiliate
from config.models import AppendOnly, Row
from reconciliation.comparison import Level, Status, TrustEffect
from reconciliation.models.evidence import ReconciliationLog
from reconciliation.outcomes import DECIDABLE, REASONS, Reason
from reconciliation.querysets import DisputeQuerySet, OverrideQuerySet


class Override(AppendOnly):
    """What a claim comes to by a person's decision: as if its counted verdict had said so from the start.

    It has a verdict's own columns, with a verdict's meaning. Of several the one with the highest number holds.
    """

    verdict = models.ForeignKey(ReconciliationLog, models.PROTECT, related_name="overrides", db_index=False)
    number = models.PositiveSmallIntegerField(help_text="Counts the decisions on one verdict, from 1.")
    status = models.CharField(max_length=16, choices=[(s.value, s.value) for s in DECIDABLE])
    discrepancy_level = models.CharField(max_length=8, choices=[(lv.value, lv.value) for lv in Level], null=True)
    views_discrepancy = models.BigIntegerField(null=True)
    clicks_discrepancy = models.BigIntegerField(null=True)
    conversions_discrepancy = models.BigIntegerField(null=True)
    views_diff_pct = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    clicks_diff_pct = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    conversions_diff_pct = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    trust_effect = models.CharField(max_length=10, choices=[(e.value, e.value) for e in TrustEffect])
    money_at_risk = models.DecimalField(max_digits=24, decimal_places=2, null=True)
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=16, choices=[(reason.value, words) for reason, words in REASONS.items()])
    explanation = models.TextField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", help_text="Empty: nobody did in time."
    )

    objects = OverrideQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            # also finds the one that holds
            models.UniqueConstraint(fields=["verdict", "number"], name="override_number_once"),
            models.CheckConstraint(condition=Q(number__gte=1), name="override_numbers_from_one"),
            models.CheckConstraint(condition=Q(status__in=[s.value for s in DECIDABLE]), name="override_status_known"),
            models.CheckConstraint(
                condition=Q(status=Status.DISCREPANCY.value, discrepancy_level__in=[lv.value for lv in Level])
                | (~Q(status=Status.DISCREPANCY.value) & Q(discrepancy_level=None)),
                name="override_level_of_a_discrepancy",
            ),
            models.CheckConstraint(
                condition=Q(reason__in=[reason.value for reason in Reason]), name="override_reason_known"
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None, reason=Reason.SILENCE.value)
                | (Q(decided_by__isnull=False) & ~Q(reason=Reason.SILENCE.value)),
                name="override_is_somebodys_or_silence",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.discrepancy_level or ''}".strip()

    @property
    def words(self) -> str | None:
        """Its note; None where that was erased."""
        note = getattr(self, "note", None)
        return note.text if note else None


class OverrideNote(models.Model):
    """What its decider wrote, for all who may see the verdict. It may be erased; the decision stays."""

    override = models.OneToOneField(Override, models.CASCADE, primary_key=True, related_name="note")
    text = models.TextField(max_length=2000)

    def __str__(self) -> str:
        return f"Note of {self.override_id}"


class Dispute(Row):
    """An affiliate's objection to a counted verdict. Each verdict has one at most."""

    class State(models.TextChoices):
        OPEN = "open", "open"
        UPHELD = "upheld", "the verdict was overridden"
        REJECTED = "rejected", "the verdict stands"
        LAPSED = "lapsed", "nobody decided in time"
        WITHDRAWN = "withdrawn", "withdrawn"

    verdict = models.OneToOneField(ReconciliationLog, models.PROTECT, related_name="dispute")
    affiliate = models.ForeignKey(Affiliate, models.PROTECT, related_name="disputes")
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    deadline_at = models.DateTimeField()
    reason = models.CharField(
        max_length=16, choices=[(reason.value, words) for reason, words in REASONS.items()], blank=True
    )
    override = models.OneToOneField(Override, models.PROTECT, null=True, related_name="dispute")
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)

    objects = DisputeQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            # what is to be decided, and what lapses
            models.Index(fields=["deadline_at"], condition=Q(state="open"), name="dispute_to_decide"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["open", "upheld", "rejected", "lapsed", "withdrawn"]), name="dispute_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state="open", decided_at=None) | (~Q(state="open") & Q(decided_at__isnull=False)),
                name="dispute_over_once_decided",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["upheld", "rejected"], decided_by__isnull=False)
                | (~Q(state__in=["upheld", "rejected"]) & Q(decided_by=None)),
                name="dispute_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(state="upheld") | Q(override__isnull=False), name="dispute_upheld_by_an_override"
            ),
        ]

    def __str__(self) -> str:
        return f"Dispute of {self.created_at:%d %b %Y}"

    @property
    def is_open(self) -> bool:
        """Whether somebody has to decide."""
        return self.state == self.State.OPEN

    @property
    def said(self) -> str | None:
        """What the affiliate wrote; None where that was erased."""
        words = getattr(self, "words", None)
        return words.text if words else None

    @property
    def answered(self) -> str | None:
        """What its decider wrote; None before that, and where it was erased."""
        words = getattr(self, "words", None)
        return (words and words.answer) or None


class DisputeText(models.Model):
    """What was written about a verdict, by its affiliate and by who decided. It may be erased; the dispute stays."""

    dispute = models.OneToOneField(Dispute, models.CASCADE, primary_key=True, related_name="words")
    text = models.TextField(max_length=2000)
    answer = models.TextField(max_length=2000, blank=True)

    def __str__(self) -> str:
        return f"Words of {self.dispute_id}"
