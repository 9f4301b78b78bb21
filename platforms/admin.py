"""Staff's pages for platforms, breakers, connections and accounts."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import ValidationError
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from affiliates.admin import AuditedAdmin, actor, record
from config import clock
from config.admin import ClosedAdmin, badge, set_or_not
from config.templatetags.look import figure
from platforms.breaker import Circuit
from platforms.errors import SettingRefusedError
from platforms.models import Account, Breaker, Connection, Platform
from platforms.services.lanes import clear_wait, reset_breaker, resume_connection
from platforms.services.settings import SETTINGS, checked, configure, credential_sources, default_figures, figures


class ShallowDecoder(json.JSONDecoder):
    """JSON as people write it: what is too deep or has too many digits to be read counts as none."""

    def decode(self, s: str, *args: Any) -> Any:
        try:
            return super().decode(s, *args)
        except (ValueError, RecursionError) as error:
            raise json.JSONDecodeError("no JSON of ours", s[:100], 0) from error


class PlatformForm(forms.ModelForm):  # type: ignore[type-arg]
    config = forms.JSONField(
        required=False,
        decoder=ShallowDecoder,
        widget=AdminTextareaWidget,
        help_text='What differs from the defaults below, for example {"views_lag_h": 24}.',
    )

    class Meta:
        model = Platform
        fields = ("name", "is_active", "config")

    def clean_config(self) -> dict[str, int]:
        """What the service takes, as it would store it."""
        try:
            return checked(self.instance, self.cleaned_data["config"] or {})
        except SettingRefusedError as refusal:
            where = f"{refusal.field}: " if refusal.field else ""
            raise ValidationError(f"{where}{refusal.message}") from refusal


@admin.register(Platform)
class PlatformAdmin(AuditedAdmin):
    """Platforms come with their adapters; staff switch them off and on and set what `services.settings` lets them."""

    form = PlatformForm
    list_display = ("name", "slug", "is_active", "config")
    list_filter = ("is_active",)
    search_fields = ("name", "slug")
    fields = ("name", "slug", "is_active", "config", "in_force", "credentials", "id", "created_at")
    readonly_fields = ("id", "created_at", "slug", "in_force", "credentials")
    related_lists = (
        ("Connections", "platforms_connection", "platform__id__exact"),
        ("Breakers", "platforms_breaker", "platform__id__exact"),
        ("Posts", "campaigns_post", "platform__id__exact"),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="in force")
    def in_force(self, platform: Platform) -> SafeString:
        """Everything that may be set: what holds, what would by default, and what it takes."""
        in_force, by_default = figures(platform), default_figures(platform)
        rows = [
            {
                "setting": setting,
                "value": in_force[name],
                "default": by_default[name],
                "overridden": name in platform.config,
            }
            for name, setting in SETTINGS.items()
        ]
        return render_to_string("admin/platforms/platform/settings.html", {"rows": rows})

    @admin.display(description="credentials")
    def credentials(self, platform: Platform) -> str:
        """Where each of the application's credentials comes from; what they are is never shown."""
        found = credential_sources(platform).items()
        lines = [f"{name}: {each['source'] if each['set'] else 'missing'}" for name, each in found]
        return ", ".join(lines) or "None: it is read with affiliates' connections."

    def save_model(self, request: HttpRequest, obj: Platform, form: Any, change: bool) -> None:
        """What is set goes through the service, which records the figures; the rest as on every form."""
        others = [name for name in form.changed_data if name != "config"]
        if others:
            obj.save(update_fields=others)
            record(request, "updated", obj, others)
        if "config" in form.changed_data:
            whole = dict.fromkeys(SETTINGS) | form.cleaned_data["config"]
            configure(platform=obj, by=actor(request), changes=whole)


@admin.register(Breaker)
class BreakerAdmin(ClosedAdmin):
    list_display = ("platform", "mode", "state_badge", "failures", "opened", "retry_at", "last_error", "changed_at")
    list_select_related = ("platform",)
    list_filter = ("state", "platform", "livemode")
    search_fields = ("platform__name", "last_error")
    fields = ("platform", "mode", "state_badge", "failures", "opened", "retry_at", "last_error", "changed_at", "id")
    readonly_fields = ("mode", "state_badge")
    actions = ("close",)
    row_actions = ("close",)

    @admin.display(ordering="livemode")
    def mode(self, breaker: Breaker) -> str:
        return _mode(breaker)

    @admin.display(description="state", ordering="state")
    def state_badge(self, breaker: Breaker) -> SafeString:
        return badge(breaker.state)

    def offers(self, action: str, row: Breaker) -> bool:
        return row.circuit != Circuit()

    @admin.action(description="Close the breaker", permissions=["decide"])
    def close(self, request: HttpRequest, queryset: QuerySet[Breaker]) -> None:
        """Let calls out again at once, without waiting for a probe."""
        closed = [row for row in queryset if reset_breaker(breaker_id=row.pk, by=actor(request))]
        for row in closed:
            self.message_user(request, f"{row}: closed, and its failures forgotten.", messages.SUCCESS)
        if not closed:
            self.message_user(request, "Closed already: calls go out.", messages.WARNING)


