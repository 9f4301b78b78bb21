"""Decisions on verdicts: what was decided, and deciding."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from affiliates.admin import actor
from config.admin import ClosedAdmin, ClosedInline, RowAdmin, badge
from reconciliation.admin.looking import linked, post_title, title_in_short
from reconciliation.models import Dispute, DisputeText, Override, OverrideNote, ReconciliationLog
from reconciliation.pages.deciding import DecisionForm, OverrideForm
from reconciliation.services import disputing
from reconciliation.services.overriding import override

MOST_AT_ONCE = 200


class NoteInline(ClosedInline):
    model = OverrideNote
    verbose_name_plural = "what its decider wrote"
    fields = ("text",)


class OverrideInline(ClosedInline):
    model = Override
    verbose_name_plural = "decisions, the newest first: the first one holds"
    fields = ("outcome", "reason", "decided_by", "created_at")
    ordering = ("-number",)
    select_related = ("decided_by",)

    def outcome(self, row: Override) -> SafeString:
        return badge(row.status, row.discrepancy_level)


@admin.register(Override)
class OverrideAdmin(ClosedAdmin):
    list_display = ("created_at", "outcome", "post", "verdict__post__affiliate", "reason", "decided_by", "number")
    list_select_related = ("verdict__post__text", "verdict__post__affiliate", "verdict__post__campaign", "decided_by")
    list_filter = ("status", "discrepancy_level", "reason", "verdict__post__campaign__livemode")
    search_fields = ("verdict__post__url", "verdict__post__affiliate__name", "decided_by__email")
    inlines = (NoteInline,)
    readonly_fields = ("outcome", "post")

    @admin.display(ordering="status")
    def outcome(self, row: Override) -> SafeString:
        return badge(row.status, row.discrepancy_level)

    def post(self, row: Override) -> SafeString:
        return linked(title_in_short(row.verdict.post), row.verdict)


def ask_and_override(pages: RowAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
    """Ask what the chosen verdicts come to instead, and why, on a page that lists them; then decide on each."""
    asked = "outcome" in request.POST
    ids: Any = request.POST.getlist(ACTION_CHECKBOX_NAME) if asked else queryset.values("pk")[:MOST_AT_ONCE]
    verdicts = list(ReconciliationLog.objects.for_results().filter(pk__in=ids))
    form = OverrideForm(request.POST if asked else None)
    if form.is_valid():
        by, decision = actor(request), form.decision
        pages.act_on_each(
            request, verdicts, lambda row: override(verdict_id=row.pk, by=by, **decision), "decided otherwise"
        )
        return None
    rows = [(verdict, post_title(verdict)) for verdict in verdicts]
    template = "admin/reconciliation/reconciliationlog/override.html"
    return pages.own_page(request, template, title="Decide otherwise", rows=rows, form=form)


class WordsInline(ClosedInline):
    model = DisputeText
    verbose_name_plural = "what was written"
    fields = ("text", "answer")


@admin.register(Dispute)
class DisputeAdmin(ClosedAdmin):
    """What somebody has to decide first, the nearest deadline at the top."""

    list_display = ("deadline_at", "state", "verdict_says", "post", "affiliate", "created_at", "decided_by")
    list_select_related = (
        "verdict__post__text",
        "verdict__post__campaign",
        "verdict__affiliate_report",
        "affiliate",
        "decided_by",
    )
    list_filter = ("state", "reason", "verdict__post__campaign__livemode")
    search_fields = ("affiliate__name", "verdict__post__url")
    readonly_fields = ("verdict_says", "post")
    fields = (
        "post",
        "affiliate",
        "verdict",
        "verdict_says",
        "state",
        "deadline_at",
        "reason",
        "override",
        "decided_by",
        "decided_at",
        "created_at",
        "id",
    )
    actions = ("decide",)
    row_actions = actions
    inlines = (WordsInline,)

    def get_ordering(self, request: HttpRequest) -> Any:
        done = Case(When(state=Dispute.State.OPEN, then=Value(0)), default=Value(1))
        return (done, "deadline_at", "id")

    def offers(self, action: str, row: Dispute) -> bool:
        return row.is_open

    def verdict_says(self, row: Dispute) -> str:
        return row.verdict.explanation

    def post(self, row: Dispute) -> SafeString:
        return linked(title_in_short(row.verdict.post), row.verdict)

    @admin.action(description="Decide", permissions=["decide"])
    def decide(self, request: HttpRequest, queryset: QuerySet[Dispute]) -> HttpResponse | None:
        """Ask what the disputed verdicts come to, and why, on a page that lists them; then decide on each."""
        asked = "outcome" in request.POST
        ids: Any = request.POST.getlist(ACTION_CHECKBOX_NAME) if asked else queryset.values("pk")[:MOST_AT_ONCE]
        disputes = list(Dispute.objects.for_list().filter(pk__in=ids))
        form = DecisionForm(request.POST if asked else None)
        if form.is_valid():
            by, decision = actor(request), form.decision
            self.act_on_each(
                request, disputes, lambda row: disputing.decide(dispute_id=row.pk, by=by, **decision), "decided"
            )
            return None
        rows = [(dispute, title_in_short(dispute.verdict.post)) for dispute in disputes]
        return self.own_page(request, "admin/reconciliation/dispute/decide.html", title="Decide", rows=rows, form=form)
