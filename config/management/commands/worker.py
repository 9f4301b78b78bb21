"""`manage.py worker`: work off the queue, under a watchdog, and find every second what the queue forgot."""

import sys
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import close_old_connections

from config.watchdog import run_under_watchdog
from reconciliation import tasks


def tick() -> None:
    """Sweep, on a connection that may have been lost since the last time."""
    close_old_connections()
    tasks.sweep()


class Command(BaseCommand):
    help = "Run the workers until told to stop."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("setup_schedules")
        sys.exit(run_under_watchdog([sys.executable, str(settings.BASE_DIR / "manage.py"), "qcluster"], on_tick=tick))
