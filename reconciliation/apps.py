from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ReconciliationConfig(AppConfig):
    """Claim against truth."""

    name = "reconciliation"

    def ready(self) -> None:
        from reconciliation.services import rulesets  # models are there only once the apps are loaded

        post_migrate.connect(rulesets.ensure_default, sender=self, dispatch_uid="reconciliation.default_ruleset")
