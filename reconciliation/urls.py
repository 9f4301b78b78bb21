"""The dashboard's addresses."""

from django.urls import path

from reconciliation import views
from reconciliation.imports import views as imports

app_name = "dashboard"
urlpatterns = [
    path("", views.campaigns, name="campaigns"),
    path("campaigns/new/", views.campaign_new, name="campaign-new"),
    path("campaigns/name/", views.system_name, name="system-name"),
    path("campaigns/<uuid:pk>/", views.campaign, name="campaign"),
    path("campaigns/<uuid:pk>/edit/", views.campaign_edit, name="campaign-edit"),
    path("campaigns/<uuid:pk>/forecast/", views.campaign_forecast, name="campaign-forecast"),
    path("campaigns/<uuid:pk>/clawbacks/", views.campaign_clawbacks, name="campaign-clawbacks"),
    path("campaigns/<uuid:pk>/reconcile/", views.reconcile_campaign, name="campaign-reconcile"),
    path("campaigns/<uuid:pk>/<slug:move>/", views.campaign_move, name="campaign-move"),
    path("posts/<uuid:pk>/", views.post, name="post"),
    path("posts/<uuid:pk>/reconcile/", views.reconcile_post, name="post-reconcile"),
    path("affiliates/<uuid:pk>/trust/", views.affiliate_trust, name="trust"),
    path("claims/<uuid:pk>/withdraw/", views.claim_withdraw, name="claim-withdraw"),
    path("results/<uuid:pk>/dispute/", views.dispute_open, name="dispute-open"),
    path("disputes/<uuid:pk>/withdraw/", views.dispute_withdraw, name="dispute-withdraw"),
    path("disputes/<uuid:pk>/decide/", views.dispute_decide, name="dispute-decide"),
    path("runs/<uuid:pk>/", views.run_progress, name="run"),
    path("runs/<uuid:pk>/cancel/", views.run_cancel, name="run-cancel"),
    path("discrepancies/", views.discrepancies, name="discrepancies"),
    path("imports/", imports.imports, name="imports"),
    path("imports/<uuid:pk>/", imports.import_, name="import"),
    path("imports/<uuid:pk>/<slug:decision>/", imports.decide, name="import-decide"),
]
