"""The table of campaigns as it is exported. Names of columns are stable: docs/api.md lists them."""

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Func, OuterRef, TextField, Value

from campaigns.models import CampaignPlatform
from config.tables.exporting import Export

_open_platforms = CampaignPlatform.objects.filter(campaign=OuterRef("pk"), closed_at=None).order_by("platform__slug")

CAMPAIGNS = Export(
    "campaigns",
    {
        "campaign_id": "id",
        "name": "name",
        "campaign_name": "campaign_name",
        "advertiser_id": "advertiser_id",
        "advertiser": "advertiser__name",
        "brand": "brand__code",
        "market": "market__code",
        "platforms": Func(
            ArraySubquery(_open_platforms.values("platform__slug")),
            Value(" "),
            function="array_to_string",
            output_field=TextField(),
        ),
        "status": "status",
        "starts_on": "starts_on",
        "ends_on": "ends_on",
        "claim_window_days": "claim_window_days",
        "budget": "budget",
        "currency": "currency",
        "is_open": "is_open",
        "allows_shared_content": "allows_shared_content",
        "requires_proof": "requires_proof",
        "landing_url": "landing_url",
        "livemode": "livemode",
        "created_at": "created_at",
        "updated_at": "updated_at",
    },
    advertiser="advertiser",
    advertiser_only={"budget"},
)
