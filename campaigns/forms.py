"""The forms by which an advertiser's managers make and change campaigns."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.core.validators import RegexValidator
from django.forms.models import model_to_dict

from affiliates.models import User
from campaigns.landing import MAX_URL_CHARS
from campaigns.models import (
    Advertiser,
    Brand,
    Campaign,
    CampaignPlatform,
    Market,
    valid_code,
    validate_landing_url,
    validate_plan,
)
from campaigns.naming import CODE, campaign_name
from campaigns.plans import MAX_PLAN_CHARS
from campaigns.rates import Rates
from campaigns.services import PlatformTerms
from platforms.models import Platform

CURRENCIES = (
    "USD", "EUR", "GBP", "AED", "AUD", "BRL", "CAD", "CHF", "CZK", "DKK", "HKD", "INR", "JPY", "KRW", "MXN", "NOK",
    "NZD", "PLN", "SEK", "SGD", "ZAR",
)  # fmt: skip
RUNS_FOR = timedelta(days=30)
_RATES = ("rate_per_1000_views", "rate_per_click", "rate_per_conversion")


class DayInput(forms.DateInput):
    """The browser's own calendar; it takes and gives ISO days only."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class CampaignForm(forms.Form):
    """What can be changed at any time. Its names and codes can't: see NewCampaignForm."""

    starts_on = forms.DateField(label="First day", widget=DayInput())
    ends_on = forms.DateField(label="Last day", widget=DayInput())
    claim_window_days = forms.IntegerField(
        label="Claim window, days",
        min_value=0,
        max_value=366,
        help_text="Claims are taken so long after the last day.",
    )
    currency = forms.ChoiceField()
    budget = forms.DecimalField(max_digits=14, decimal_places=2, min_value=0, required=False)
    conversion_lag_h = forms.IntegerField(
        label="Sales may lag, hours",
        min_value=0,
        max_value=24 * 60,
        help_text="Claimed sales are judged for good after that.",
    )
    is_open = forms.BooleanField(
        label="Open to all affiliates",
        required=False,
        help_text="Anybody may join with a first claim. Otherwise only those you invited may claim.",
    )
    allows_shared_content = forms.BooleanField(
        label="Posts may serve another campaign too",
        required=False,
        help_text="One post may then be claimed in each campaign that allows it.",
    )
    requires_proof = forms.BooleanField(
        label="Proven accounts only",
        required=False,
        help_text="Affiliates connect or prove their account first; posts of other accounts stay unverified.",
    )

    landing_url = forms.CharField(
        label="Landing page",
        max_length=MAX_URL_CHARS,
        required=False,
        validators=[validate_landing_url],
        help_text="Where affiliates' tracking links lead. Without one, clicks and sales can't be verified.",
    )
    click_window_min = forms.IntegerField(
        label="Click window, minutes",
        min_value=1,
        max_value=24 * 60,
        help_text="A visitor's clicks on one link count once in that time.",
    )
    attribution_days = forms.IntegerField(
        label="Attribution window, days",
        min_value=1,
        max_value=366,
        help_text="A sale goes back to a click that is at most so old.",
    )
    allows_get_postbacks = forms.BooleanField(
        label="The shop may report sales by GET", required=False, help_text="For shops that can only call an address."
    )

    def __init__(self, data: Any = None, *, campaign: Campaign, **kwargs: Any) -> None:
        super().__init__(data, initial=model_to_dict(campaign) | kwargs.pop("initial", {}), **kwargs)
        currencies = dict.fromkeys([*CURRENCIES, campaign.currency])
        self.fields["currency"].choices = [(code, code) for code in currencies]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        first, last = cleaned.get("starts_on"), cleaned.get("ends_on")
        if first and last and last < first:
            self.add_error("ends_on", "The last day can't be before the first.")
        return cleaned


