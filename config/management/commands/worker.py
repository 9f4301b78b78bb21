"""`manage.py worker`: work off the queue, under a watchdog, and find every second what the queue forgot."""

import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

import django_q.cluster
import psutil
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import close_old_connections

from config import cluster
from config.watchdog import run_under_watchdog
from reconciliation import tasks
from reconciliation.services import heartbeats, jobs


class Watch:
    """What the watchdog does besides: it sweeps with every tick, and notes a few seconds apart who is there."""

    def __init__(self) -> None:
        self._next_beat_at = time.monotonic()

    def tick(self, processes: Sequence[psutil.Process] = ()) -> None:
        """On a connection that may have been lost since the last time."""
        close_old_connections()
        if time.monotonic() >= self._next_beat_at:
            self._next_beat_at = time.monotonic() + heartbeats.BEAT_S
            self._beat(processes)
        tasks.sweep()

    def end(self) -> None:
        """The cluster's processes have all ended: what they held is free."""
        close_old_connections()
        self._beat([])
        jobs.lapse_leases_of(cluster=cluster.identity())

    def _beat(self, processes: Sequence[psutil.Process]) -> None:
        seen = heartbeats.seen_of(watchdog=psutil.Process(), cluster=processes)
        heartbeats.beat(cluster=cluster.identity(), seen=seen)


class Cluster(django_q.cluster.Cluster):
    """Tells its workers too that they are to stop: what they have begun is finished, and the rest is left."""

    def sig_handler(self, signum: Any, frame: Any) -> None:
        cluster.stop()
        super().sig_handler(signum, frame)


class Command(BaseCommand):
    help = "Run the workers until told to stop."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--unwatched", metavar="CLUSTER", help="Run the cluster itself; the watchdog does.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["unwatched"]:
            cluster.join(options["unwatched"])
            Cluster().start()
            return
        call_command("setup_schedules")
        watch = Watch()
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "worker", "--unwatched", cluster.identity()]
        sys.exit(run_under_watchdog(command, on_tick=watch.tick, on_end=watch.end))
