"""The whole way with real processes: web, workers, and the sandbox 50 ms away.

How many posts a second go through, how many calls that takes, and how long one claim waits for its verdict.
"""

import json
import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.core.management import call_command
from django.db import transaction

from config import clock
from config.demo.http import call
from config.demo.processes import free_port
from platforms.sandbox.world import SPAN, Series, World
from reconciliation.models import Job, ReconciliationLog
from reconciliation.services.jobs import wake
from tests.bench import load, world
from tests.bench.harness import Bench, Row, at_least, at_most, execute
from tests.bench.web import SUBMIT
from tests.config.programs import await_that, running

LATENCY_MS = 50
SEED = 7
BATCH = 50
"""Posts that one call to YouTube's API reads."""
ROUNDS = 3
QUIET_S = 0.5
"""Three lanes take turns, so each has been quiet for over a second."""
LIMIT_S = 900


@dataclass(frozen=True, slots=True)
class Site:
    """A running site: where its web and its sandbox are, and what the sandbox shows."""

    web: int
    sandbox: str
    shown: World

    def calls(self) -> int:
        """How often YouTube has been asked so far."""
        stats = call("GET", f"{self.sandbox}/__sandbox__/stats").json()
        return int(stats.get("youtube", {}).get("data_calls", 0))


def measure(bench: Bench) -> None:
    """Add the rows of posts, calls and waiting."""
    people = world.make_world()
    world.open_budget(people)
    with _site(bench) as site:
        _bulk(bench, people, site)
        _singles(bench, people, site)
        _latency(bench, people, site)


@contextmanager
def _site(bench: Bench) -> Iterator[Site]:
    epoch = (clock.now() - SPAN).replace(hour=0, minute=0, second=0, microsecond=0)
    web, port = free_port(0), free_port(0)
    sandbox = f"http://127.0.0.1:{port}"
    served = ["--port", str(port), "--seed", str(SEED), "--epoch", epoch.isoformat(), "--latency-ms", str(LATENCY_MS)]
    told = {"SANDBOX_URL": sandbox, "LOG_LEVEL": "ERROR"}
    with ExitStack() as stack:
        stack.enter_context(running("sandbox", *served, log=bench.logs / "sandbox.log"))
        stack.enter_context(running("worker", log=bench.logs / "worker.log", **told))
        stack.enter_context(running("web", "--port", str(web), log=bench.logs / "web.log", **told))
        call_command("ping_worker", "--timeout-s", "60")
        await_that(lambda: _answers(f"http://127.0.0.1:{web}/health"), within_s=60)
        yield Site(web, sandbox, World(SEED, epoch))


def _answers(url: str) -> bool:
    try:
        return call("GET", url).ok
    except OSError:
        return False


def _bulk(bench: Bench, people: world.World, site: Site) -> None:
    """Posts that are all due at once."""
    count, paces, calls = bench.scale.pipeline_posts, [], []
    for number in range(min(ROUNDS, bench.scale.rounds)):
        with bench.step(f"pipeline of {count:,} posts"):
            first = 1_000_000 + number * count
            ids = [site.shown.post("youtube", Series.EVEN, first + n).external_id for n in range(count)]
            before = site.calls()
            with transaction.atomic():
                world.add_claims(people, ids)
                wake(people.lane.pk)
            started = time.perf_counter()
            _await(lambda: not _is_pending())
            paces.append(count / (time.perf_counter() - started))
            calls.append(site.calls() - before)
            execute("ANALYZE")
    pace, most = statistics.median(paces), max(calls)
    bench.add(Row(f"whole pipeline, {count:,} posts, sandbox at 50 ms", f"{pace:,.0f}/s", "", pace, at_least(3_000)))
    ideal = math.ceil(count / BATCH)
    bench.add(Row(f"calls for {count:,} posts in bulk", f"{most:,}", "", most, at_most(ideal)))


def _singles(bench: Bench, people: world.World, site: Site) -> None:
    """Claims that come one by one."""
    count = bench.scale.singles
    with bench.step(f"{count} claims one by one"):
        before, started = site.calls(), time.perf_counter()
        claims = iter([_claim(people, site, "youtube", 2_000 + n) for n in range(count)])
        load.send(site.web, claims, connections=1, status=202)
        _await(lambda: not _is_pending())
        elapsed_s = time.perf_counter() - started
    calls, allowed = site.calls() - before, math.ceil(count / BATCH) + elapsed_s + 1
    what = f"calls for {count} claims one by one in {elapsed_s:.1f} s"
    bench.add(Row(what, f"{calls}", "", calls, at_most(round(allowed, 1))))


def _latency(bench: Bench, people: world.World, site: Site) -> None:
    """One claim at a time, on an idle machine."""
    count, waits = bench.scale.singles, []
    platforms = ["youtube", "x", "reddit"]
    with bench.step("submission to verdict"):
        own_ms = statistics.median(_sandbox_ms(site, n) for n in range(min(count, 10)))
        for number in range(count):
            time.sleep(QUIET_S)
            request = _claim(people, site, platforms[number % 3], 4_000 + number)
            started = time.perf_counter()
            [body] = load.send(site.web, iter([request]), connections=1, status=202, keep_bodies=True).bodies
            verdicts = ReconciliationLog.objects.filter(post=json.loads(body)["id"])
            _await(verdicts.exists, every_s=0.003)
            waits.append((time.perf_counter() - started) * 1_000 - own_ms)
    waits.sort()
    for percent, limit in ((50, 100), (95, 300)):
        wait = waits[min(len(waits) - 1, len(waits) * percent // 100)]
        what = f"submission to verdict above the sandbox's own {own_ms:.0f} ms, p{percent}"
        bench.add(Row(what, f"{wait:,.0f} ms", "", wait, at_most(limit)))


def _claim(people: world.World, site: Site, platform: str, number: int) -> bytes:
    post = site.shown.post(platform, Series.EVEN, number)
    body = {
        "campaign": str(people.campaign.pk),
        "platform": platform,
        "url": post.url,
        "claimed_views": 10_000 + number,
    }
    return load.request("POST", SUBMIT, key=people.keys[number % len(people.keys)], body=json.dumps(body).encode())


def _sandbox_ms(site: Site, number: int) -> float:
    """How long the sandbox takes by itself."""
    post = site.shown.post("youtube", Series.EVEN, 9_000 + number)
    started = time.perf_counter()
    asked = f"part=snippet,statistics,status&key=sandbox&id={post.external_id}"
    call("GET", f"{site.sandbox}/youtube/v3/videos?{asked}")
    return (time.perf_counter() - started) * 1_000


def _is_pending() -> bool:
    return Job.objects.pending().filter(due_at__lte=clock.now() + timedelta(seconds=5)).exists()


def _await(happens: Callable[[], bool], *, every_s: float = 0.05) -> None:
    """Wait for it. Raises TimeoutError."""
    deadline = time.monotonic() + LIMIT_S
    while not happens():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not within {LIMIT_S} s.")
        time.sleep(every_s)
