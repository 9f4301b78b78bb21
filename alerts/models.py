"""What a person must look at."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from affiliates.models import Affiliate
from alerts.querysets import AlertQuerySet
from campaigns.models import Campaign, Post
from config import clock
from config.models import Row
from reconciliation.models import ReconciliationLog


class Alert(Row):
    """Something a person must look at, with what became of it."""

    class Kind(models.TextChoices):
        OVER_CLAIM = "over_claim", "Over-claim"
        SECOND_CLAIMANT = "second_claimant", "Second claimant"

    class Severity(models.TextChoices):
        LOW = "low"
        MEDIUM = "medium"
        HIGH = "high"
        CRITICAL = "critical"

    class Status(models.TextChoices):
        OPEN = "open"
        ACKNOWLEDGED = "acknowledged"
        SNOOZED = "snoozed"
        RESOLVED = "resolved"

    kind = models.CharField(max_length=16, choices=Kind)
    severity = models.CharField(max_length=8, choices=Severity)
    status = models.CharField(max_length=12, choices=Status, default=Status.OPEN)
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="alerts")
    affiliate = models.ForeignKey(Affiliate, models.PROTECT, related_name="alerts")
    post = models.ForeignKey(Post, models.PROTECT, related_name="alerts")
    verdict = models.OneToOneField(ReconciliationLog, models.PROTECT, null=True, related_name="alert")
    summary = models.TextField()
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    resolution_note = models.TextField(blank=True, max_length=2000)
    updated_at = models.DateTimeField(default=clock.now)

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["campaign", "status", "-created_at"], name="alerts_of_campaign"),  # the panel
            models.Index(fields=["status", "severity", "created_at"], name="alerts_queue"),  # staff's queue
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["open", "acknowledged", "snoozed", "resolved"]), name="alert_status_known"
            ),
            models.CheckConstraint(
                condition=Q(severity__in=["low", "medium", "high", "critical"]), name="alert_severity_known"
            ),
            models.CheckConstraint(
                condition=~Q(status="resolved") | (Q(resolved_at__isnull=False) & ~Q(resolution_note="")),
                name="alert_resolved_with_a_note",
            ),
            # one affiliate's refused attempt on one post is one alert, however often it is repeated
            models.UniqueConstraint(
                fields=["kind", "post", "affiliate"], condition=Q(verdict=None), name="alert_attempt_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.summary[:80]}"
