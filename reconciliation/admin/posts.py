"""A post's page: everything that was claimed, found and concluded."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaigns.models import Post, PostText
from config.admin import ClosedInline, badge
from config.templatetags.look import UNKNOWN, figure, moment
from reconciliation.admin.looking import WORDS, LookedAtAdmin, VerdictFilter, linked, title_in_short
from reconciliation.models import AffiliateReport, Job, PlatformReport, PostState, ReconciliationLog
from reconciliation.rules import CLAIMABLE

_STATE = ("current_claim", "current_verdict", "override", "counted_verdict", "latest_snapshot")


class CurrentVerdictFilter(VerdictFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Post]) -> QuerySet[Post]:
        word = self.value()
        return queryset.filter(state__verdict=word) if word in WORDS else queryset


class StateInline(ClosedInline):
    model = PostState
    verbose_name_plural = "how it stands"
    fields = (*_STATE, "last_fetched_at", "seen_live_at")
    select_related = _STATE


class TextInline(ClosedInline):
    model = PostText
    verbose_name_plural = "what it calls itself"
    fields = ("title", "description")


class VerdictInline(ClosedInline):
    model = ReconciliationLog
    verbose_name_plural = "verdicts, the newest first"
    fields = ("verdict", "explanation", "processed_at", "next_look_at")

    def verdict(self, verdict: ReconciliationLog) -> SafeString:
        return linked(badge(verdict.status, verdict.discrepancy_level), verdict)


class ClaimInline(ClosedInline):
    model = AffiliateReport
    verbose_name_plural = "claims, the newest first"
    fields = ("claimed", "claimed_views", "claimed_clicks", "claimed_conversions", "submission_method")

    def claimed(self, claim: AffiliateReport) -> SafeString:
        return linked(moment(claim.claimed_at), claim)


class SnapshotInline(ClosedInline):
    model = PlatformReport
    verbose_name_plural = "snapshots, the newest first"
    fields = ("fetched", "availability", "views", "clicks", "conversions", "likes", "comments", "shares")

    def fetched(self, snapshot: PlatformReport) -> SafeString:
        return linked(moment(snapshot.fetched_at), snapshot)


class JobInline(ClosedInline):
    model = Job
    verbose_name_plural = "jobs, the latest due first"
    fields = ("due", "reason", "state", "connection", "attempts", "last_error", "finished_at")
    ordering = ("-due_at",)
    select_related = ("connection__platform", "connection__affiliate")

    def due(self, job: Job) -> SafeString:
        return linked(moment(job.due_at), job)


@admin.register(Post)
class PostAdmin(LookedAtAdmin):
    list_display = ("post", "verdict", "claimed", "counted", "affiliate", "campaign", "state__last_fetched_at")
    list_select_related = ("affiliate", "campaign", "text", *(f"state__{name}" for name in _STATE))
    list_filter = (CurrentVerdictFilter, "platform", "is_reconciled", "campaign__livemode", "created_at")
    search_fields = ("url", "external_id", "text__title", "affiliate__name", "campaign__campaign_name")
    fields = (
        "address",
        "campaign",
        "affiliate",
        "platform",
        "posted_at",
        "is_reconciled",
        "displaced_at",
        "merged_into",
        "tracking_link",
        "external_id",
        "id",
        "created_at",
    )
    inlines = (StateInline, TextInline, VerdictInline, ClaimInline, SnapshotInline, JobInline)
    related_lists = (
        ("All verdicts", "reconciliation_reconciliationlog", "post__id__exact"),
        ("All claims", "reconciliation_affiliatereport", "post__id__exact"),
        ("All snapshots", "reconciliation_platformreport", "post__id__exact"),
        ("All jobs", "reconciliation_job", "post__id__exact"),
        ("Alerts", "alerts_alert", "post__id__exact"),
    )

    @admin.display(ordering="url")
    def post(self, post: Post) -> str:
        return title_in_short(post)

    @admin.display(description="address")
    def address(self, post: Post) -> SafeString:
        return format_html('<a href="{0}" rel="noreferrer">{0}</a>', post.url)

    def verdict(self, post: Post) -> SafeString | None:
        if (state := _state(post)) is None:
            return None
        outcome = state.outcome
        return badge(outcome.status, outcome.discrepancy_level) if outcome else badge(None)

    def claimed(self, post: Post) -> str | None:
        state = _state(post)
        return leading(state.current_claim, state.current_claim) if state else None

    def counted(self, post: Post) -> str | None:
        state = _state(post)
        return leading(state.current_claim, state.latest_snapshot) if state and state.latest_snapshot else None


def leading(claim: AffiliateReport, source: AffiliateReport | PlatformReport) -> str:
    """The claim's first figure, or what a snapshot says to it: "12,400 views"."""
    metric = next(name for name in CLAIMABLE if getattr(claim, f"claimed_{name}") is not None)
    value = getattr(source, f"claimed_{metric}" if source is claim else metric)
    return UNKNOWN if value is None else f"{figure(value)}\N{NO-BREAK SPACE}{metric}"


def _state(post: Post) -> PostState | None:
    """None for a post that nobody has claimed."""
    return getattr(post, "state", None)
