"""The ledger: blocks and what is in them, to be looked at."""

from django.contrib import admin

from config.admin import ClosedAdmin
from reconciliation.models import Block, SealedReceipt


@admin.register(Block)
class BlockAdmin(ClosedAdmin):
    list_display = ("number", "day", "campaign", "count", "sha256", "created_at")
    list_select_related = ("campaign",)
    search_fields = ("campaign__campaign_name", "=sha256")
    date_hierarchy = "day"
    related_lists = (("Receipts", "reconciliation_sealedreceipt", "block__id__exact"),)


@admin.register(SealedReceipt)
class SealedReceiptAdmin(ClosedAdmin):
    list_display = ("block", "position", "verdict", "sha256")
    list_select_related = ("block", "verdict")
    search_fields = ("=sha256", "=verdict__id")
    ordering = ("-block__number", "position")
