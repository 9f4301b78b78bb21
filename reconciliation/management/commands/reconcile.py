"""`manage.py reconcile`: look again at posts, and work the looks off here."""

import time
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from campaigns.models import Post
from config import clock
from config.progress import progress
from reconciliation.errors import RunRefusedError
from reconciliation.models import Job, Run
from reconciliation.services import draining, runs

POLL_S = 0.2


class Command(BaseCommand):
    help = "Ask the platforms again about posts. Harmless to repeat: a claim keeps its last word."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--campaign", type=UUID, help="only this campaign's posts")
        parser.add_argument("--no-wait", action="store_true", help="leave the looks to the workers")

    def handle(self, *args: Any, **options: Any) -> None:
        scope = runs.Scope(campaign=options["campaign"])
        try:
            run = runs.request_run(posts=scope.among(Post.objects.all()), by=None, scope=scope.as_json())
        except RunRefusedError as error:
            raise CommandError(str(error)) from error
        if not options["no_wait"]:
            self._work_off(run)
        found = runs.progress([run])[run.pk]
        self.stdout.write(f"Run {run.pk}: {found.done:,} done, {found.pending:,} to do, {found.dead:,} dead.")

    def _work_off(self, run: Run) -> None:
        """Until nothing of the run is due or in somebody's hands: what failed is due later, and left to the workers."""
        looks = Job.objects.filter(run_jobs__run=run)
        with progress("Looked at", runs.progress([run])[run.pk].total) as show:
            while True:
                lanes = list(looks.forgotten_lanes(clock.now(), after=timedelta()))
                for lane in lanes:
                    draining.drain(connection_id=lane)
                show(runs.progress([run])[run.pk].done)
                if not lanes and not looks.filter(state=Job.State.LEASED, leased_until__gt=clock.now()).exists():
                    return
                time.sleep(POLL_S)
