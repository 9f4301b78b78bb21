"""The site that staff work in: Django's own, with its tables in the order of the house."""

from typing import Any

from django.apps import apps
from django.contrib.admin.apps import AdminConfig
from django.contrib.admin.sites import AdminSite
from django.http import HttpRequest

APP_ORDER = ("alerts", "reconciliation", "campaigns", "platforms", "affiliates", "auth", "django_q")


class StaffSite(AdminSite):
    """What a person must look at comes first, then the house from right to left, then accounts and the queue."""

    site_title = "Claimcheck admin"
    site_header = "Claimcheck"
    index_title = "All tables"

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Apps in APP_ORDER, each with its tables in the order in which its models are written."""
        app_list = super().get_app_list(request, app_label)
        for app in app_list:
            order = list(apps.get_app_config(app["app_label"]).get_models())
            app["models"].sort(key=lambda entry: order.index(entry["model"]))
        return sorted(app_list, key=lambda app: APP_ORDER.index(app["app_label"]))


class StaffSiteConfig(AdminConfig):
    """Stands in INSTALLED_APPS for django.contrib.admin."""

    default_site = "config.admin_site.StaffSite"
