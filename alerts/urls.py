"""The dashboard's addresses for alerts."""

from django.urls import path

from alerts import views

app_name = "alerts"
urlpatterns = [
    path("alerts/", views.alerts, name="alerts"),
    path("alerts/panel/", views.panel, name="alert-panel"),
    path("alerts/counts/", views.counts, name="alert-counts"),
    path("alerts/<uuid:pk>/", views.alert, name="alert"),
    path("alerts/<uuid:pk>/acknowledge/", views.acknowledge, name="alert-acknowledge"),
    path("alerts/<uuid:pk>/resolve/", views.resolve, name="alert-resolve"),
]
