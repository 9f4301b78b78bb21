from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    """What advertisers want, and what is published for it."""

    name = "campaigns"
