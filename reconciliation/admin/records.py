"""Claims, snapshots, verdicts and trust: what was recorded, to be looked at."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from config.admin import ClosedAdmin, ClosedInline, ExportedAdmin, badge, set_or_not
from config.templatetags.look import money, signed_percent
from reconciliation.admin.deciding import OverrideInline, ask_and_override
from reconciliation.admin.looking import LookedAtAdmin, VerdictFilter, post_title
from reconciliation.admin.posts import VerdictInline
from reconciliation.exports import CLAIMS, SNAPSHOTS, VERDICTS
from reconciliation.models import (
    AffiliateReport,
    ClaimWithdrawal,
    PlatformReport,
    PlatformReportBody,
    PlatformTrust,
    ReconciliationLog,
    ReportEvidence,
    TrustEvent,
    TrustScore,
)
from reconciliation.trust import KINDS


class EvidenceInline(ClosedInline):
    model = ReportEvidence
    verbose_name_plural = "what came with it"
    fields = ("evidence_data",)


class WithdrawalInline(ClosedInline):
    model = ClaimWithdrawal
    verbose_name_plural = "its withdrawal"
    fields = ("created_at", "reason", "is_unseen", "withdrawn_by")


class BodyInline(ClosedInline):
    model = PlatformReportBody
    verbose_name_plural = "the answer as it was received"
    fields = ("raw_data",)


@admin.register(AffiliateReport)
class AffiliateReportAdmin(ExportedAdmin, LookedAtAdmin):
    export = CLAIMS
    import_kind = "claims"
    list_display = (
        "claimed_at",
        post_title,
        "post__affiliate",
        "post__campaign",
        "claimed_views",
        "claimed_clicks",
        "claimed_conversions",
        "submission_method",
    )
    list_select_related = ("post__text", "post__affiliate", "post__campaign")
    list_filter = ("post__platform", "submission_method", "post__campaign__livemode", "claimed_at")
    search_fields = ("post__url", "post__affiliate__name", "post__campaign__campaign_name", "=request_id")
    inlines = (VerdictInline, WithdrawalInline, EvidenceInline)


@admin.register(PlatformReport)
class PlatformReportAdmin(ExportedAdmin, LookedAtAdmin):
    export = SNAPSHOTS
    list_display = (
        "fetched_at",
        post_title,
        "post__affiliate",
        "availability",
        "views",
        "clicks",
        "conversions",
        "likes",
    )
    list_select_related = ("post__text", "post__affiliate", "post__campaign")
    list_filter = ("post__platform", "availability", "post__campaign__livemode", "fetched_at")
    search_fields = ("post__url", "post__affiliate__name", "=request_id")
    inlines = (VerdictInline, BodyInline)


@admin.register(ReconciliationLog)
class ReconciliationLogAdmin(ExportedAdmin, LookedAtAdmin):
    export = VERDICTS
    list_display = (
        "processed_at",
        "verdict",
        post_title,
        "post__affiliate",
        "post__campaign",
        "over",
        "at_risk",
        "next_look_at",
    )
    list_select_related = ("post__text", "post__affiliate", "post__campaign")
    list_filter = (
        VerdictFilter,
        set_or_not("next_look_at", "standing", "For now", "Counted"),
        "post__platform",
        "post__campaign__livemode",
        "trust_effect",
    )
    search_fields = ("post__url", "post__affiliate__name", "post__campaign__campaign_name", "=request_id")
    date_hierarchy = "processed_at"
    actions = (*LookedAtAdmin.actions, "override")
    row_actions = actions
    inlines = (OverrideInline,)
    readonly_fields = ("verdict", "at_risk")
    fields = (
        "verdict",
        "explanation",
        "post",
        "affiliate_report",
        "platform_report",
        ("views_discrepancy", "views_diff_pct"),
        ("clicks_discrepancy", "clicks_diff_pct"),
        ("conversions_discrepancy", "conversions_diff_pct"),
        "confidence",
        "trust_effect",
        "at_risk",
        "next_look_at",
        "processed_at",
        "ruleset",
        "request_id",
        "id",
    )
    related_lists = (("Alert", "alerts_alert", "verdict__id__exact"),)

    def offers(self, action: str, row: ReconciliationLog) -> bool:
        return action != "override" or row.is_counted

    @admin.action(description="Decide otherwise", permissions=["decide"])
    def override(self, request: HttpRequest, queryset: QuerySet[ReconciliationLog]) -> HttpResponse | None:
        """People may see what no source shows."""
        return ask_and_override(self, request, queryset)

    @admin.display(ordering="status")
    def verdict(self, verdict: ReconciliationLog) -> SafeString:
        return badge(verdict.status, verdict.discrepancy_level)

    @admin.display(description="views over", ordering="views_diff_pct")
    def over(self, verdict: ReconciliationLog) -> str:
        return signed_percent(verdict.views_diff_pct)

    @admin.display(description="money at risk", ordering="money_at_risk")
    def at_risk(self, verdict: ReconciliationLog) -> str:
        return money(verdict.money_at_risk, verdict.currency)


_OUTCOMES = tuple(kind.lower() for kind in KINDS)


class PlatformTrustInline(ClosedInline):
    model = PlatformTrust
    fields = ("platform", "accurate_submissions", "total_submissions", *_OUTCOMES)


@admin.register(TrustScore)
class TrustScoreAdmin(ClosedAdmin):
    list_display = ("affiliate", "trust_score", "accurate_submissions", "total_submissions", "updated_at")
    inlines = (PlatformTrustInline,)
    fields = ("affiliate", "trust_score", ("accurate_submissions", "total_submissions"), _OUTCOMES, "updated_at")
    list_select_related = ("affiliate",)
    search_fields = ("affiliate__name",)
    ordering = ("trust_score", "affiliate__name")
    readonly_fields = ()
    related_lists = (
        ("What it counts", "reconciliation_trustevent", "affiliate__id__exact"),
        ("Posts", "campaigns_post", "affiliate__id__exact"),
        ("Alerts", "alerts_alert", "affiliate__id__exact"),
    )


@admin.register(TrustEvent)
class TrustEventAdmin(ClosedAdmin):
    list_display = ("claimed_at", "affiliate", "kind", "effect", post_title, "platform", "day")
    list_select_related = ("affiliate", "post__text", "post__campaign", "platform")
    list_filter = ("kind", "effect", "platform")
    search_fields = ("affiliate__name", "post__url")
    ordering = ("-claimed_at", "-claim_id")
