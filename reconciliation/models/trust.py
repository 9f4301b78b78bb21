"""What counted verdicts say of an affiliate."""

from django.db import models
from django.db.models import F, Q

from affiliates.models import Affiliate
from campaigns.models import Post
from config import clock
from config.models import AppendOnly
from platforms.models import Platform
from reconciliation.comparison import TrustEffect
from reconciliation.models.evidence import ReconciliationLog


class TrustEvent(AppendOnly):
    """A counted verdict as the trust score reads it. The day is the UTC day of the claim."""

    verdict = models.OneToOneField(ReconciliationLog, models.PROTECT, related_name="trust_event")
    affiliate = models.ForeignKey(Affiliate, models.PROTECT, related_name="trust_events")
    post = models.ForeignKey(Post, models.PROTECT, related_name="+")
    platform = models.ForeignKey(Platform, models.PROTECT, related_name="+")
    day = models.DateField()
    claimed_at = models.DateTimeField()
    claim_id = models.UUIDField(help_text="Orders claims made at the same moment.")
    effect = models.CharField(max_length=10, choices=[(e.value, e.value) for e in TrustEffect])

    class Meta:
        indexes = [
            # recomputing a score: the latest outcome of each post and day
            models.Index(fields=["affiliate", "post", "day", "-claimed_at", "-claim_id"], name="trust_of_affiliate"),
        ]

    def __str__(self) -> str:
        return f"{self.effect} on {self.day}"


class TrustScore(models.Model):
    """The accuracy policy's result, kept with each settled verdict and always equal to a recount of the events."""

    affiliate = models.OneToOneField(Affiliate, models.PROTECT, primary_key=True, related_name="trust")
    trust_score = models.DecimalField(max_digits=5, decimal_places=4, default=1)
    total_submissions = models.PositiveIntegerField(default=0)
    accurate_submissions = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(trust_score__gte=0, trust_score__lte=1), name="trust_score_bounds"),
            models.CheckConstraint(
                condition=Q(accurate_submissions__lte=F("total_submissions")), name="trust_accurate_within_total"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.trust_score} of {self.affiliate_id}"
