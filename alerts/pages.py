"""What the pages show of alerts: filters from the address, groups for a panel, evidence and decisions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Self

from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode

from alerts.models import Alert
from alerts.querysets import SEVERITIES, AlertQuerySet
from config.templatetags.look import UNKNOWN, badge_for, day, figure, money
from reconciliation.pages.figures import Card, verdict_cards
from reconciliation.pages.filters import Option, as_uuid, with_all
from reconciliation.pages.history import Event
from reconciliation.pages.rows import title_of

COLUMNS = [
    {"label": "Alert"},
    {"label": "Post"},
    {"label": "Affiliate"},
    {"label": "At risk", "kind": "num"},
    {"label": "Since", "kind": "num"},
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
        words = {"status": list(STATUS_WORDS), "severity": list(SEVERITIES)}
        given = {field.name: query.get(field.name, "") for field in fields(cls)}
        known = {name: value in words[name] if name in words else as_uuid(value) for name, value in given.items()}
        return cls(**{name: value for name, value in given.items() if known[name]})

    def narrow(self, alerts: AlertQuerySet, *, besides: str = "") -> AlertQuerySet:
        """The alerts it leaves; `besides` names one filter that is not applied, to count what choosing there gives."""
        named = {name: value for name, value in asdict(self).items() if value and name not in ("status", besides)}
        alerts = alerts.filter(**named)
        if besides == "status" or self.status == "all":
            return alerts
        return alerts.filter(status=self.status) if self.status else alerts.active()

    @property
    def narrows(self) -> bool:
        """Whether this is anything but all that is active."""
        return any(asdict(self).values())

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
        return with_all("Any severity", alerts.severity_counts(self.narrow(alerts, besides="severity")))

    def campaign_options(self, alerts: AlertQuerySet) -> list[Option]:
        """The menu of campaigns."""
        return with_all("All campaigns", alerts.campaign_counts(self.narrow(alerts, besides="campaign")))

    def affiliate_options(self, alerts: AlertQuerySet) -> list[Option]:
        """The menu of affiliates."""
        return with_all("All affiliates", alerts.affiliate_counts(self.narrow(alerts, besides="affiliate")))


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert in the list."""

    url: str
    title: str
    kind: str
    note: str
    severity: str
    status: str
    affiliate: str
    at_risk: str
    since: datetime
    summary: str


def at_risk(alert: Alert) -> str:
    """The money at risk while the alert's verdict stands for its post."""
    verdict = alert.verdict
    if verdict is None:
        return UNKNOWN
    if verdict.pk != alert.post.state.current_verdict_id:
        return "claimed anew"
    return money(alert.post.state.money_at_risk, verdict.currency)


def alert_row(alert: Alert) -> AlertRow:
    """What the list says of an alert."""
    kind = alert.get_kind_display()
    where = f"{kind} · {alert.post.platform.name} · {alert.campaign}"
    return AlertRow(
        url=reverse("alerts:alert", args=[alert.pk]),
        title=title_of(alert.post),
        kind=kind,
        note=where if alert.campaign.livemode else f"{where} · test mode",
        severity=alert.severity,
        status=alert.status,
        affiliate=alert.affiliate.name,
        at_risk=at_risk(alert),
        since=alert.created_at,
        summary=alert.summary,
    )


def other_item(alert: Alert) -> dict[str, str]:
    """Another alert of the same affiliate, as badge_list.html writes it."""
    row = alert_row(alert)
    details = [row.note, row.at_risk, f"since {day(row.since)}"]
    return {"level": row.severity, "title": row.title, "detail": " · ".join(details), "url": row.url}


def since_then(alert: Alert) -> str:
    """How the post reads now, where that is no longer what raised the alert."""
    state = getattr(alert.post, "state", None)
    verdict = state.current_verdict if state else None
    if alert.verdict is None or verdict is None or verdict.pk == alert.verdict.pk:
        return ""
    badge = badge_for(verdict.status, verdict.discrepancy_level)
    return f"New figures were claimed since, and the post now reads {badge.word}: {verdict.explanation}"


def group_item(group: Mapping[str, Any], wanted: AlertFilter) -> dict[str, str]:
    """What needs a decision, as badge_list.html writes it: one line for an affiliate, a platform and a kind."""
    number = group["n"]
    what = "over-claim" if group["kind"] == Alert.Kind.OVER_CLAIM else "refused claim"
    at_risk = "" if group["at_risk"] is None else f"{money(group['at_risk'], group['currency'])} at risk"
    details = [f"{figure(number)} {what}{'' if number == 1 else 's'}", at_risk, f"since {day(group['since'])}"]
    url = reverse("alerts:alert", args=[group["ids"][0]])
    if number > 1:
        chosen = {"campaign": wanted.campaign, "affiliate": group["affiliate"], "post": wanted.post}
        url = f"{reverse('alerts:alerts')}?{urlencode({key: value for key, value in chosen.items() if value})}"
    return {
        "level": SEVERITIES[group["rank"]],
        "title": f"{group['affiliate__name']} on {group['post__platform__name']}",
        "detail": " · ".join(filter(None, details)),
        "url": url,
    }


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
