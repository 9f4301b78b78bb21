"""What data-quality rules noticed, and what they are still to look at."""

from django.db import models
from django.db.models import Q

from campaigns.models import Post
from config.models import AppendOnly
from platforms.models import Platform
from reconciliation.models.evidence import AffiliateReport, ReconciliationLog, RuleSet
from reconciliation.querysets import FindingQuerySet
from reconciliation.rules import Level


class Finding(AppendOnly):
    """Something odd that a rule noticed about a claim, once a claim and rule."""

    affiliate_report = models.ForeignKey(AffiliateReport, models.PROTECT, related_name="findings")
    post = models.ForeignKey(Post, models.PROTECT, related_name="findings")
    verdict = models.ForeignKey(
        ReconciliationLog, models.PROTECT, related_name="findings", help_text="At which it was noticed."
    )
    ruleset = models.ForeignKey(RuleSet, models.PROTECT, related_name="+")
    rule = models.CharField(max_length=32)
    severity = models.CharField(max_length=8, choices=[(level.value, level.value.lower()) for level in Level])
    sentence = models.CharField(max_length=500)
    error = models.CharField(max_length=64, blank=True, help_text="Why the rule could not be asked, where it failed.")

    objects = FindingQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["post", "-created_at"], name="findings_of_post")]
        constraints = [
            models.UniqueConstraint(fields=["affiliate_report", "rule"], name="finding_once_a_claim_and_rule"),
            models.CheckConstraint(
                condition=Q(severity__in=[level.value for level in Level]), name="finding_severity_known"
            ),
        ]

    def __str__(self) -> str:
        return self.sentence


class Unexamined(models.Model):
    """A verdict whose claim the data-quality rules are still to look at: written with it, gone once they have."""

    verdict = models.OneToOneField(ReconciliationLog, models.CASCADE, primary_key=True, related_name="unexamined")

    class Meta:
        verbose_name = "verdict to be examined"
        verbose_name_plural = "verdicts to be examined"

    def __str__(self) -> str:
        return str(self.verdict_id)


class UsualViews(models.Model):
    """The median of what is claimed on a platform, as of some time ago."""

    platform = models.OneToOneField(Platform, models.CASCADE, primary_key=True, related_name="+")
    views = models.BigIntegerField()
    counted_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "usual views"

    def __str__(self) -> str:
        return f"{self.views:,} on {self.platform_id}"
