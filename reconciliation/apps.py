from django.apps import AppConfig
from django.apps.registry import Apps
from django.apps.registry import apps as installed
from django.db.models.signals import post_migrate


class ReconciliationConfig(AppConfig):
    """Claim against truth."""

    name = "reconciliation"

    def ready(self) -> None:
        post_migrate.connect(self._ensure_default_rules, sender=self)

    def _ensure_default_rules(self, *, apps: Apps = installed, **_: object) -> None:
        from reconciliation.services import rulesets  # models are there only once the apps are loaded

        if "ruleset" in apps.all_models[self.name]:  # not so after migrating backwards
            rulesets.ensure_default()
