from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Composes the apps: settings, urls, shared bricks, the demo. It has no tables."""

    name = "config"
