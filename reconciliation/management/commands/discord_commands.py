"""`manage.py discord_commands`: tell Discord which commands the application has. Harmless to repeat."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from platforms.errors import PlatformError
from reconciliation.discord import registration, sending


class Command(BaseCommand):
    help = "Register the application's commands with Discord, in place of those it has there."

    def handle(self, *args: Any, **options: Any) -> None:
        for name in ("DISCORD_APPLICATION_ID", "DISCORD_BOT_TOKEN"):
            if not getattr(settings, name):
                raise CommandError(f"{name} is not set: it is on the application's page in Discord's developer portal.")
        try:
            known = sending.replace_commands(registration.commands())
        except sending.RefusedError as refusal:
            raise CommandError(f"Discord refused ({refusal.code}): are the application's id and token right?") from None
        except PlatformError as error:
            raise CommandError(f"{error} Nothing was changed.") from None
        for command in known:
            self.stdout.write(f"{'/' if command.get('type', 1) == 1 else ''}{command.get('name')}")
        self.stdout.write(f"{len(known)} commands are registered.")
