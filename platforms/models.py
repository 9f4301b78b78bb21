"""Platforms, the credentials we speak to them with, and the handles that affiliates have proven to be theirs."""

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from affiliates.models import Affiliate
from config import clock, vault
from config.models import Row
from platforms.breaker import BreakerLimits, Circuit, CircuitState
from platforms.budget import BUDGETS, Budget, Spent, free_now, spendable_at, used_on
from platforms.metrics import CONVERSIONS_LAG_H, Lag, lags
from platforms.querysets import AccountQuerySet, BreakerQuerySet, ConnectionQuerySet

ENDS_SOON = timedelta(days=7)


class Platform(Row):
    """A place where posts live and ads run. Its row wins over the defaults for rate, quota, breaker and lag, never for
    hosts: see `services.settings` for what `config` may hold."""

    slug = models.SlugField(max_length=16, unique=True)
    name = models.CharField(max_length=40)
    is_active = models.BooleanField(default=True)
    config = models.JSONField(default=dict, blank=True, help_text='For example {"views_lag_h": 24}')

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def lags(self, *, views_lag_h: int | None = None, conversion_lag_h: int = CONVERSIONS_LAG_H) -> dict[str, Lag]:
        """How long each metric's source may lag behind, by metric; a metric that never lags is absent. `views_lag_h` is
        what the rules say; None: they say nothing, and this row, or else what is known of the platform, does."""
        hours = self.config.get("views_lag_h") if views_lag_h is None else views_lag_h
        return lags(self.slug, views_lag_h=hours, conversion_lag_h=conversion_lag_h)

    @property
    def budget(self) -> Budget:
        """What each of its connections may spend on calls."""
        names = ("rate_calls", "rate_window_s", "daily_quota")
        return replace(BUDGETS[self.slug], **{name: self.config[name] for name in names if name in self.config})

    @property
    def breaker_limits(self) -> BreakerLimits:
        """When its breaker opens, and for how long."""
        given = {field.name: self.config.get(f"breaker_{field.name}") for field in fields(BreakerLimits)}
        return BreakerLimits(**{name: value for name, value in given.items() if value is not None})


class Breaker(Row):
    """A platform's circuit breaker, one for the live and one for the test world: see `platforms.breaker`."""

    platform = models.ForeignKey(Platform, models.PROTECT, related_name="breakers")
    livemode = models.BooleanField(default=True)
    state = models.CharField(
        max_length=9, choices=[(s.value, s.value.replace("_", "-")) for s in CircuitState], default=CircuitState.CLOSED
    )
    failures = models.PositiveIntegerField(default=0, help_text="Calls in a row that came to nothing.")
    opened = models.PositiveIntegerField(default=0, help_text="How often in a row it has opened.")
    retry_at = models.DateTimeField(
        null=True, blank=True, help_text="Open: when a probe may go out. Half-open: when the probe is given up."
    )
    changed_at = models.DateTimeField(
        default=clock.now, help_text="When it opened or closed, or when the present probe left."
    )
    last_error = models.CharField(max_length=200, blank=True)

    objects = BreakerQuerySet.as_manager()

    class Meta:
        ordering = ["platform__name", "-livemode"]
        constraints = [
            models.UniqueConstraint(fields=["platform", "livemode"], name="breaker_once"),
            models.CheckConstraint(condition=Q(state__in=[s.value for s in CircuitState]), name="breaker_state_known"),
        ]

    def __str__(self) -> str:
        return f"Breaker of {self.platform}{'' if self.livemode else ' · test'}"

    @property
    def circuit(self) -> Circuit:
        """Its state, as the pure module takes it."""
        return Circuit(CircuitState(self.state), self.failures, self.opened, self.retry_at, self.changed_at)


_TROUBLES = {
    "auth": "{} no longer accepts what you allowed us: it was withdrawn, or it has ended.",
    "permission": "{} says that what you allowed does not cover reading your posts.",
    "quota": "{} says that the allowance of calls is used up. Our staff look after it.",
}
"""What parks a connection, by the kind of the platform's error."""


