"""Real workers on a database of their own, while whatever can die does: `python -m tests.chaos.cluster --claims 10000`.
With `--over-s 600` the claims, and the killing, go on for ten minutes.

Claims come in all the while. Every two seconds a process of the cluster, now and then its watchdog, is killed with -9;
now and then the sandbox; PostgreSQL is ended twice, the second time without a word. Of the calls, one in ten fails
and one in fifty hangs. Whoever dies is started again, as a service manager would. In the end each claim has its one
counted verdict, and all invariants hold; else this ends with 1.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import psutil

from config.demo.processes import free_port
from config.embedded import client, server

HERE = Path(tempfile.mkdtemp(prefix="claimcheck-chaos-"))
SOCKETS = server.socket_directory(HERE / "postgres")
SANDBOX_URL = f"http://127.0.0.1:{free_port(0)}"
os.environ |= {
    "DATABASE_URL": f"postgres://{server.USER}@/{server.DATABASE}?host={quote(str(SOCKETS), safe='')}",
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "SANDBOX_URL": SANDBOX_URL,
}

import django

client.ensure(HERE / "postgres")
django.setup()

from django.core.management import call_command
from django.db import Error, connection
from django.db.models import Count, Q
from rich.console import Console

from affiliates.models import Affiliate
from alerts import services as alert_services
from campaigns.models import Campaign
from config import clock
from config.demo.http import call
from platforms.models import Platform
from platforms.sandbox.world import SPAN, Series, World
from reconciliation.comparison import Figures
from reconciliation.errors import BusyError
from reconciliation.models import AffiliateReport, Job
from reconciliation.services import submission
from reconciliation.services.admission import Entry
from tests.factories import AffiliateFactory, CampaignFactory
from tests.invariants import broken

LANES = ("youtube", "x", "reddit")
T = TypeVar("T")
KILL_EVERY_S = 2.0
KILLS_AT_LEAST = 5
WATCHDOG_EVERY = 10
"""Of so many kills, one is the watchdog's."""
SANDBOX_EVERY, SANDBOX_FIRST = 20, 7
"""Of so many kills, one is the sandbox's; which one is the first."""
FAULTS = {"server_error": 0.10, "timeout": 0.02}
FAULT_S = 3600
PEOPLE = 20
CLAIMS_A_SECOND = 200
AGAIN = 0.1
"""This part of the claims is for posts that were claimed before."""


