"""`manage.py demo`: everything at once, with a month of sample data, and one over-claim while you look on.

The month is made anew at each start, so that it ends at the present and nothing is left over that falls due. It goes
into the database of the settings, where the other commands find it; data that is not a demo's is never touched.
"""

import fcntl
import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from config import clock
from config.demo import postgres
from config.demo.handout import LIVE_POST
from config.demo.http import call
from config.demo.live import Api, LiveError, alert_about, submit_and_wait, trust_of
from config.demo.processes import StepFailedError, StoppedError, Supervisor, free_port, listener
from config.demo.report import about_alert, show, what_came_of_it
from platforms.metrics import PLATFORM_NAMES
from platforms.sandbox.world import SPAN, World

INTERRUPTED = 130
LIVE_OVER_CLAIM_PCT = 40
WORLD_SEED = 7
SANDBOX_ABOVE_WEB = 900
"""Beside a web on 8000 the sandbox is on 8900, where the other commands look for it; elsewhere if that is taken."""


def environment(sandbox_url: str) -> dict[str, str]:
    """What the programs are told, whatever this machine's settings for a real installation say."""
    services = [*settings.PLATFORMS.items(), *settings.OAUTH.items()]
    addresses = [f"{slug}_{name}".upper() for slug, config in services for name in config if name.endswith("_url")]
    return dict.fromkeys([*addresses, "LINK_RESOLVER_BASE_URL", "DISCORD_BASE_URL"], "") | {
        "PLATFORMS_LIVE": "0",
        "SANDBOX_URL": sandbox_url,
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "SECURE_COOKIES": "0",
        "OPEN_SIGNUP": "1",
        "THROTTLE_CALLER": "6000/min",
    }


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Keep a second demo, which would drop this one's data, from starting. Raises CommandError."""
    lock.parent.mkdir(exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CommandError("A demo of this checkout is running already.") from error
        yield


class Command(BaseCommand):
    help = "Run everything with sample data until Ctrl-C. The sample data is made anew each time."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="the web's")
        parser.add_argument("--once", action="store_true", help="end after the table")
        parser.add_argument("--days", type=int, default=30, help="of sample data")
        parser.add_argument("--posts", type=int, default=2000, help="of sample data, about")

    def handle(self, *args: Any, **options: Any) -> None:
        self._console = Console()
        self._base_url = f"http://127.0.0.1:{options['port']}"
        self._handout = settings.VAR_DIR / "demo.json"
        self._draft = self._handout.with_suffix(".draft")
        embedded = settings.DATABASES["default"].get("DIRECTORY")
        try:
            listener(options["port"]).close()
        except OSError as error:
            raise CommandError(f"Port {options['port']} is taken. Choose another: make demo PORT=8080") from error
        try:
            with only_one(settings.VAR_DIR / "demo.lock"), postgres.kept(Path(embedded) if embedded else None):
                self._run(options)
        except StoppedError:
            self._say("Stopped.")
            sys.exit(INTERRUPTED)
        except (StepFailedError, LiveError, OSError) as error:
            raise CommandError(str(error)) from error

    def _run(self, options: dict[str, Any]) -> None:
        self._handout.unlink(missing_ok=True)
        world = World(WORLD_SEED, clock.now() - SPAN)
        sandbox_port = free_port((options["port"] + SANDBOX_ABOVE_WEB) % 2**16)
        sandbox_url = f"http://127.0.0.1:{sandbox_port}"
        with Supervisor(settings.VAR_DIR / "log", environment(sandbox_url)) as programs:
            with self._step("PostgreSQL, and the tables in it"):
                programs.run("migrate", "--verbosity", "0")
            with self._step(f"Sandbox at {sandbox_url}"):
                where = ("--port", str(sandbox_port), "--seed", str(WORLD_SEED), "--epoch", world.epoch.isoformat())
                programs.start("sandbox", *where)
                programs.wait_until(lambda: _answers(sandbox_url), "sandbox")
            with self._step("A month that went by", has_its_own_bar=True):
                size = ("--days", str(options["days"]), "--posts", str(options["posts"]))
                files = ("--handout", str(self._draft), "--base-url", self._base_url, "--sandbox-url", sandbox_url)
                programs.run("seed", "--fresh", *size, *files, shown=True)
            with self._step("Workers, and the web"):
                programs.start("worker")
                programs.start("web", "--port", str(options["port"]))
                programs.run("ping_worker")
                programs.wait_until(lambda: _answers(f"{self._base_url}/health"), "web")
            self._show_one_claim(world, programs)
            self._draft.replace(self._handout)  # whoever waits for it finds everything ready
            if not options["once"]:
                self._say(f"\nServing {self._base_url} until Ctrl-C; the programs' logs are in {settings.VAR_DIR}/log.")
                programs.watch(lambda name: self._say(f"{name} ended, and is started again."))
        self._say("Everything has ended.")

    def _show_one_claim(self, world: World, programs: Supervisor) -> None:
        """An over-claim on an old post, over the API, and what came of it."""
        ways_in = json.loads(self._draft.read_text())
        post = world.post(*LIVE_POST)
        truth = post.figures_at(clock.now()).views or 0
        claim = {
            "campaign": ways_in["posts"][0]["campaign_id"],
            "platform": post.platform,
            "url": post.url,
            "title": post.title,
            "claimed_views": truth * (100 + LIVE_OVER_CLAIM_PCT) // 100,
        }
        affiliate = Api(self._base_url, ways_in["affiliates"][0]["api_key"])
        seen = submit_and_wait(affiliate, claim, programs.pause)
        trust = trust_of(affiliate, seen.standing["affiliate"]["id"])
        alert = alert_about(Api(self._base_url, ways_in["staff"]["api_key"]), seen, programs.pause)
        fields = [*what_came_of_it(seen, trust), about_alert(alert)]
        show(self._console, f"\nA claim, {LIVE_OVER_CLAIM_PCT} % too high, and what came of it", fields)
        people = {role: ways_in[role] for role in ("staff", "manager", "viewer")}
        logins = [(role, f"{person['email']}  {person['password']}") for role, person in people.items()]
        affiliate = ways_in["affiliate"]
        accounts = " and ".join(f"{handle} ({PLATFORM_NAMES[slug]})" for slug, handle in affiliate["accounts"].items())
        logins += [
            ("affiliate", f"{affiliate['email']}  {affiliate['password']}"),
            ("connections", f"{self._base_url}/connections/ as the affiliate: allow it for {accounts}"),
            ("API keys", f"and posts to claim: {self._handout}"),
        ]
        show(self._console, f"\nLog in at {self._base_url}", logins)

    @contextmanager
    def _step(self, what: str, *, has_its_own_bar: bool = False) -> Iterator[None]:
        started = time.monotonic()
        with nullcontext() if has_its_own_bar else self._console.status(what):
            yield
        self._say(f"{what}: {time.monotonic() - started:.1f} s")

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)


def _answers(url: str) -> bool:
    try:
        return call("GET", url).ok
    except OSError:
        return False
