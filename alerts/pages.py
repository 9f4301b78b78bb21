"""What the pages show of alerts: filters from the address, groups for a panel, evidence and decisions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode

from alerts.models import Alert
from alerts.querysets import SEVERITIES, AlertQuerySet
from config.templatetags.look import day, figure, money
from reconciliation.pages.figures import Card, verdict_cards
from reconciliation.pages.filters import Option, as_uuid, with_all
from reconciliation.pages.history import Event

COLUMNS = [
    {"label": "Severity"},
    {"label": "Post"},
    {"label": "Affiliate"},
    {"label": "At risk", "kind": "num"},
    {"label": "Since"},
    {"label": "State"},
    {"label": "Why"},
]
STATUS_WORDS = {"": "Active", "resolved": "Resolved", "all": "All"}


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """What a list of alerts is narrowed to: those that are active, unless it says otherwise."""

    status: str = ""
    severity: str = ""
    campaign: str = ""
    affiliate: str = ""
    post: str = ""

    @classmethod
    def read(cls, query: QueryDict) -> Self:
        """From a page's query string; what nobody knows there is passed over."""
        known = {"status": STATUS_WORDS, "severity": Alert.Severity.values}
        given = {field.name: query.get(field.name, "") for field in fields(cls)}
        kept = {name: value for name, value in given.items() if value in known[name] or name not in known}
        return cls(**{name: value for name, value in kept.items() if name in known or as_uuid(value)})

    def narrow(self, alerts: AlertQuerySet, *, besides: str = "") -> AlertQuerySet:
        """The alerts it leaves; `besides` names one filter that is not applied, to count what choosing there gives."""
        named = {name: value for name, value in asdict(self).items() if value and name not in ("status", besides)}
        alerts = alerts.filter(**named)
        if besides == "status" or self.status == "all":
            return alerts
        return alerts.filter(status=self.status) if self.status else alerts.active()

    def as_query(self) -> str:
        """As the query string of the list's address."""
        return urlencode({name: value for name, value in asdict(self).items() if value})

    def status_options(self, alerts: AlertQuerySet) -> list[Option]:
        """The chips: active, resolved, all."""
        found = self.narrow(alerts, besides="status")
        everything, active = found.count(), found.active().count()
        counts = {"": active, "resolved": everything - active, "all": everything}
        return [(value, label, counts[value]) for value, label in STATUS_WORDS.items()]

    def severity_options(self, alerts: AlertQuerySet) -> list[Option]:
        """The menu of severities."""
        return with_all("Any severity", self.narrow(alerts, besides="severity").severity_counts())

    def campaign_options(self, alerts: AlertQuerySet) -> list[Option]:
        """The menu of campaigns."""
        found = self.narrow(alerts, besides="campaign").counts_of("campaign", "campaign__campaign_name")
        return with_all("All campaigns", found)

    def affiliate_options(self, alerts: AlertQuerySet) -> list[Option]:
        """The menu of affiliates."""
        found = self.narrow(alerts, besides="affiliate").counts_of("affiliate", "affiliate__name")
        return with_all("All affiliates", found)


def group_item(group: Mapping[str, Any], wanted: AlertFilter) -> dict[str, str]:
    """What needs a decision, as badge_list.html writes it: one line for an affiliate, a platform and a kind."""
    name, platform, number = group["affiliate__name"], group["post__platform__name"], group["n"]
    if group["kind"] == Alert.Kind.OVER_CLAIM:
        title = f"{name} is over the limit on {platform}"
    else:
        title = f"{name} claimed what somebody else claims"
    at_risk = "" if group["at_risk"] is None else f"{money(group['at_risk'], group['currency'])} at risk"
    details = [f"{figure(number)} {'post' if number == 1 else 'posts'}", at_risk, f"since {day(group['since'])}"]
    url = reverse("alerts:alert", args=[group["ids"][0]])
    if number > 1:
        chosen = {"campaign": wanted.campaign, "affiliate": group["affiliate"], "post": wanted.post}
        url = f"{reverse('alerts:alerts')}?{urlencode({key: value for key, value in chosen.items() if value})}"
    severity = SEVERITIES[group["rank"]]
    return {"level": severity, "title": title, "detail": " · ".join(filter(None, details)), "url": url}


def evidence(alert: Alert) -> list[Card]:
    """The figures of the verdict that raised it; none for a refused attempt."""
    if alert.verdict is None:
        return []
    return verdict_cards(alert.verdict.affiliate_report, alert.verdict, alert.post.platform.name, with_money=True)


def decisions(alert: Alert) -> list[Event]:
    """What became of it, the newest first."""
    events = [Event(alert.created_at, 0, "Opened", tone="medium")]
    if alert.acknowledged_at:
        events.append(Event(alert.acknowledged_at, 1, "Acknowledged", who=_name(alert.acknowledged_by), tone="early"))
    if alert.resolved_at:
        who = _name(alert.resolved_by)
        events.append(Event(alert.resolved_at, 2, "Resolved", alert.resolution_note, who=who, tone="matched"))
    return sorted(events, key=lambda event: (event.at, event.rank), reverse=True)


def _name(user: Any) -> str:
    return str(user.name or user) if user else ""
