"""`manage.py reconcile`: work off here what is due, look again at posts, or judge anew by what is stored."""

import time
from argparse import ArgumentParser
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from campaigns.models import Campaign, Post
from campaigns.querysets import PostQuerySet
from config import clock
from config.progress import progress
from reconciliation.models import Job, Run
from reconciliation.querysets import JobQuerySet
from reconciliation.services import draining, replaying, runs

POLL_S = 0.2
SHOWN_DIFFERENCES = 20


class Command(BaseCommand):
    help = (
        "Work off the looks that are due. With --campaign or --all: look again at posts, in runs that a repeated "
        "command goes on with. With --replay: judge anew by the snapshots that are stored, and ask nobody. It is "
        "harmless to repeat any of it: a claim keeps its last word."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--campaign", type=UUID, help="look at this campaign's posts again")
        which.add_argument("--all", action="store_true", help="look at every post again")
        parser.add_argument(
            "--replay", action="store_true", help="judge by what is stored, of all posts or a campaign's"
        )
        parser.add_argument("--no-wait", action="store_true", help="leave the looks to the workers")

    def handle(self, *args: Any, **options: Any) -> None:
        campaign = options["campaign"]
        if campaign and not Campaign.objects.filter(pk=campaign).exists():
            raise CommandError(f"There is no campaign {campaign}.")
        posts: PostQuerySet = runs.Scope(campaign=campaign).among(Post.objects.all())
        if options["replay"]:
            self._replay(posts)
        elif campaign or options["all"]:
            scope = {"campaign": str(campaign)} if campaign else {"all": True}
            self._look_again(runs.request_pages(posts=posts, scope=scope), posts, wait=not options["no_wait"])
        else:
            due = Job.objects.due(clock.now())
            settled = self._work_off(due, "Looked at", due.count())
            self.stdout.write(f"{settled:,} looks settled, {Job.objects.due(clock.now()).count():,} are due.")

    def _look_again(self, pages: Iterable[Run], posts: PostQuerySet, *, wait: bool) -> None:
        found = runs.Progress()
        for number, run in enumerate(pages, 1):
            if wait:
                total = runs.progress([run])[run.pk].total
                self._work_off(Job.objects.filter(run_jobs__run=run), f"Run {number}", total)
            page = runs.progress([run])[run.pk]
            found = runs.Progress(
                found.total + page.total,
                found.done + page.done,
                found.dead + page.dead,
                found.discarded + page.discarded,
            )
        if not found.total:
            raise CommandError("There is no post to look at.")
        self.stdout.write(f"{found.done:,} done, {found.pending:,} to do, {found.dead:,} dead.")

    def _work_off(self, looks: JobQuerySet, title: str, total: int) -> int:
        """Until nothing of it is due or in somebody's hands: what failed is due later, and left to the workers. Returns
        how many were settled here."""
        settled = 0
        with progress(title, total) as show:
            while True:
                lanes = list(looks.forgotten_lanes(clock.now(), after=timedelta()))
                for lane in lanes:
                    settled += draining.drain(connection_id=lane)
                left = looks.pending().count()
                show(max(0, total - left))
                if not lanes and not looks.filter(state=Job.State.LEASED, leased_until__gt=clock.now()).exists():
                    return settled
                time.sleep(POLL_S)

    def _replay(self, posts: PostQuerySet) -> None:
        done = verdicts = written = different = 0
        with progress("Judged anew", posts.count()) as show:
            for page in replaying.replay(posts=posts):
                done, verdicts, written = done + page.posts, verdicts + page.verdicts, written + page.written
                for difference in page.differences:
                    different += 1
                    if different <= SHOWN_DIFFERENCES:
                        self._tell(difference)
                show(done)
        more = f" ({SHOWN_DIFFERENCES} shown)" if different > SHOWN_DIFFERENCES else ""
        self.stdout.write(
            f"{verdicts:,} verdicts judged anew: {different:,} would come out otherwise{more} and stay as they are; "
            f"{written:,} that were missing are written."
        )

    def _tell(self, difference: replaying.Difference) -> None:
        changes = "; ".join(f"{name}: {before} → {now}" for name, (before, now) in difference.fields.items())
        self.stdout.write(f"{difference.verdict_id}: {changes}")
