"""What an affiliate types to get a tracking link."""

from typing import Any

from django import forms

from affiliates.models import User
from campaigns.models import Campaign, CampaignPlatform
from config.words import validate_words


class LinkForm(forms.Form):
    """A link for a campaign on a platform."""

    place = forms.ModelChoiceField(CampaignPlatform.objects.none(), label="For", empty_label="Choose one")
    label = forms.CharField(
        label="What you call it",
        max_length=80,
        required=False,
        validators=[validate_words],
        help_text="Only you and the advertiser see it.",
    )
    another = forms.BooleanField(label="One more, beside the link I have there", required=False)

    def __init__(self, data: Any = None, *, user: User) -> None:
        super().__init__(data)
        campaigns = Campaign.objects.visible_to(user).linkable()
        places = CampaignPlatform.objects.filter(campaign__in=campaigns, closed_at=None)
        choice = self.fields["place"]
        choice.queryset = places.select_related("campaign", "platform").order_by(  # type: ignore[attr-defined]
            "campaign__campaign_name", "platform__name"
        )
        self.has_places = places.exists()
