"""How lists of campaigns may be narrowed."""

from django.db.models import QuerySet
from django_filters import CharFilter, ChoiceFilter, UUIDFilter
from django_filters.rest_framework.filterset import FilterSet

from campaigns.models import Brand, Campaign
from platforms.metrics import ALIASES, PLATFORM_NAMES


class CampaignFilter(FilterSet):
    """By status, by a platform they run on now, and by whom, for what and where."""

    status = ChoiceFilter(choices=Campaign.Status.choices)
    platform = ChoiceFilter(choices=[(slug, slug) for slug in (*PLATFORM_NAMES, *ALIASES)], method="on_platform")
    advertiser = UUIDFilter()
    brand = CharFilter("brand__code", lookup_expr="iexact", label="code")
    market = CharFilter("market__code", lookup_expr="iexact", label="code")

    class Meta:
        model = Campaign
        fields: list[str] = []

    def on_platform(self, queryset: "QuerySet[Campaign]", name: str, slug: str) -> "QuerySet[Campaign]":
        return queryset.filter(
            campaign_platforms__platform__slug=ALIASES.get(slug, slug), campaign_platforms__closed_at=None
        )


class BrandFilter(FilterSet):
    """By the advertiser whose they are."""

    advertiser = UUIDFilter()

    class Meta:
        model = Brand
        fields: list[str] = []
