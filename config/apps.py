from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Composes the apps: settings, urls, shared bricks, the demo. It has no tables."""

    name = "config"

    def ready(self) -> None:
        from config import checks  # noqa: F401  # registers itself; needs the settings
