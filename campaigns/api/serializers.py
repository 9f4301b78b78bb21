"""What is said about campaigns, and what may be said to make or change one."""

from typing import Any

from rest_framework import serializers
from rest_framework.reverse import reverse

from campaigns.landing import MAX_URL_CHARS
from campaigns.models import Campaign, valid_currency, validate_landing_url, validate_plan
from campaigns.plans import MAX_PLAN_CHARS
from campaigns.rates import Rates
from campaigns.services import FIRST_DAY, LAST_DAY, PlatformTerms
from config.api.fields import AmountField, CountField, DayField, FlagField, StrictSerializer, WordsField
from platforms.api.fields import PlatformField

ADVERTISER_SIDE_ONLY = ("budget", "conversion_lag_h", "attribution_days", "allows_get_postbacks", "postback_url")
MAX_PLATFORMS = 20


def _rate(of: str) -> AmountField:
    return AmountField(
        max_digits=12, decimal_places=4, required=False, allow_null=True, help_text=f"{of}, in the campaign's currency."
    )


class PlatformTermsSerializer(StrictSerializer):
    """A platform a campaign runs on, what it pays there, and when it looks again. A rate that is null is not paid."""

    platform = PlatformField()
    rate_per_1000_views = _rate("For 1,000 views")
    rate_per_click = _rate("For a click")
    rate_per_conversion = _rate("For a conversion")
    recheck_plan = WordsField(
        required=False,
        allow_blank=True,
        max_length=MAX_PLAN_CHARS,
        validators=[validate_plan],
        help_text='Times after a claim: "1h 6h 24h 72h 7d daily", or "never". Empty: as everywhere.',
    )
    closed_at = serializers.DateTimeField(read_only=True, help_text="It takes no new posts since then.")


class PlatformsSerializer(StrictSerializer):
    """The whole list of what a campaign runs on."""

    platforms = PlatformTermsSerializer(many=True, max_length=MAX_PLATFORMS)  # type: ignore[call-arg]  # the list's

    def terms(self) -> list[PlatformTerms]:
        """The list as the services take it."""
        return [
            PlatformTerms(
                row["platform"],
                Rates(row.get("rate_per_1000_views"), row.get("rate_per_click"), row.get("rate_per_conversion")),
                row.get("recheck_plan", ""),
            )
            for row in self.validated_data.get("platforms", ())
        ]


class CampaignSettingsSerializer(StrictSerializer):
    """What may be set when a campaign is made and later."""

    starts_on = DayField()
    ends_on = DayField()
    claim_window_days = CountField(
        required=False, max_value=366, help_text="Days after the end on which affiliates may still claim."
    )
    currency = WordsField(required=False, max_length=3, validators=[valid_currency], help_text="ISO 4217.")
    budget = AmountField(
        required=False, allow_null=True, max_digits=14, decimal_places=2, help_text="In the campaign's currency."
    )
    conversion_lag_h = CountField(required=False, max_value=24 * 60, help_text="How late a sale may be reported.")
    is_open = FlagField(required=False, help_text="Any affiliate may join with a first claim.")
    allows_shared_content = FlagField(
        required=False, help_text="One post may also serve another campaign that allows it."
    )
    requires_proof = FlagField(required=False, help_text="Claims are taken for posts of proven accounts only.")
    landing_url = WordsField(
        required=False,
        allow_blank=True,
        max_length=MAX_URL_CHARS,
        validators=[validate_landing_url],
        help_text="Where tracking links lead. Without one there are none, and clicks and sales can't be verified.",
    )
    click_window_min = CountField(
        required=False, min_value=1, max_value=24 * 60, help_text="A visitor counts once in so many minutes."
    )
    attribution_days = CountField(
        required=False, min_value=1, max_value=366, help_text="A sale goes back to a click at most so many days old."
    )
    allows_get_postbacks = FlagField(required=False, help_text="For shops that can only call an address.")


class NewCampaignSerializer(CampaignSettingsSerializer, PlatformsSerializer):
    """A campaign to be made. Its system name is made of brand, market, year and campaign name, and never changes."""

    advertiser = serializers.UUIDField(required=False, help_text="Needed by whoever manages several.")
    brand = WordsField(max_length=40, help_text="Its code.")
    market = WordsField(max_length=40, help_text="Its code.")
    campaign_name = WordsField(max_length=120)
    year = CountField(
        required=False, min_value=FIRST_DAY.year, max_value=LAST_DAY.year, help_text="The current one unless given."
    )
    platforms = PlatformTermsSerializer(many=True, required=False, max_length=MAX_PLATFORMS)  # type: ignore[call-arg]


class CampaignSerializer(CampaignSettingsSerializer):
    """A campaign. Affiliates' answers are without what is the advertiser's side's alone: see ADVERTISER_SIDE_ONLY."""

    id = serializers.UUIDField(read_only=True)
    name = serializers.CharField(read_only=True)
    campaign_name = serializers.CharField(read_only=True)
    status = serializers.ChoiceField(Campaign.Status.choices, read_only=True)
    advertiser = serializers.UUIDField(source="advertiser_id", read_only=True)
    brand = serializers.CharField(source="brand.code", read_only=True)
    market = serializers.CharField(source="market.code", read_only=True)
    last_claim_day = serializers.DateField(read_only=True)
    platforms = PlatformTermsSerializer(source="campaign_platforms", many=True, read_only=True)
    postback_url = serializers.SerializerMethodField(help_text="Where the advertiser's shop reports its sales.")
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)

    def get_postback_url(self, campaign: Campaign) -> str:
        return str(reverse("postback", [campaign.postback_token], request=self.context["request"]))

    def to_representation(self, instance: Campaign) -> dict[str, Any]:
        """Leaves out what is the advertiser's alone, unless `own_advertisers` (None: all) in the context says so."""
        answer = super().to_representation(instance)
        own = self.context["own_advertisers"]
        if own is not None and instance.advertiser_id not in own:
            for name in ADVERTISER_SIDE_ONLY:
                del answer[name]
            for platform in answer["platforms"]:
                del platform["recheck_plan"]
        return answer


class BrandSerializer(StrictSerializer):
    """What a campaign is for."""

    code = WordsField(max_length=40, help_text="2 to 12 letters A to Z and digits; part of campaigns' names.")
    name = WordsField(max_length=120)
    advertiser = serializers.UUIDField(
        source="advertiser_id", required=False, help_text="Needed by whoever manages several."
    )


class MarketSerializer(StrictSerializer):
    """Where a campaign runs."""

    code = WordsField(max_length=40, help_text="2 to 12 letters A to Z and digits; part of campaigns' names.")
    country = WordsField(max_length=80)
    region = WordsField(max_length=80, required=False, allow_blank=True)
