"""Addresses that visitors and shops call, and the pages about tracking."""

from django.urls import path, re_path

from campaigns import views
from campaigns.tracking import views as tracking

urlpatterns = [
    re_path(r"^t/(?P<code>[0-9A-Za-z]{8,16})\Z", views.follow, name="follow"),
    re_path(r"^postback/(?P<token>[0-9A-Za-z_-]{24,64})\Z", views.postback, name="postback"),
    path("links/", tracking.own_links, name="links"),
    path("campaigns/<uuid:pk>/tracking/", tracking.campaign_tracking, name="campaign-tracking"),
    path("campaigns/<uuid:pk>/tracking/panel/", tracking.campaign_tracking_panel, name="campaign-tracking-panel"),
    path("campaigns/<uuid:pk>/tracking/keys/", tracking.campaign_postback_keys, name="campaign-postback-keys"),
    path(
        "campaigns/<uuid:pk>/tracking/keys/<uuid:key_id>/revoke/",
        tracking.campaign_postback_key_revoke,
        name="campaign-postback-key-revoke",
    ),
]
