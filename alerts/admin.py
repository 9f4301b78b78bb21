"""Staff's pages for alerts: what was found, the evidence beside it, and the decision."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from affiliates.admin import actor
from alerts import services
from alerts.exports import ALERTS
from alerts.models import Alert
from config.admin import ClosedAdmin, ExportedAdmin, badge
from config.templatetags.look import UNKNOWN, age, money
from reconciliation.models import AffiliateReport, PostState, ReconciliationLog, TrustScore
from reconciliation.pages.rows import title_of
from reconciliation.rules import CLAIMABLE

LATEST_VERDICTS = 10
MOST_AT_ONCE = 200


class NoteForm(forms.Form):
    """Why a person resolves what was chosen."""

    note = forms.CharField(
        max_length=services.NOTE_MAX_LENGTH,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 80, "autofocus": True}),
        help_text="What was found and what was done. It is kept with each alert.",
    )


@admin.register(Alert)
class AlertAdmin(ExportedAdmin, ClosedAdmin):
    export = ALERTS
    list_display = ("level", "state", "what", "affiliate", "campaign", "at_risk", "opened")
    list_display_links = ("what",)
    list_select_related = ("affiliate", "campaign", "verdict")
    list_filter = ("status", "severity", "kind", "campaign__livemode", "created_at")
    search_fields = ("affiliate__name", "campaign__campaign_name", "post__url", "summary")
    actions = ("acknowledge", "resolve")
    row_actions = actions
    readonly_fields = ("state",)
    change_form_template = "admin/alerts/alert/change_form.html"
    fields = (
        "state",
        "affiliate",
        "campaign",
        "created_at",
        "acknowledged_by",
        "acknowledged_at",
        "resolved_by",
        "resolved_at",
        "resolution_note",
        "id",
    )

    def get_ordering(self, request: HttpRequest) -> Any:
        """What is resolved comes last; then the most severe first, and among equals the oldest."""
        done = Case(When(status=Alert.Status.RESOLVED, then=Value(1)), default=Value(0))
        worst = [When(severity=name, then=Value(i)) for i, name in enumerate(("critical", "high", "medium"))]
        return (done, Case(*worst, default=Value(3)), "created_at", "id")

    @admin.display(description="severity", ordering="severity")
    def level(self, alert: Alert) -> SafeString:
        return badge(None, alert.severity)

    @admin.display(description="status", ordering="status")
    def state(self, alert: Alert) -> SafeString:
        return badge(alert.status)

    @admin.display(description="kind", ordering="kind")
    def what(self, alert: Alert) -> SafeString:
        return format_html('<span class="nowrap">{}</span>', alert.get_kind_display())

    @admin.display(description="money at risk", ordering="verdict__money_at_risk")
    def at_risk(self, alert: Alert) -> str:
        return money(alert.verdict.money_at_risk, alert.verdict.currency) if alert.verdict else UNKNOWN

    @admin.display(description="opened", ordering="created_at")
    def opened(self, alert: Alert) -> str:
        return age(alert.created_at)

    def offers(self, action: str, row: Alert) -> bool:
        return row.status == Alert.Status.OPEN or (action == "resolve" and row.status != Alert.Status.RESOLVED)

    @admin.action(description="Acknowledge", permissions=["decide"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        by = actor(request)
        self.act_on_each(request, queryset, lambda row: services.acknowledge(alert_id=row.pk, by=by), "acknowledged")

    @admin.action(description="Resolve with a note", permissions=["decide"])
    def resolve(self, request: HttpRequest, queryset: QuerySet[Alert]) -> HttpResponse | None:
        """Ask for the note first, on a page that lists what was chosen.

        What comes back from that page is taken by its ids: the list's filter would hide an alert that somebody else
        resolved meanwhile, and whoever chose it shall be told.
        """
        asked = "note" in request.POST
        ids = request.POST.getlist(ACTION_CHECKBOX_NAME) if asked else queryset.values("pk")[: MOST_AT_ONCE + 1]
        alerts = list(Alert.objects.for_list().filter(pk__in=ids).order_by("created_at", "id"))
        if len(alerts) > MOST_AT_ONCE:
            self.message_user(request, f"Choose {MOST_AT_ONCE} alerts at most.", messages.WARNING)
            return None
        form = NoteForm(request.POST if asked else None)
        if form.is_valid():
            by, note = actor(request), form.cleaned_data["note"]
            self.act_on_each(
                request, alerts, lambda row: services.resolve(alert_id=row.pk, by=by, note=note), "resolved"
            )
            return None
        template = "admin/alerts/alert/resolve.html"
        return self.own_page(request, template, title="Resolve with a note", alerts=alerts, form=form)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        context |= evidence(obj) | {"subtitle": f"{obj.affiliate} in {obj.campaign}"}
        return super().render_change_form(request, context, add, change, form_url, obj)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One claimed figure beside its count; what nobody knows is None."""

    metric: str
    claimed: int
    counted: int | None
    difference: int | None
    percentage: Decimal | None


def evidence(alert: Alert) -> dict[str, Any]:
    """What a decision needs beside the alert itself.

    The verdict it was raised for; without one (a refused second claimant) how the post stands for whom it belongs to.
    """
    verdicts = ReconciliationLog.objects.for_results()
    state = PostState.objects.for_page().get(post=alert.post_id)
    verdict = verdicts.filter(pk=alert.verdict_id or state.current_verdict_id).first()
    claim = verdict.affiliate_report if verdict else state.current_claim
    pair = verdicts.filter(post__affiliate=alert.affiliate_id, post__campaign=alert.campaign_id)
    return {
        "claim": claim,
        "verdict": verdict,
        "figures": list(comparisons(claim, verdict)),
        "post": state.post,
        "post_title": title_of(state.post),
        "trust": TrustScore.objects.filter(affiliate=alert.affiliate_id).first(),
        "pair": list(pair[:LATEST_VERDICTS]),
        "others": Alert.objects.active().beside(alert).count(),
    }


def comparisons(claim: AffiliateReport, verdict: ReconciliationLog | None) -> Iterator[Comparison]:
    """The claimed figures, each with what the verdict found."""
    for metric in CLAIMABLE:
        claimed = getattr(claim, f"claimed_{metric}")
        if claimed is not None:
            difference = getattr(verdict, f"{metric}_discrepancy", None)
            counted = None if difference is None else claimed - difference
            yield Comparison(metric, claimed, counted, difference, getattr(verdict, f"{metric}_diff_pct", None))
