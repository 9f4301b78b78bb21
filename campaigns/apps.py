from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from campaigns import plans


class CampaignsConfig(AppConfig):
    """What advertisers want, and what is published for it."""

    name = "campaigns"

    def ready(self) -> None:
        """Raises ImproperlyConfigured where the plan that holds everywhere is none."""
        try:
            plans.plan_of(settings.RECHECK_PLAN)
        except ValueError as reason:
            raise ImproperlyConfigured(f"RECHECK_PLAN: {reason}") from reason
