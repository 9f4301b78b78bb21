from django.apps import AppConfig
from django.db.models.signals import post_migrate


class PlatformsConfig(AppConfig):
    """How we speak to each platform, and as whom."""

    name = "platforms"

    def ready(self) -> None:
        from platforms import services  # models are there only once the apps are loaded

        post_migrate.connect(services.register_platforms, sender=self, dispatch_uid="platforms.register")
