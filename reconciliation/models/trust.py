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
from reconciliation.querysets import TrustEventQuerySet
from reconciliation.trust import ACCURATE, KINDS, Counts, Kind


class TrustEvent(AppendOnly):
    """A counted verdict, or what was decided in its place, as the trust score reads it. The day is the UTC day of the
    claim.
    """

    verdict = models.ForeignKey(ReconciliationLog, models.PROTECT, related_name="trust_events", db_index=False)
    number = models.PositiveSmallIntegerField(
        db_default=0, help_text="0: the verdict’s own word. From 1 on: what was decided in its place; the last counts."
    )
    affiliate = models.ForeignKey(Affiliate, models.PROTECT, related_name="trust_events")
    post = models.ForeignKey(Post, models.PROTECT, related_name="+")
    platform = models.ForeignKey(Platform, models.PROTECT, related_name="+")
    day = models.DateField()
    claimed_at = models.DateTimeField()
    claim_id = models.UUIDField(help_text="Orders claims made at the same moment.")
    effect = models.CharField(max_length=10, choices=[(e.value, e.value) for e in TrustEffect])
    kind = models.CharField(max_length=13, choices=[(k.value, k.value) for k in Kind])

    objects = TrustEventQuerySet.as_manager()  # type: ignore[misc]

    explanation: str
    """The verdict's, or the decision's, where `explained` has looked it up."""

    class Meta:
        indexes = [
            # recomputing a score: the latest outcome of each post and day
            models.Index(fields=["affiliate", "post", "day", "-claimed_at", "-claim_id"], name="trust_of_affiliate"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["verdict", "number"], name="trust_event_once"),
            models.CheckConstraint(
                condition=Q(effect=TrustEffect.ACCURATE.value, kind__in=[k.value for k in ACCURATE])
                | Q(
                    effect=TrustEffect.INACCURATE.value,
                    kind__in=[k.value for k in KINDS if k not in ACCURATE],
                )
                | Q(effect=TrustEffect.NONE.value, kind=Kind.NONE.value),
                name="trust_kind_has_its_effect",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.effect} on {self.day}"


def _sum(of: models.Expression) -> models.GeneratedField:
    return models.GeneratedField(expression=of, output_field=models.IntegerField(), db_persist=True)


class TrustCounts(models.Model):
    """How many post-days came to each kind of outcome."""

    matched = models.PositiveIntegerField(default=0, db_default=0)
    low = models.PositiveIntegerField(default=0, db_default=0)
    medium = models.PositiveIntegerField(default=0, db_default=0)
    high = models.PositiveIntegerField(default=0, db_default=0)
    post_missing = models.PositiveIntegerField(default=0, db_default=0)
    invalid_claim = models.PositiveIntegerField(default=0, db_default=0)
    total_submissions = _sum(F("matched") + F("low") + F("medium") + F("high") + F("post_missing") + F("invalid_claim"))
    accurate_submissions = _sum(F("matched") + F("low"))

    class Meta:
        abstract = True

    @property
    def counts(self) -> Counts:
        """The same by kind."""
        return {kind: getattr(self, kind.lower()) for kind in KINDS}


class TrustScore(TrustCounts):
    """An affiliate's score by the policy that holds, and what it is made of: always equal to a recount."""

    affiliate = models.OneToOneField(Affiliate, models.PROTECT, primary_key=True, related_name="trust")
    trust_score = models.DecimalField(max_digits=5, decimal_places=4, default=1)
    updated_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(trust_score__gte=0, trust_score__lte=1), name="trust_score_bounds"),
        ]

    def __str__(self) -> str:
        return f"{self.trust_score} of {self.affiliate_id}"


class PlatformTrust(TrustCounts):
    """The share of one platform in an affiliate's counts."""

    trust = models.ForeignKey(TrustScore, models.PROTECT, related_name="platforms", db_index=False)
    platform = models.ForeignKey(Platform, models.PROTECT, related_name="+", db_index=False)

    class Meta:
        verbose_name = "trust on a platform"
        verbose_name_plural = "trust on platforms"
        constraints = [
            models.UniqueConstraint(fields=["trust", "platform"], name="trust_once_a_platform"),
        ]

    def __str__(self) -> str:
        return f"{self.accurate_submissions} of {self.total_submissions} on {self.platform}"
