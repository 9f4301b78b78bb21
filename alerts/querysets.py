"""Sets of alerts that have a name."""

from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from django.apps import apps
from django.contrib.postgres.aggregates import ArrayAgg
from django.db import models
from django.db.models import Case, Count, F, Min, Q, Sum, Value, When

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from affiliates.models import User
    from alerts.models import Alert


def _campaigns() -> Any:
    return apps.get_model("campaigns", "Campaign").objects


SEVERITIES = ("critical", "high", "medium", "low")
"""The worst first."""

_RANK = Case(*(When(severity=severity, then=Value(rank)) for rank, severity in enumerate(SEVERITIES)))


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
        return self.order_by(_RANK, "created_at", "id")

    def beside(self, alert: "Alert") -> Self:
        """The others of the same affiliate in the same mode."""
        same = {"affiliate": alert.affiliate_id, "campaign__livemode": alert.campaign.livemode}
        return self.filter(**same).exclude(pk=alert.pk)

    def grouped(self) -> "models.QuerySet[Any]":
        """A row for each affiliate, platform, kind and mode (money of one currency), the worst first, then the oldest.

        Money is at risk where the verdict still stands; an affiliate who has claimed anew is judged by the new claim.
        """
        by = ("kind", "affiliate", "affiliate__name", "post__platform__name", "campaign__livemode")
        rows: models.QuerySet[Any] = (
            self.order_by()
            .values(*by, currency=F("verdict__currency"))
            .annotate(
                n=Count("pk"),
                ids=ArrayAgg("pk"),
                rank=Min(_RANK),
                since=Min("created_at"),
                at_risk=Sum("post__state__money_at_risk", filter=Q(verdict=F("post__state__current_verdict"))),
            )
            .order_by("rank", "since", "affiliate__name")
        )
        return rows

    def severity_counts(self, among: Self) -> list[tuple[str, str, int]]:
        """The severities of these alerts, the worst first: value, word, how many of `among`."""
        counts = dict(self.order_by().values_list("severity").annotate(n=_count_of(among)))
        return [(severity, severity.capitalize(), counts[severity]) for severity in SEVERITIES if severity in counts]

    def campaign_counts(self, among: Self) -> list[tuple[str, str, int]]:
        """The campaigns of these alerts, by name: id, name, how many of `among`."""
        rows = self.order_by("campaign__campaign_name").values_list("campaign_id", "campaign__campaign_name")
        return [(str(pk), name, n) for pk, name, n in rows.annotate(n=_count_of(among))]

    def affiliate_counts(self, among: Self) -> list[tuple[str, str, int]]:
        """The affiliates of these alerts, by name: id, name, how many of `among`."""
        rows = self.order_by("affiliate__name").values_list("affiliate_id", "affiliate__name")
        return [(str(pk), name, n) for pk, name, n in rows.annotate(n=_count_of(among))]

    def count_by_campaign(self) -> dict[UUID, int]:
        """How many each campaign has, of those that have any."""
        return dict(self.order_by().values_list("campaign_id").annotate(n=Count("pk")))

    def for_list(self) -> Self:
        """Everything a list of alerts shows, in one query."""
        return self.select_related(
            "campaign",
            "affiliate",
            "post__platform",
            "post__text",
            "post__state",
            "verdict",
            "acknowledged_by",
            "resolved_by",
        )

    def for_page(self) -> Self:
        """Everything the page of one alert shows, in one query."""
        return self.for_list().select_related(
            "campaign__advertiser",
            "affiliate__trust",
            "verdict__affiliate_report",
            "verdict__platform_report",
            "post__state__current_verdict",
        )


def _count_of(among: AlertQuerySet) -> Count:
    return Count("pk", filter=Q(pk__in=among.order_by().values("pk")))
