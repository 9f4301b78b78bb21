"""Addresses that visitors and shops call."""

from django.urls import re_path

from campaigns import views

urlpatterns = [
    re_path(r"^t/(?P<code>[0-9A-Za-z]{8,16})\Z", views.follow, name="follow"),
    re_path(r"^postback/(?P<token>[0-9A-Za-z_-]{24,64})\Z", views.postback, name="postback"),
]
