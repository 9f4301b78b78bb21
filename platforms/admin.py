"""Staff's pages for platforms, connections and accounts."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from affiliates.admin import AuditedAdmin, actor
from config.admin import ClosedAdmin, set_or_not
from platforms.models import Account, Connection, Platform
from platforms.services import resume_connection

LONGEST_LAG_H = 24 * 60
_SETTINGS = ("views_lag_h",)


class PlatformForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Platform
        fields = ("name", "is_active", "config")

    def clean_config(self) -> dict[str, Any]:
        """Judging reads these numbers, so nothing else gets in."""
        config = self.cleaned_data["config"] or {}
        if not isinstance(config, dict) or not set(config) <= set(_SETTINGS):
            raise ValidationError(f"An object of these settings, or an empty one: {', '.join(_SETTINGS)}.")
        if any(type(hours) is not int or not 0 <= hours <= LONGEST_LAG_H for hours in config.values()):
            raise ValidationError(f"A lag is a whole number of hours from 0 to {LONGEST_LAG_H:,}.")
        return config


@admin.register(Platform)
class PlatformAdmin(AuditedAdmin):
    """Platforms come with their adapters; staff switch them off and on and say how far their figures lag."""

    form = PlatformForm
    list_display = ("name", "slug", "is_active", "config")
    list_filter = ("is_active",)
    search_fields = ("name", "slug")
    fields = ("name", "slug", "is_active", "config", "id", "created_at")
    readonly_fields = ("id", "created_at", "slug")
    related_lists = (
        ("Connections", "platforms_connection", "platform__id__exact"),
        ("Posts", "campaigns_post", "platform__id__exact"),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Connection)
class ConnectionAdmin(ClosedAdmin):
    list_display = ("__str__", "state", "parked_reason", "last_call_at", "last_success_at", "not_before")
    list_select_related = ("platform", "affiliate")
    list_filter = ("state", "platform", "livemode")
    search_fields = ("platform__name", "affiliate__name", "parked_reason")
    ordering = ("platform__name", "-livemode", "affiliate__name")
    actions = ("resume",)
    row_actions = ("resume",)
    related_lists = (("Jobs", "reconciliation_job", "connection__id__exact"),)

    def offers(self, action: str, row: Connection) -> bool:
        return row.state == Connection.State.PARKED

    @admin.action(description="Resume", permissions=["decide"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        resumed = [row for row in queryset if resume_connection(connection_id=row.pk, by=actor(request))]
        for row in resumed:
            self.message_user(request, f"{row} works again; what waits for it goes on.", messages.SUCCESS)
        if not resumed:
            self.message_user(request, "None of these was parked.", messages.WARNING)


@admin.register(Account)
class AccountAdmin(AuditedAdmin):
    list_display = ("handle", "platform", "affiliate", "external_id", "proven_at")
    list_select_related = ("platform", "affiliate")
    list_filter = ("platform", set_or_not("proven_at", "owner", "Proven", "Said"))
    search_fields = ("handle", "external_id", "affiliate__name")
    ordering = ("handle",)
    autocomplete_fields = ("affiliate", "connection")
    fields = ("platform", "handle", "affiliate", "external_id", "connection", "proven_at", "id", "created_at")
    readonly_fields = ("id", "created_at", "proven_at")