class Program:
    """A program of the project that is started again whenever it has died."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self.start()

    def start(self) -> None:
        with (HERE / f"{self._arguments[0]}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", *self._arguments],
                cwd=client.PROJECT_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def family(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(45)
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.kill()


class Fire:
    """One run: what is there, who has died, and what came of it."""

    def __init__(self, claims: int, seed: int, over_s: float) -> None:
        self.claims = claims
        self.over_s = over_s
        self.rng = random.Random(seed)
        self.epoch = clock.now() - SPAN
        self.world = World(7, self.epoch)
        self.say = Console(soft_wrap=True, highlight=False).print
        self.kills = self.submitted = 0

    def run(self, drained_within_s: float) -> bool:
        """Whether all was well."""
        self.say(f"{self.claims:,} claims in {HERE}")
        call_command("migrate", verbosity=0)
        people, campaign = [AffiliateFactory() for _ in range(PEOPLE)], CampaignFactory()
        epoch, port = self.epoch.isoformat(), SANDBOX_URL.rpartition(":")[2]
        self.sandbox = Program("sandbox", f"--port={port}", f"--epoch={epoch}", "--latency-ms=20")
        self.worker = Program("worker")
        try:
            self._set_faults()
            call_command("ping_worker", "--timeout-s", "120", stdout=sys.stderr)
            submitting = threading.Thread(target=self._submit, args=(people, campaign), daemon=True)
            submitting.start()
            self._kill_while(lambda: submitting.is_alive() or self.kills < KILLS_AT_LEAST)
            last_kill = time.monotonic()
            is_drained = self._await_end(last_kill + drained_within_s)
            self.say(
                f"{'Drained' if is_drained else 'NOT drained'} {time.monotonic() - last_kill:.0f} s after the last kill"
            )
        finally:
            self.worker.stop()
            self.sandbox.stop()
        return self._is_whole() and is_drained

    def _submit(self, people: list[Affiliate], campaign: Campaign) -> None:
        """Send the claims in a hundred parts, the first of each by itself; whoever gets no answer sends again."""
        rng = random.Random(self.rng.random())
        platforms = {platform.slug: platform for platform in Platform.objects.all()}
        sent: list[tuple[Affiliate, str, str]] = []
        while self.submitted < self.claims:
            time.sleep(self.over_s / 100)
            part = []
            for number in range(self.submitted, min(self.claims, self.submitted + max(1, self.claims // 100))):
                figures = Figures(views=1_000 + number)
                if sent and rng.random() < AGAIN:
                    who, slug, url = sent.pop(rng.randrange(len(sent)))
                else:
                    who, slug = rng.choice(people), LANES[number % len(LANES)]
                    url = self.world.post(slug, Series.EVEN, number).url
                    figures = Figures(clicks=3) if number % 20 == 0 else figures
                part.append(Entry(who, campaign, platforms[slug], url, figures))
            first, *others = part
            single = {name: getattr(first, name) for name in ("affiliate", "campaign", "platform", "url", "figures")}
            _until_answered(partial(submission.submit, **single))
            _until_answered(partial(submission.submit_many, entries=others, method=AffiliateReport.Method.IMPORT))
            sent += [(entry.affiliate, entry.platform.slug, entry.url) for entry in part]
            self.submitted += len(part)

    def _kill_while(self, goes_on: Callable[[], bool]) -> None:
        restarts = self._database_restarts()
        while goes_on():
            time.sleep(KILL_EVERY_S)
            self._kill_somebody()
            if self.worker.process.poll() is not None:
                self.worker.start()
            if self.sandbox.process.poll() is not None:
                self.sandbox.start()
                self._set_faults()
            self.say(f"{self.kills} kills, {self.submitted:,} claims, {self._open():,} of them open")
            if self.kills >= KILLS_AT_LEAST // 2:
                next(restarts, None)

    def _kill_somebody(self) -> None:
        self.kills += 1
        if self.kills % SANDBOX_EVERY == SANDBOX_FIRST:
            self.sandbox.kill()
        elif self.kills % WATCHDOG_EVERY == 0:
            self.worker.kill()
        elif family := self.worker.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                self.rng.choice(family).kill()

    def _database_restarts(self) -> Iterator[None]:
        """PostgreSQL ends in order once a third of the claims is there, and is killed once two thirds are."""
        for part, number in ((1, signal.SIGINT), (2, signal.SIGKILL)):
            while self.submitted < self.claims * part // 3:
                yield
            self.say(f"PostgreSQL gets a {signal.Signals(number).name}")
            postmaster = psutil.Process(_until_answered(_backend_pid)).parent()
            assert postmaster
            postmaster.send_signal(number)
            psutil.wait_procs([postmaster], timeout=30)
            client.ensure(HERE / "postgres")
            yield

    def _await_end(self, deadline: float) -> bool:
        while self._open() and time.monotonic() < deadline:
            time.sleep(0.5)
        return not self._open()

    def _open(self) -> int:
        return _until_answered(lambda: AffiliateReport.objects.open().count())

    def _set_faults(self) -> None:
        for kind, rate in FAULTS.items():
            fault = {"platform": "*", "kind": kind, "rate": rate, "seconds": FAULT_S}
            _until_answered(partial(call, "POST", f"{SANDBOX_URL}/__sandbox__/faults", body=fault))

    def _is_whole(self) -> bool:
        while alert_services.open_forgotten():
            pass
        claims = AffiliateReport.objects.annotate(counted=Count("verdicts", filter=Q(verdicts__next_look_at=None)))
        found = {
            "claims": claims.count(),
            "counted verdicts": claims.filter(counted=1).count(),
            "lost": claims.filter(counted=0).count(),
            "doubled": claims.filter(counted__gt=1).count(),
            "dead jobs": Job.objects.filter(state="dead").count(),
            "broken invariants": broken(soon=True),
        }
        self.say(found)
        return list(found.values()) == [self.claims, self.claims, 0, 0, 0, {}]


def _backend_pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _until_answered(ask: Callable[[], T], within_s: float = 120) -> T:
    """Ask until somebody answers: the other side may just be away."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            return ask()
        except (Error, OSError, BusyError):
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def main() -> int:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--claims", type=int, default=10_000)
    given.add_argument("--seed", type=int, default=1)
    given.add_argument("--over-s", type=float, help="how long the claims take to come in")
    given.add_argument("--drained-within-s", type=float, default=60)
    options = given.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    over_s = options.over_s or options.claims / CLAIMS_A_SECOND
    is_well = Fire(options.claims, options.seed, over_s).run(options.drained_within_s)
    if is_well:
        shutil.rmtree(HERE, ignore_errors=True)
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
