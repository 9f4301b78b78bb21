"""The addresses of an affiliate's own panels."""

from django.urls import path

from affiliates import views

app_name = "affiliates"
urlpatterns = [
    path("discord/", views.discord_panel, name="discord"),
    path("discord/code/", views.discord_code, name="discord-code"),
    path("discord/unlink/", views.discord_unlink, name="discord-unlink"),
]
