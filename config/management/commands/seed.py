"""`manage.py seed`: a believable month of advertisers, affiliates, claims and verdicts, made by the real pipeline."""

from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from config import clock
from config.demo import story
from config.demo.handout import handout, write_private
from config.demo.sandbox import SandboxControl, SandboxError
from config.demo.seeding import Contents, Seeding, contents
from config.progress import progress


def _addresses() -> Iterator[str]:
    """All that is asked: the platforms' APIs, where people connect their accounts, and where short links are opened."""
    for config in (*settings.PLATFORMS.values(), *settings.OAUTH.values()):
        yield from (address for name, address in config.items() if name.endswith("_url"))
    yield settings.LINK_RESOLVER_BASE_URL


class Command(BaseCommand):
    help = "Fill an empty database with a believable month. A database that has one is left as it is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=30, help="how far back it begins, 1 to 30")
        parser.add_argument("--posts", type=int, default=2000, help="about so many")
        parser.add_argument("--seed", type=int, default=7)
        parser.add_argument("--sandbox-url", default=settings.SANDBOX_URL, help="whose posts are claimed")
        parser.add_argument("--fresh", action="store_true", help="drop an earlier month first, and what came after it")
        parser.add_argument("--handout", type=Path, help="write the ways in, and posts to claim, to this file")
        parser.add_argument("--base-url", default="http://127.0.0.1:8000", help="the site's address in that file")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["days"] <= 30 or options["posts"] < 1:
            raise CommandError("--days: 1 to 30; --posts: at least 1.")
        url = options["sandbox_url"].rstrip("/")
        if not all(address.startswith(url) for address in _addresses()):
            raise CommandError(f"The platforms are read elsewhere: set SANDBOX_URL={url}, and no *_URL of theirs.")
        if not self._made_empty(options["fresh"]):
            return
        end = clock.now()
        sandbox = SandboxControl(url)
        try:
            world = sandbox.world()
            plan = story.tell(
                world,
                start=end - timedelta(days=options["days"]),
                end=end,
                posts=options["posts"],
                seed=options["seed"],
            )
            seeding = Seeding(plan, sandbox, options["seed"])
            self._run(seeding, plan)
        except (SandboxError, OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        if options["handout"]:
            ways_in = handout(
                logins=seeding.logins,
                keys=seeding.keys,
                world=world,
                base_url=options["base_url"],
                sandbox_url=url,
            )
            write_private(options["handout"], ways_in)

    def _made_empty(self, fresh: bool) -> bool:
        """Whether there is something to do. Only what a seeding made is ever dropped."""
        found = contents()
        if found == Contents.SOMETHING_ELSE:
            raise CommandError(
                "This database holds other data. Name an empty one in DATABASE_URL, or empty it: `manage.py flush`."
            )
        if found == Contents.A_STORY and not fresh:
            self.stdout.write("This database is seeded already; nothing was changed.")
            return False
        if found != Contents.NOTHING:
            self.stdout.write("Dropping the earlier seeding.")
            call_command("flush", interactive=False, verbosity=0)
        return True

    def _run(self, seeding: Seeding, plan: story.Story) -> None:
        total = sum(len(session.claims) for session in plan.sessions)
        done = 0
        with progress("Claims judged", total) as show:

            def on_session(session: story.Session) -> None:
                nonlocal done
                done += len(session.claims)
                show(done)

            seeding.run(on_session)
        self.stdout.write(f"{plan.posts:,} posts with {total:,} claims, {plan.start:%d %b} to {plan.end:%d %b %Y}.")
