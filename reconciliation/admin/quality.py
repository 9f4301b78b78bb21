"""What the data-quality rules noticed, and what they are still to look at."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from config.admin import ClosedAdmin
from reconciliation.admin.looking import LookedAtAdmin, post_title
from reconciliation.models import Finding, Unexamined, UsualViews
from reconciliation.quality import RULES


class RuleFilter(admin.SimpleListFilter):
    """By rule, in the rules' own words."""

    title = "rule"
    parameter_name = "rule"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(rule.name, rule.title) for rule in RULES.values()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Finding]) -> QuerySet[Finding]:
        return queryset.filter(rule=self.value()) if self.value() in RULES else queryset


@admin.register(Finding)
class FindingAdmin(LookedAtAdmin):
    list_display = ("created_at", "severity", "title", "sentence", post_title, "post__affiliate", "post__campaign")
    list_select_related = ("post__text", "post__affiliate", "post__campaign")
    list_filter = ("severity", RuleFilter, "post__platform", "post__campaign__livemode", "created_at")
    search_fields = ("post__url", "post__affiliate__name", "post__campaign__campaign_name")
    fields = (
        "title",
        "severity",
        "sentence",
        "error",
        "post",
        "affiliate_report",
        "verdict",
        "ruleset",
        "created_at",
        "id",
    )
    readonly_fields = ("title",)

    @admin.display(description="rule", ordering="rule")
    def title(self, finding: Finding) -> str:
        """The rule's name in words; its own name where it is no more."""
        return RULES[finding.rule].title if finding.rule in RULES else finding.rule


@admin.register(Unexamined)
class UnexaminedAdmin(ClosedAdmin):
    list_display = ("verdict",)
    list_select_related = ("verdict",)
    ordering = ("pk",)
    readonly_fields = ()


@admin.register(UsualViews)
class UsualViewsAdmin(ClosedAdmin):
    list_display = ("platform", "views", "counted_at")
    list_select_related = ("platform",)
    ordering = ("platform__name",)
    readonly_fields = ()
