from django.apps import AppConfig


class AffiliatesConfig(AppConfig):
    """Who comes in, and who promotes."""

    name = "affiliates"
