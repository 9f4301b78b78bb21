"""Platforms, the credentials we speak to them with, and the handles that affiliates have proven to be theirs."""

from django.db import models
from django.db.models import Q

from affiliates.models import Affiliate
from config.models import Row
from platforms.metrics import CONVERSIONS_LAG_H, VIEWS_LAG, Lag, LagBasis, Metric


class Platform(Row):
    """A place where posts live and ads run. Its row wins over the defaults for lag, never for hosts."""

    slug = models.SlugField(max_length=16, unique=True)
    name = models.CharField(max_length=40)
    is_active = models.BooleanField(default=True)
    config = models.JSONField(default=dict, blank=True, help_text='For example {"views_lag_h": 24}')

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def lags(self, *, conversion_lag_h: int = CONVERSIONS_LAG_H) -> dict[str, Lag]:
        """How long each metric's source may lag behind, by metric; a metric that never lags is absent."""
        views = VIEWS_LAG[self.slug]
        return {
            Metric.VIEWS: Lag(views.basis, self.config.get("views_lag_h", views.hours)),
            Metric.CONVERSIONS: Lag(LagBasis.CLAIM_AGE, conversion_lag_h),
        }


class Connection(Row):
    """A credential for one platform, the application's own or an affiliate's. It is the lane that work queues in:
    calls are paced, and a credential that fails is parked, by connection."""

    class State(models.TextChoices):
        ACTIVE = "active"
        PARKED = "parked"

    platform = models.ForeignKey(Platform, models.PROTECT, related_name="connections")
    affiliate = models.ForeignKey(Affiliate, models.PROTECT, null=True, blank=True, related_name="connections")
    livemode = models.BooleanField(default=True)
    state = models.CharField(max_length=8, choices=State, default=State.ACTIVE)
    parked_at = models.DateTimeField(null=True, blank=True)
    parked_reason = models.CharField(max_length=200, blank=True)
    last_call_at = models.DateTimeField(null=True, blank=True)
    awaited_until = models.DateTimeField(
        null=True, blank=True, help_text="A worker is waiting to make the next call, until this moment at the latest."
    )
    last_success_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveSmallIntegerField(default=0, help_text="Calls in a row that the platform did not answer.")
    not_before = models.DateTimeField(
        null=True, blank=True, help_text="No call before this moment: the platform named it when it throttled us."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["platform", "livemode"],
                condition=Q(affiliate=None),
                name="connection_own_once",
            ),
            models.CheckConstraint(condition=Q(state__in=["active", "parked"]), name="connection_state_known"),
        ]

    def __str__(self) -> str:
        return f"{self.platform} · {self.affiliate or 'application'}{'' if self.livemode else ' · test'}"


class Account(Row):
    """A handle on a platform that an affiliate has proven to be theirs (`proven_at`), or says is theirs."""

    platform = models.ForeignKey(Platform, models.PROTECT, related_name="accounts")
    affiliate = models.ForeignKey(Affiliate, models.PROTECT, related_name="accounts")
    connection = models.ForeignKey(Connection, models.PROTECT, null=True, blank=True, related_name="accounts")
    handle = models.CharField(max_length=120)
    external_id = models.CharField(max_length=120, null=True, blank=True)
    proven_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["platform", "handle"], condition=Q(proven_at__isnull=False), name="account_proven_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.handle} on {self.platform}"
