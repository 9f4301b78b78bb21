"""Addresses under /api/v1."""

from config.api.routing import endpoint
from platforms.api import connections, views

urlpatterns = [
    endpoint("platforms/<slug:platform>/config", views.PlatformConfig, name="api-platform-config"),
    endpoint("affiliates/me/connections", connections.Connections, name="api-connections"),
    endpoint("affiliates/me/connections/<uuid:connection_id>", connections.ConnectionDetail, name="api-connection"),
    endpoint("affiliates/me/accounts", connections.Accounts, name="api-accounts"),
    endpoint("affiliates/me/accounts/<uuid:account_id>", connections.AccountDetail, name="api-account"),
    endpoint("affiliates/me/accounts/<uuid:account_id>/check", connections.AccountCheck, name="api-account-check"),
]