@admin.register(Connection)
class ConnectionAdmin(ClosedAdmin):
    list_display = (
        "__str__",
        "state_badge",
        "method",
        "parked_reason",
        "rate",
        "quota",
        "last_success_at",
        "not_before",
        "token_expires_at",
    )
    list_select_related = ("platform", "affiliate")
    list_filter = ("state", "method", "platform", "livemode")
    search_fields = ("platform__name", "affiliate__name", "parked_reason")
    # What waits for a person stands first.
    ordering = (F("parked_at").desc(nulls_last=True), "platform__name", "-livemode", "affiliate__name")
    readonly_fields = ("mode", "state_badge", "rate", "quota")
    fieldsets = (
        (None, {"fields": ("platform", "affiliate", "mode", "state_badge", "parked_at", "parked_reason")}),
        (
            "What it holds",
            {
                "fields": (
                    "method",
                    "scopes",
                    "connected_at",
                    "token_expires_at",
                    "refresh_expires_at",
                    "renewing_until",
                )
            },
        ),
        (
            "How the work goes",
            {"fields": ("rate", "quota", "not_before", "last_call_at", "last_success_at", "awaited_until")},
        ),
        ("Record", {"fields": ("id", "created_at")}),
    )
    actions = ("resume", "clear_wait")
    row_actions = ("resume", "clear_wait")
    related_lists = (
        ("Accounts", "platforms_account", "connection__id__exact"),
        ("Jobs", "reconciliation_job", "connection__id__exact"),
    )

    @admin.display(ordering="livemode")
    def mode(self, connection: Connection) -> str:
        return _mode(connection)

    @admin.display(description="state", ordering="state")
    def state_badge(self, connection: Connection) -> SafeString:
        return badge(connection.state)

    @admin.display(description="calls free now")
    def rate(self, connection: Connection) -> str:
        """What may leave at once, and the limit: "450; 1,800 in 60 s"."""
        limits = connection.platform.budget
        return f"{figure(connection.free_now)}; {figure(limits.rate_calls)} in {figure(limits.rate_window_s)} s"

    @admin.display(description="used today")
    def quota(self, connection: Connection) -> str:
        """What of the day's quota is gone: "120 of 10,000"."""
        limit = connection.platform.budget.daily_quota
        return figure(connection.quota_used_today) + (f" of {figure(limit)}" if limit else "")

    def offers(self, action: str, row: Connection) -> bool:
        if action == "resume":
            return row.state == Connection.State.PARKED
        return row.not_before is not None and row.not_before > clock.now()

    @admin.action(description="Resume", permissions=["decide"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        resumed = [row for row in queryset if resume_connection(connection_id=row.pk, by=actor(request))]
        for row in resumed:
            self.message_user(request, f"{row} works again; what waits for it goes on.", messages.SUCCESS)
        if not resumed:
            self.message_user(request, "None of these was parked.", messages.WARNING)

    @admin.action(description="Clear the wait", permissions=["decide"])
    def clear_wait(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        """Call before the moment that the platform named. The call budget still holds."""
        freed = [row for row in queryset if clear_wait(connection_id=row.pk, by=actor(request))]
        for row in freed:
            self.message_user(request, f"{row} may call again.", messages.SUCCESS)
        if not freed:
            self.message_user(request, "None of these was told to wait.", messages.WARNING)


def _mode(row: Breaker | Connection) -> str:
    return "Live" if row.livemode else "Test"


@admin.register(Account)
class AccountAdmin(AuditedAdmin):
    list_display = ("handle", "platform", "affiliate", "external_id", "proven_at")
    list_select_related = ("platform", "affiliate")
    list_filter = ("platform", set_or_not("proven_at", "owner", "Proven", "Said"))
    search_fields = ("handle", "external_id", "affiliate__name")
    ordering = ("handle",)
    autocomplete_fields = ("affiliate", "connection")
    fields = (
        *("platform", "handle", "affiliate", "external_id", "connection"),
        *("proven_at", "followers", "checked_at", "check_result", "id", "created_at"),
    )
    readonly_fields = ("id", "created_at", "proven_at", "followers", "checked_at", "check_result")
