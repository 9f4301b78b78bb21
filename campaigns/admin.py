"""Staff's pages for advertisers, their people and campaigns. Posts have theirs where their verdicts are."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from affiliates.admin import AuditedAdmin, actor
from campaigns import services
from campaigns.exports import CAMPAIGNS
from campaigns.models import (
    Advertiser,
    Brand,
    Campaign,
    CampaignPlatform,
    Click,
    Conversion,
    ConversionEvent,
    Enrolment,
    Market,
    Membership,
    PostbackKey,
    TrackingLink,
)
from campaigns.rates import Rates
from campaigns.tracking.keys import revoke_postback_key
from campaigns.tracking.links import disable_link, enable_link
from config.admin import ClosedAdmin, ClosedInline, ExportedAdmin, RowInline, badge, set_or_not

_RATES = ("rate_per_1000_views", "rate_per_click", "rate_per_conversion")
_SETTINGS = (
    "starts_on",
    "ends_on",
    "claim_window_days",
    "currency",
    "budget",
    "conversion_lag_h",
    "is_open",
    "allows_shared_content",
    "requires_proof",
    "landing_url",
    "click_window_min",
    "attribution_days",
    "allows_get_postbacks",
)


class MembershipInline(RowInline):
    model = Membership
    fields = ("user", "role")
    autocomplete_fields = ("user",)


@admin.register(Advertiser)
class AdvertiserAdmin(AuditedAdmin):
    list_display = ("name", "time_zone", "livemode", "is_active", "created_at")
    list_filter = ("is_active", "livemode")
    search_fields = ("name",)
    fields = ("name", "time_zone", "livemode", "is_active", "decides_disputes", "id", "created_at")
    fixed = ("livemode",)  # its campaigns carry a copy
    inlines = (MembershipInline,)
    related_lists = (
        ("Campaigns", "campaigns_campaign", "advertiser__id__exact"),
        ("Brands", "campaigns_brand", "advertiser__id__exact"),
    )


class _CodedAdmin(AuditedAdmin):
    """A brand or a market. Its code is part of campaigns' names and never changes; one without campaigns may go."""

    deletable = True
    fixed: Sequence[str] = ("code",)


