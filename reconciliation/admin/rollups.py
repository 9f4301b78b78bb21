"""Roll-ups: what the dashboard's sums are read from."""

from django.contrib import admin

from config.admin import ClosedAdmin
from reconciliation.models import AffiliateRollUp, DayRollUp


class RollUpAdmin(ClosedAdmin):
    list_filter = ("verdict", "platform", "is_folded")
    readonly_fields = ("id",)
    ordering = ("-id",)


@admin.register(DayRollUp)
class DayRollUpAdmin(RollUpAdmin):
    list_display = ("day", "campaign", "platform", "verdict", "post_count", "claimed_sum", "money_sum", "currency")
    list_select_related = ("campaign", "platform")
    search_fields = ("campaign__campaign_name",)


@admin.register(AffiliateRollUp)
class AffiliateRollUpAdmin(RollUpAdmin):
    list_display = (
        "affiliate",
        "campaign",
        "platform",
        "verdict",
        "post_count",
        "claimed_sum",
        "money_sum",
        "currency",
    )
    list_select_related = ("affiliate", "campaign", "platform")
    search_fields = ("campaign__campaign_name", "affiliate__name")
