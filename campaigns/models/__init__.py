"""Advertisers, their people and campaigns, the posts published for them, and what our own links and shops report."""

from campaigns.models.campaigns import (
    Advertiser,
    Brand,
    Campaign,
    CampaignPlatform,
    Enrolment,
    Market,
    Membership,
    Post,
    PostText,
    valid_code,
    valid_currency,
    validate_landing_url,
    validate_plan,
    validate_time_zone,
)
from campaigns.models.tracking import Click, ClickSalt, Conversion, ConversionEvent, PostbackKey, TrackingLink

__all__ = [
    "Advertiser",
    "Brand",
    "Campaign",
    "CampaignPlatform",
    "Click",
    "ClickSalt",
    "Conversion",
    "ConversionEvent",
    "Enrolment",
    "Market",
    "Membership",
    "Post",
    "PostText",
    "PostbackKey",
    "TrackingLink",
    "valid_code",
    "valid_currency",
    "validate_landing_url",
    "validate_plan",
    "validate_time_zone",
]
