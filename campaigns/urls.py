"""Addresses that visitors and shops call."""

from django.urls import re_path

from campaigns import views

urlpatterns = [
    re_path(r"^t/(?P<code>[0-9A-Za-z]{8,16})\Z", views.follow, name="follow"),
]
