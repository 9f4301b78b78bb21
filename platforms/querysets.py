"""Sets of breakers, connections and accounts that have a name."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, When

from platforms.breaker import SKEW_S

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from affiliates.models import User


class BreakerQuerySet(models.QuerySet[Any]):
    """Platforms' breakers."""

    def shut(self, moment: datetime) -> Self:
        """Those that let no call out at this moment, as `Circuit.closed_until` says of one."""
        latest = moment + timedelta(seconds=SKEW_S)
        return self.exclude(state="closed").filter(retry_at__gt=moment, changed_at__lte=latest)


class ConnectionQuerySet(models.QuerySet[Any]):
    """Connections: the lanes that work queues in."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """An affiliate's own, with whatever a key is restricted to; people see what is live."""
        return self.filter(**_own_of(user))

    def for_list(self) -> Self:
        """Everything that is said about connections, in two queries."""
        return self.select_related("platform", "affiliate").prefetch_related("accounts")

    def own(self) -> Self:
        """The application's."""
        return self.filter(affiliate=None)

    def standing(self) -> Self:
        """Those that hold a credential, be it one that was refused."""
        return self.exclude(state="disconnected")

    def worst_first(self) -> Self:
        """The application's own, then those that are parked, then those that called last, each with its owner."""
        rank = Case(When(affiliate=None, then=0), When(state="parked", then=1), default=2)
        latest = F("last_call_at").desc(nulls_last=True)
        return self.select_related("platform", "affiliate").order_by(rank, "-livemode", latest, "id")

    def may_call(self, moment: datetime) -> Self:
        """Those that may call at this moment: active, not told to wait, and no breaker open before them."""
        breakers = apps.get_model("platforms", "Breaker").objects.shut(moment)
        shut = breakers.filter(platform=OuterRef("platform"), livemode=OuterRef("livemode"))
        rested = Q(not_before=None) | Q(not_before__lte=moment)
        return self.filter(rested, ~Exists(shut), state="active")


class AccountQuerySet(models.QuerySet[Any]):
    """Accounts: handles that are proven, or said."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """An affiliate's own, with whatever a key is restricted to; people see what is live."""
        return self.filter(**_own_of(user))

    def for_list(self) -> Self:
        """What is still to be proven first."""
        return self.select_related("platform").order_by(F("proven_at").asc(nulls_first=True), "handle", "pk")

    def proven(self) -> Self:
        """Those whose owner is known."""
        return self.filter(proven_at__isnull=False)

    def to_check(self, moment: datetime) -> Self:
        """Those whose code is to be looked for by now, and has not expired."""
        return self.filter(proven_at=None, check_due_at__lte=moment, code_expires_at__gt=moment)


def _own_of(user: "User | AnonymousUser") -> dict[str, Any]:
    return {"affiliate__user": user.pk, "affiliate__isnull": False, "livemode": in_live_mode(user)}


def in_live_mode(user: "User | AnonymousUser") -> bool:
    """Whether somebody acts on live rows: people do, and a key in the mode it was made for."""
    return getattr(user, "livemode", None) is not False