class NewCampaignForm(CampaignForm):
    """A campaign that is to be made: whose, for what and where. The brand is one of theirs, or typed in."""

    advertiser = forms.ModelChoiceField(Advertiser.objects.none(), empty_label=None)
    campaign_name = forms.CharField(label="Name", max_length=120)
    brand = forms.ModelChoiceField(Brand.objects.none(), required=False, empty_label="A new brand")
    new_brand_name = forms.CharField(label="Name of the new brand", max_length=120, required=False)
    new_brand_code = forms.CharField(
        label="Its code",
        max_length=12,
        required=False,
        validators=[RegexValidator(rf"(?i)\A{CODE.pattern}\Z", valid_code.message)],
        help_text="2 to 12 letters and digits, such as NWB. It leads the campaign's system name.",
    )
    market = forms.ModelChoiceField(Market.objects.all(), empty_label="Choose one")

    def __init__(self, data: Any = None, *, user: User) -> None:
        advertisers = Advertiser.objects.managed_by(user)
        mine = list(advertisers)
        today = mine[0].today
        brands = Brand.objects.filter(advertiser__in=advertisers).select_related("advertiser")
        first = {"advertiser": mine[0], "brand": brands.filter(advertiser=mine[0]).first()}
        super().__init__(data, campaign=Campaign(), initial=first | {"starts_on": today, "ends_on": today + RUNS_FOR})
        self.fields["advertiser"].queryset = advertisers  # type: ignore[attr-defined]
        self.fields["advertiser"].disabled = len(mine) == 1
        choice = self.fields["brand"]
        choice.queryset = brands  # type: ignore[attr-defined]
        if len(mine) > 1:
            choice.label_from_instance = lambda brand: f"{brand} · {brand.advertiser}"  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        brand = cleaned.get("brand")
        if "brand" in self.errors:
            return cleaned
        if brand is None:
            for name in ("new_brand_name", "new_brand_code"):
                if name not in self.errors and not cleaned.get(name):
                    self.add_error(name, "Choose one of your brands, or say what the new one is called.")
        elif brand.advertiser != cleaned.get("advertiser"):
            self.add_error("brand", "This is another advertiser's brand.")
        return cleaned

    @property
    def system_name(self) -> str:
        """What the campaign would be called, with words where something is still missing."""
        self.is_valid()
        given = self.cleaned_data if self.is_bound else self.initial
        brand, advertiser = given.get("brand"), given.get("advertiser") or self.initial["advertiser"]
        parts = {
            "brand": brand.code if brand else given.get("new_brand_code") or "BRAND",
            "market": given["market"].code if given.get("market") else "MARKET",
            "title": given.get("campaign_name") or "Name",
        }
        try:
            return campaign_name(year=advertiser.today.year, **parts)
        except ValueError:  # a name without letters and digits, which saving refuses with a reason
            return campaign_name(year=advertiser.today.year, **parts | {"title": "Name"})


class PlatformForm(forms.Form):
    """One platform: whether the campaign runs on it, what it pays there, and when it looks again. Rates may stay empty:
    nothing is paid."""

    runs = forms.BooleanField(required=False)
    rate_per_1000_views = forms.DecimalField(
        label="Per 1,000 views", max_digits=12, decimal_places=4, min_value=0, required=False
    )
    rate_per_click = forms.DecimalField(label="Per click", max_digits=12, decimal_places=4, min_value=0, required=False)
    rate_per_conversion = forms.DecimalField(
        label="Per conversion", max_digits=12, decimal_places=4, min_value=0, required=False
    )

    recheck_plan = forms.CharField(
        label="Look again",
        max_length=MAX_PLAN_CHARS,
        required=False,
        validators=[validate_plan],
        help_text="So long after a claim, and daily to the campaign's end; or never. Empty: as shown in grey.",
    )

    def __init__(self, data: Any, *, platform: Platform, assigned: CampaignPlatform | None) -> None:
        super().__init__(data, prefix=platform.slug, initial=self._initial(assigned) if assigned else {})
        self.platform = platform
        self.is_closed = bool(assigned and assigned.closed_at)
        self.fields["runs"].label = platform.name
        self.fields["recheck_plan"].widget.attrs["placeholder"] = settings.RECHECK_PLAN

    def _initial(self, assigned: CampaignPlatform) -> dict[str, Any]:
        rates = {name: getattr(assigned, name) for name in _RATES}
        written = {name: rate if rate is None else f"{rate.normalize():f}" for name, rate in rates.items()}
        return {"runs": assigned.closed_at is None, **written, "recheck_plan": assigned.recheck_plan}

    @property
    def rate_fields(self) -> Iterator[forms.BoundField]:
        """The rates alone, which stand side by side."""
        return (self[name] for name in _RATES)

    @property
    def terms(self) -> PlatformTerms | None:
        """What the valid form says; None where the campaign is not to run here."""
        given = self.cleaned_data
        if not given["runs"]:
            return None
        rates = Rates(given["rate_per_1000_views"], given["rate_per_click"], given["rate_per_conversion"])
        return PlatformTerms(self.platform, rates, given["recheck_plan"])
