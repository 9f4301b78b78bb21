"""Every address of the site."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path, re_path

from config import views
from config.api.routing import endpoint
from reconciliation.discord.views import interactions

api_v1 = [
    path("", include("affiliates.api.urls")),
    path("", include("platforms.api.urls")),
    path("", include("campaigns.api.urls")),
    path("", include("reconciliation.api.urls")),
    path("", include("alerts.api.urls")),
]

pages = [
    path("admin/", admin.site.urls),
    path("login/", auth.LoginView.as_view(), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("password/", auth.PasswordChangeView.as_view(), name="password_change"),
    path("password/changed/", auth.PasswordChangeDoneView.as_view(), name="password_change_done"),
    path("", include("affiliates.urls")),
    path("", include("platforms.urls")),
    path("", include("reconciliation.urls")),
    path("", include("alerts.urls")),
]

urlpatterns = [
    path("", include("campaigns.urls")),
    path("api/v1/", include(api_v1)),
    endpoint("api/schema", views.Schema, name="api-schema"),
    endpoint("api/docs", views.Docs, name="api-docs"),
    path("health", views.health, name="health"),
    re_path(r"^discord/interactions/?$", interactions, name="discord-interactions"),
    *pages,
]

handler400 = views.bad_request
handler404 = views.page_not_found
handler500 = views.server_error
