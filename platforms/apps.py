from django.apps import AppConfig
from django.apps.registry import Apps
from django.apps.registry import apps as installed
from django.db.models.signals import post_migrate


class PlatformsConfig(AppConfig):
    """How we speak to each platform, and as whom."""

    name = "platforms"

    def ready(self) -> None:
        post_migrate.connect(self._register_platforms, sender=self)

    def _register_platforms(self, *, apps: Apps = installed, **_: object) -> None:
        from platforms.services import registry  # models are there only once the apps are loaded

        if "platform" in apps.all_models[self.name]:  # not so after migrating backwards
            registry.register_platforms()
