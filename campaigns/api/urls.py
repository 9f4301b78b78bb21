"""Addresses under /api/v1."""

from campaigns.api import tracking, views
from config.api.routing import endpoint

urlpatterns = [
    endpoint("campaigns", views.Campaigns, name="api-campaigns"),
    endpoint("campaigns/<uuid:campaign_id>", views.CampaignDetail, name="api-campaign"),
    endpoint("campaigns/<uuid:campaign_id>/activate", views.Activate, name="api-campaign-activate"),
    endpoint("campaigns/<uuid:campaign_id>/pause", views.Pause, name="api-campaign-pause"),
    endpoint("campaigns/<uuid:campaign_id>/complete", views.Complete, name="api-campaign-complete"),
    endpoint("campaigns/<uuid:campaign_id>/platforms", views.CampaignPlatforms, name="api-campaign-platforms"),
    endpoint("campaigns/<uuid:campaign_id>/links", tracking.Links, name="api-campaign-links"),
    endpoint("campaigns/<uuid:campaign_id>/postback-keys", tracking.PostbackKeys, name="api-postback-keys"),
    endpoint(
        "campaigns/<uuid:campaign_id>/postback-keys/<uuid:key_id>",
        tracking.PostbackKeyDetail,
        name="api-postback-key",
    ),
    endpoint("exports/campaigns.<str:file_format>", views.CampaignsExport, name="api-export-campaigns"),
    endpoint("brands", views.Brands, name="api-brands"),
    endpoint("markets", views.Markets, name="api-markets"),
]