class Connection(Row):
    """A credential for one platform, the application's own or an affiliate's. It is the lane that work queues in:
    calls are paced and paid for, and a credential that fails is parked, by connection.

    An affiliate has at most one on a platform; connecting again replaces what it holds. Disconnecting erases the
    secrets; the row stays, since snapshots point at it.
    """

    class State(models.TextChoices):
        ACTIVE = "active"
        PARKED = "parked"
        DISCONNECTED = "disconnected"

    class Method(models.TextChoices):
        SETTINGS = "settings"
        OAUTH = "oauth", "OAuth"
        TOKEN = "token", "pasted token"

    platform = models.ForeignKey(Platform, models.PROTECT, related_name="connections")
    affiliate = models.ForeignKey(Affiliate, models.PROTECT, null=True, blank=True, related_name="connections")
    livemode = models.BooleanField(default=True)
    method = models.CharField(max_length=8, choices=Method, default=Method.SETTINGS)
    state = models.CharField(max_length=12, choices=State, default=State.ACTIVE)
    parked_at = models.DateTimeField(null=True, blank=True)
    parked_reason = models.CharField(max_length=200, blank=True)
    # --- What it holds
    locked = models.TextField(blank=True, editable=False, help_text="Tokens and keys, encrypted.")
    scopes = models.CharField(max_length=500, blank=True)
    connected_at = models.DateTimeField(null=True, blank=True)
    token_expires_at = models.DateTimeField(null=True, blank=True)
    refresh_expires_at = models.DateTimeField(
        null=True, blank=True, help_text="From then on only its owner can connect it again; empty: no end is known."
    )
    renewing_until = models.DateTimeField(null=True, blank=True, help_text="A worker is renewing the token.")
    # --- How the work goes
    last_call_at = models.DateTimeField(null=True, blank=True)
    awaited_until = models.DateTimeField(
        null=True, blank=True, help_text="A worker is waiting to make the next call, until this moment at the latest."
    )
    last_success_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(
        null=True, blank=True, help_text="No call before this moment: the platform named it, or the budget is spent."
    )
    paid_until = models.DateTimeField(null=True, blank=True, help_text="How far ahead the rate is used up.")
    quota_day = models.DateField(null=True, blank=True)
    quota_used = models.PositiveIntegerField(default=0)

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["platform", "livemode"],
                condition=Q(affiliate=None),
                name="connection_own_once",
            ),
            models.UniqueConstraint(
                fields=["affiliate", "platform", "livemode"],
                condition=Q(affiliate__isnull=False),
                name="connection_one_an_affiliate",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["active", "parked", "disconnected"]), name="connection_state_known"
            ),
            models.CheckConstraint(
                condition=Q(method__in=["settings", "oauth", "token"]), name="connection_method_known"
            ),
            models.CheckConstraint(
                condition=~Q(state="disconnected") | Q(locked=""), name="connection_disconnected_holds_nothing"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.platform} · {self.affiliate or 'application'}{'' if self.livemode else ' · test'}"

    @property
    def secrets(self) -> Mapping[str, str]:
        """What it holds, opened. Raises VaultError."""
        return vault.unlock(self.locked)

    @property
    def handle(self) -> str | None:
        """What the account that it speaks for is called."""
        return next((account.handle for account in self.accounts.all()), None)

    @property
    def trouble(self) -> str:
        """Why it is parked, in words for its owner; empty where it is not."""
        if self.state != self.State.PARKED:
            return ""
        kind = self.parked_reason.partition(":")[0]
        return _TROUBLES.get(kind, "{} refused our last call.").format(self.platform)

    @property
    def ends_soon(self) -> bool:
        """Whether it ends within days, and only its owner can do something about it."""
        end = self.refresh_expires_at
        return self.state == self.State.ACTIVE and end is not None and end <= clock.now() + ENDS_SOON

    @property
    def spent(self) -> Spent:
        """What it has spent, as the pure module takes it."""
        return Spent(self.paid_until, self.quota_day, self.quota_used)

    @property
    def free_at(self) -> datetime:
        """The moment from which it may call, as far as what the platform asked for and the budget go."""
        now = clock.now()
        return max(self.not_before or now, spendable_at(self.spent, self.platform.budget, now))

    @property
    def free_now(self) -> int:
        """How many calls the budget lets leave at once."""
        return free_now(self.spent, self.platform.budget, clock.now())

    @property
    def quota_used_today(self) -> int:
        """What of today's quota is gone, in the platform's own calendar."""
        return used_on(self.spent, self.platform.budget, clock.now())

    @property
    def quota_resets_at(self) -> datetime | None:
        """When the quota comes back; None where there is none."""
        limits = self.platform.budget
        return limits.next_day(clock.now()) if limits.daily_quota else None


class Account(Row):
    """A handle on a platform that an affiliate has proven to be theirs (`proven_at`), or says is theirs.

    A connection proves it; else a one-time code does, which is read in the account's bio or in a post's text.
    """

    class State(models.TextChoices):
        PROVEN = "proven"
        CHECKING = "checking"
        SAID = "said"

    platform = models.ForeignKey(Platform, models.PROTECT, related_name="accounts")
    affiliate = models.ForeignKey(Affiliate, models.PROTECT, related_name="accounts")
    livemode = models.BooleanField(default=True)
    connection = models.ForeignKey(Connection, models.PROTECT, null=True, blank=True, related_name="accounts")
    handle = models.CharField(max_length=120, help_text="In lower case, without @.")
    external_id = models.CharField(max_length=120, null=True, blank=True)
    followers = models.BigIntegerField(null=True, blank=True)
    proven_at = models.DateTimeField(null=True, blank=True)
    code = models.CharField(max_length=32, blank=True, help_text="To be put where only the owner can write.")
    code_expires_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    check_result = models.CharField(max_length=200, blank=True, help_text="What the last check found.")
    check_due_at = models.DateTimeField(null=True, blank=True, help_text="When to look for the code next.")
    check_post_id = models.CharField(max_length=120, blank=True, help_text="The post whose text may hold the code.")

    objects = AccountQuerySet.as_manager()

    class Meta:
        ordering = ["platform__name", "handle"]
        constraints = [
            models.UniqueConstraint(
                fields=["platform", "livemode", "handle"],
                condition=Q(proven_at__isnull=False),
                name="account_proven_once",
            ),
            models.UniqueConstraint(
                fields=["platform", "livemode", "external_id"],
                condition=Q(proven_at__isnull=False, external_id__isnull=False),
                name="account_id_proven_once",
            ),
            models.UniqueConstraint(
                fields=["affiliate", "platform", "livemode", "handle"], name="account_once_an_affiliate"
            ),
            models.CheckConstraint(condition=Q(handle=Lower("handle")), name="account_handle_lower_case"),
        ]

    def __str__(self) -> str:
        return f"{self.handle} on {self.platform}"

    @property
    def state(self) -> State:
        """Proven, or how far the proof is."""
        if self.proven_at is not None:
            return self.State.PROVEN
        return self.State.CHECKING if self.check_due_at and self.has_standing_code else self.State.SAID

    @property
    def has_standing_code(self) -> bool:
        """Whether its code can still prove anything."""
        return bool(self.code and self.code_expires_at and self.code_expires_at > clock.now())


def as_handle(text: Any) -> str:
    """A handle as it is stored and compared: lower case, without @ and blanks; empty for what is none."""
    return text.strip().removeprefix("@").lower()[:120] if isinstance(text, str) else ""
