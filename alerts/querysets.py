"""Sets of alerts that have a name."""

from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.db import models
from django.db.models import Case, Value, When

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from affiliates.models import User


def _campaigns() -> Any:
    return apps.get_model("campaigns", "Campaign").objects


class AlertQuerySet(models.QuerySet[Any]):
    """Alerts."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Staff see all, members those of their advertiser's campaigns, affiliates none."""
        return self.filter(campaign__in=_campaigns().for_advertiser_side(user).values("pk"))

    def decidable_by(self, user: "User | AnonymousUser") -> Self:
        """Those this user may acknowledge and resolve: staff all, managers their own campaigns'."""
        return self.filter(campaign__in=_campaigns().managed_by(user).values("pk"))

    def active(self) -> Self:
        """Not resolved."""
        return self.exclude(status="resolved")

    def worst_first(self) -> Self:
        """The most severe first, and among equals the oldest."""
        order = Case(*(When(severity=s, then=Value(i)) for i, s in enumerate(("critical", "high", "medium"))), default=3)
        return self.order_by(order, "created_at", "id")

    def for_list(self) -> Self:
        """Everything a list of alerts shows, in one query."""
        return self.select_related(
            "campaign", "affiliate", "post__platform", "post__text", "verdict", "acknowledged_by", "resolved_by"
        )
