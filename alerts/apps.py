from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """What a person must look at."""

    name = "alerts"
