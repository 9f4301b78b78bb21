"""The addresses of an affiliate's connections and accounts."""

from django.urls import path

from platforms import views

app_name = "connections"
urlpatterns = [
    path("connections/", views.connections, name="connections"),
    path("connections/accounts/", views.claim_account, name="account-claim"),
    path("connections/accounts/<uuid:pk>/", views.account, name="account"),
    path("connections/accounts/<uuid:pk>/check/", views.check_account, name="account-check"),
    path("connections/accounts/<uuid:pk>/withdraw/", views.withdraw_account, name="account-withdraw"),
    path("connections/<uuid:pk>/disconnect/", views.disconnect, name="disconnect"),
    path("connections/<slug:slug>/connect/", views.connect, name="connect"),
    path("connections/<slug:slug>/callback", views.callback, name="callback"),
    path("connections/<slug:slug>/token/", views.connect_with_token, name="token"),
]
