"""Addresses under /api/v1."""

from affiliates.api import views
from config.api.routing import endpoint

urlpatterns = [
    endpoint("affiliates", views.Affiliates, name="api-affiliates"),
    endpoint("exports/affiliates.<str:file_format>", views.AffiliatesExport, name="api-export-affiliates"),
    endpoint("affiliates/me", views.Me, name="api-affiliate-me"),
    endpoint("affiliates/me/discord-code", views.DiscordCodes, name="api-affiliate-discord-code"),
]
