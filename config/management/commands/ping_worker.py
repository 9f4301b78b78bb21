"""`manage.py ping_worker`: queue a task that does no harm, and see that a worker takes it."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django_q.models import OrmQ

from config.queue import enqueue

POLL_S = 0.05


class Command(BaseCommand):
    help = "Send a task through the queue. Fails unless a worker takes it in time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--timeout-s", type=float, default=60)

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        enqueue("reconciliation.tasks.sweep")
        newest = OrmQ.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        while OrmQ.objects.filter(pk__lte=newest).exists():
            if time.monotonic() > started + options["timeout_s"]:
                raise CommandError(f"No worker took a task within {options['timeout_s']:g} s.")
            time.sleep(POLL_S)
        self.stdout.write(f"A worker took a task within {time.monotonic() - started:.1f} s.")
