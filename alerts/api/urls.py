"""Addresses under /api/v1."""

from alerts.api import views
from config.api.routing import endpoint

urlpatterns = [
    endpoint("alerts", views.Alerts, name="api-alerts"),
    endpoint("exports/alerts.<str:file_format>", views.AlertsExport, name="api-export-alerts"),
    endpoint("alerts/<uuid:alert_id>", views.AlertDetail, name="api-alert"),
    endpoint("alerts/<uuid:alert_id>/acknowledge", views.Acknowledge, name="api-alert-acknowledge"),
    endpoint("alerts/<uuid:alert_id>/resolve", views.Resolve, name="api-alert-resolve"),
]