@admin.register(Brand)
class BrandAdmin(_CodedAdmin):
    list_display = ("name", "code", "advertiser")
    list_select_related = ("advertiser",)
    search_fields = ("name", "code", "advertiser__name")
    autocomplete_fields = ("advertiser",)
    fields = ("advertiser", "code", "name", "id", "created_at")
    fixed = ("advertiser", "code")
    related_lists = (("Campaigns", "campaigns_campaign", "brand__id__exact"),)

    def save_model(self, request: HttpRequest, obj: Brand, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
        else:
            made = services.create_brand(by=actor(request), advertiser=obj.advertiser, code=obj.code, name=obj.name)
            obj.pk = made.pk


@admin.register(Market)
class MarketAdmin(_CodedAdmin):
    list_display = ("country", "code", "region")
    list_filter = ("region",)
    search_fields = ("country", "code", "region")
    fields = ("code", "country", "region", "id", "created_at")
    related_lists = (("Campaigns", "campaigns_campaign", "market__id__exact"),)

    def save_model(self, request: HttpRequest, obj: Market, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
        else:
            made = services.create_market(by=actor(request), code=obj.code, country=obj.country, region=obj.region)
            obj.pk = made.pk


class CampaignPlatformForm(forms.ModelForm):  # type: ignore[type-arg]
    closed = forms.BooleanField(required=False)

    class Meta:
        model = CampaignPlatform
        fields = ("platform", *_RATES, "recheck_plan")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["closed"].initial = self.instance.closed_at is not None


class CampaignPlatformInline(RowInline):
    """What a campaign runs on. One that is closed without having posts goes away."""

    model = CampaignPlatform
    form = CampaignPlatformForm
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[CampaignPlatform]:
        return super().get_queryset(request).select_related("platform", "campaign")


class CampaignForm(forms.ModelForm):  # type: ignore[type-arg]
    def clean(self) -> dict[str, Any]:
        """The database would refuse it as well, but in its own words."""
        cleaned = super().clean() or {}
        if "starts_on" in cleaned and "ends_on" in cleaned and cleaned["ends_on"] < cleaned["starts_on"]:
            self.add_error("ends_on", "The end can't be before the start.")
        return cleaned


@admin.register(Campaign)
class CampaignAdmin(ExportedAdmin):
    """Made and changed by the same services as in the dashboard, which record it. A campaign's names never change."""

    export = CAMPAIGNS
    import_kind = "campaigns"
    form = CampaignForm
    list_display = ("campaign_name", "standing", "advertiser", "brand", "market", "starts_on", "ends_on", "is_open")
    list_select_related = ("advertiser", "brand", "market")
    list_filter = ("status", "campaign_platforms__platform", "livemode", "is_open")
    search_fields = ("campaign_name", "name", "advertiser__name", "brand__name", "brand__code")
    date_hierarchy = "starts_on"
    autocomplete_fields = ("advertiser", "brand", "market")
    inlines = (CampaignPlatformInline,)
    actions = ("activate", "pause", "complete")
    row_actions = actions
    fixed = ("advertiser", "brand", "market", "campaign_name")
    readonly_fields = ("name", "standing", "livemode", "created_by", "updated_at", "id", "created_at")
    related_lists = (
        ("Posts", "campaigns_post", "campaign__id__exact"),
        ("Alerts", "alerts_alert", "campaign__id__exact"),
        ("Affiliates", "campaigns_enrolment", "campaign__id__exact"),
        ("Tracking links", "campaigns_trackinglink", "campaign__id__exact"),
        ("Conversions", "campaigns_conversion", "campaign__id__exact"),
        ("Postback keys", "campaigns_postbackkey", "campaign__id__exact"),
    )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return (*self.fixed, *_SETTINGS)
        return ("standing", *self.fixed, "name", *_SETTINGS, *self.readonly_fields[2:])

    @admin.display(description="status", ordering="status")
    def standing(self, campaign: Campaign) -> str:
        return badge(campaign.status)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Campaign, form: Any, change: bool) -> None:
        if change:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            services.update_campaign(campaign=obj, by=actor(request), **changes)
        else:
            made = services.create_campaign(by=actor(request), **form.cleaned_data)
            obj.pk, obj.name = made.pk, made.name

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        formset.save(commit=False)  # the forms themselves write nothing: the service takes the whole list
        if not formset.has_changed():
            return
        rows = [row.cleaned_data for row in formset.forms if row.cleaned_data and not row.cleaned_data["closed"]]
        terms = [
            services.PlatformTerms(row["platform"], Rates(*(row[rate] for rate in _RATES)), row["recheck_plan"])
            for row in rows
        ]
        services.set_platforms(campaign=form.instance, by=actor(request), platforms=terms)

    def offers(self, action: str, row: Campaign) -> bool:
        wanted = {"activate": ("draft", "paused"), "pause": ("active",), "complete": ("active", "paused")}
        return row.status in wanted[action]

    @admin.action(description="Activate", permissions=["decide"])
    def activate(self, request: HttpRequest, queryset: QuerySet[Campaign]) -> None:
        by = actor(request)
        self.act_on_each(request, queryset, lambda row: services.activate(campaign=row, by=by), "activated")

    @admin.action(description="Pause", permissions=["decide"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Campaign]) -> None:
        by = actor(request)
        self.act_on_each(request, queryset, lambda row: services.pause(campaign=row, by=by), "paused")

    @admin.action(description="Complete", permissions=["decide"])
    def complete(self, request: HttpRequest, queryset: QuerySet[Campaign]) -> None:
        by = actor(request)
        self.act_on_each(request, queryset, lambda row: services.complete(campaign=row, by=by), "completed")


@admin.register(Enrolment)
class EnrolmentAdmin(AuditedAdmin):
    list_display = ("affiliate", "campaign", "status", "created_at")
    list_select_related = ("affiliate", "campaign")
    list_filter = ("status",)
    search_fields = ("affiliate__name", "campaign__campaign_name", "campaign__name")
    ordering = ("-created_at",)
    autocomplete_fields = ("campaign", "affiliate")
    fields = ("campaign", "affiliate", "status", "id", "created_at")
    fixed = ("campaign", "affiliate")


@admin.register(TrackingLink)
class TrackingLinkAdmin(ClosedAdmin):
    list_display = ("code", "affiliate", "campaign", "platform", "label", "created_at", "disabled_at")
    list_select_related = ("affiliate", "campaign", "platform")
    list_filter = (set_or_not("disabled_at", "use", "Out of use", "In use"), "platform", "campaign__livemode")
    search_fields = ("code", "label", "affiliate__name", "campaign__campaign_name")
    fields = ("code", "campaign", "platform", "affiliate", "label", "destination", "disabled_at", "id", "created_at")
    actions = ("disable", "enable")
    row_actions = actions
    related_lists = (
        ("Clicks", "campaigns_click", "link__id__exact"),
        ("Conversions", "campaigns_conversion", "link__id__exact"),
        ("Posts", "campaigns_post", "tracking_link__id__exact"),
    )

    def offers(self, action: str, row: TrackingLink) -> bool:
        return (row.disabled_at is None) == (action == "disable")

    @admin.action(description="Take out of use", permissions=["decide"])
    def disable(self, request: HttpRequest, queryset: QuerySet[TrackingLink]) -> None:
        by = actor(request)
        self.act_on_each(request, queryset, lambda row: disable_link(link=row, by=by), "taken out of use")

    @admin.action(description="Put into use", permissions=["decide"])
    def enable(self, request: HttpRequest, queryset: QuerySet[TrackingLink]) -> None:
        by = actor(request)
        self.act_on_each(request, queryset, lambda row: enable_link(link=row, by=by), "put into use")


@admin.register(Click)
class ClickAdmin(ClosedAdmin):
    """Visits. The hashes tell nobody anything and are not shown."""

    list_display = ("at", "link", "link__affiliate", "link__campaign", "invalid_reason")
    list_select_related = ("link__affiliate", "link__campaign")
    list_filter = ("invalid_reason", "at")
    search_fields = ("=id", "=link__code")
    fields = ("id", "link", "at", "invalid_reason")
    readonly_fields = ("id",)
    ordering = ("-id",)  # the order of time, which the primary key has an index for


class ConversionEventInline(ClosedInline):
    model = ConversionEvent
    verbose_name_plural = "events"
    fields = ("at", "sequence", "status", "digest")


@admin.register(Conversion)
class ConversionAdmin(ClosedAdmin):
    list_display = ("received_at", "transaction_id", "campaign", "link", "amount", "currency", "status", "unattributed")
    list_select_related = ("campaign", "link")
    list_filter = ("status", "unattributed", "received_at")
    search_fields = ("=transaction_id", "=link__code", "campaign__campaign_name")
    ordering = ("-id",)
    inlines = (ConversionEventInline,)


@admin.register(ConversionEvent)
class ConversionEventAdmin(ClosedAdmin):
    list_display = ("at", "conversion", "sequence", "status")
    list_select_related = ("conversion",)
    list_filter = ("status", "at")
    search_fields = ("=conversion__transaction_id",)


@admin.register(PostbackKey)
class PostbackKeyAdmin(ClosedAdmin):
    """Keys without their secrets: whoever makes one, on the campaign's page or by the API, is shown it that once."""

    list_display = ("prefix", "last4", "campaign", "created_at", "revoked_at")
    list_select_related = ("campaign",)
    list_filter = (set_or_not("revoked_at", "state", "Revoked", "Live"),)
    search_fields = ("campaign__campaign_name", "=last4")
    fields = ("campaign", "prefix", "last4", "revoked_at", "id", "created_at")
    actions = ("revoke",)
    row_actions = actions

    def offers(self, action: str, row: PostbackKey) -> bool:
        return row.revoked_at is None

    @admin.action(description="Revoke", permissions=["decide"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[PostbackKey]) -> None:
        by = actor(request)
        self.act_on_each(request, queryset, lambda row: revoke_postback_key(key=row, by=by), "revoked")
