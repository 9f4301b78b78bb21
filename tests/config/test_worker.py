"""Real workers on a real database: nothing is lost, nothing is counted twice, few calls are made."""

import itertools
import math
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Count, Q
from django.db.models.functions import Now
from django_q.models import OrmQ, Schedule

from affiliates.models import Affiliate
from affiliates.services import create_key
from campaigns.models import Campaign
from config import clock
from config.demo.http import call
from config.demo.processes import free_port
from config.management.commands.setup_schedules import SCHEDULES
from config.management.commands.worker import Watch
from platforms.models import Breaker, Platform
from platforms.sandbox.server import SandboxServer
from platforms.sandbox.wire import FaultKind
from platforms.sandbox.world import SPAN, Series, WorldPost
from reconciliation.comparison import Figures
from reconciliation.models import AffiliateReport, Heartbeat, Job, ReconciliationLog, TrustEvent, TrustScore
from reconciliation.services import heartbeats, jobs, submission
from tests.config.programs import await_that, family_of, running
from tests.factories import AffiliateFactory, CampaignFactory
from tests.reconciliation.test_connections_lanes import connect, prove

KILLS = 3


@pytest.fixture
def platforms() -> Iterator[SandboxServer]:
    """A sandbox that shows the real time."""
    with SandboxServer(seed=7, epoch=clock.now() - SPAN, latency_ms=20) as server:
        yield server


def claim(affiliate: Affiliate, campaign: Campaign, post: WorldPost) -> None:
    submission.submit(
        affiliate=affiliate,
        campaign=campaign,
        platform=Platform.objects.get(slug=post.platform),
        url=post.url,
        figures=Figures(views=1_000 + post.index),
    )


@pytest.mark.django_db(transaction=True)
def test_every_claim_gets_exactly_one_counted_verdict_whatever_dies(platforms: SandboxServer, tmp_path: Path):
    affiliates, campaign = [AffiliateFactory() for _ in range(3)], CampaignFactory()
    posts = [platforms.state.world.post(slug, Series.EVEN, n) for n in range(40) for slug in ("youtube", "x", "reddit")]
    rng = random.Random(7)
    with running("worker", log=tmp_path / "worker.log", SANDBOX_URL=platforms.url) as worker:
        call_command("ping_worker", "--timeout-s", "60")
        for number, post in enumerate(posts):
            claim(rng.choice(affiliates), campaign, post)
            if number % (len(posts) // KILLS) == 10:
                await_that(lambda: len(family_of(worker)) > 4, within_s=40)
                os.kill(rng.choice(family_of(worker)).pid, signal.SIGKILL)
        # What the dead held is due again when their leases lapse, within the minute; here, now.
        Job.objects.filter(state="leased").update(leased_until=Now() - timedelta(seconds=1))
        await_that(lambda: not AffiliateReport.objects.open().exists(), within_s=60)
    counted = Count("verdicts", filter=Q(verdicts__next_look_at=None))
    claims = AffiliateReport.objects.annotate(counted=counted, all=Count("verdicts"))
    assert claims.filter(counted=1, all=1).count() == len(posts)
    assert TrustEvent.objects.count() == ReconciliationLog.objects.count() == len(posts)
    assert set(Job.objects.values_list("state", flat=True)) == {"done"}
    for trust in TrustScore.objects.all():
        judged = TrustEvent.objects.filter(affiliate=trust.affiliate).exclude(effect="NONE")
        assert (trust.total_submissions, trust.accurate_submissions) == (
            judged.count(),
            judged.filter(effect="ACCURATE").count(),
        )


@pytest.mark.django_db(transaction=True)
def test_many_claims_at_once_cause_few_calls(platforms: SandboxServer, tmp_path: Path):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    _, key = create_key(user=affiliate.user, by=None)
    posts = [platforms.state.world.post("youtube", Series.EVEN, n) for n in range(200)]
    base_url = f"http://127.0.0.1:{(port := free_port(0))}"
    log, told = tmp_path / "log", {"SANDBOX_URL": platforms.url, "THROTTLE_CALLER": "6000/min"}

    def post_claim(post: WorldPost) -> int:
        claim = {"campaign": str(campaign.pk), "platform": "youtube", "url": post.url, "claimed_views": 1}
        return call("POST", f"{base_url}/api/v1/submissions", body=claim, key=key).status

    worker, web = running("worker", log=log, **told), running("web", "--port", str(port), log=log, **told)
    with worker, web, ThreadPoolExecutor(8) as pool:
        call_command("ping_worker", "--timeout-s", "60")
        await_that(lambda: _answers(f"{base_url}/health"), within_s=60)
        started = time.monotonic()
        assert set(pool.map(post_claim, posts)) == {202}
        await_that(lambda: ReconciliationLog.objects.counted().count() == len(posts), within_s=60)
        elapsed_s = time.monotonic() - started
    assert platforms.state.data_calls("youtube") <= math.ceil(len(posts) / 50) + elapsed_s + 1


@pytest.mark.parametrize("stops", [2, pytest.param(20, marks=pytest.mark.long)])
@pytest.mark.django_db(transaction=True)
def test_a_worker_told_to_stop_in_mid_work_takes_no_look_twice(platforms: SandboxServer, tmp_path: Path, stops: int):
    affiliate, campaign, rng = AffiliateFactory(), CampaignFactory(), random.Random(stops)
    served = ("youtube", "x", "reddit")
    posts = (platforms.state.world.post(slug, Series.EVEN, n) for n in itertools.count() for slug in served)
    over = threading.Event()

    def submit() -> int:
        for claimed in itertools.count():
            if over.is_set():
                connection.close()
                return claimed
            claim(affiliate, campaign, next(posts))
            time.sleep(0.03)
        return 0

    def asked() -> int:
        return sum(counts["posts"] for counts in platforms.state.stats().values())

    with ThreadPoolExecutor(1) as pool:
        claiming = pool.submit(submit)
        try:
            for _ in range(stops):
                before = asked()
                with running("worker", log=tmp_path / "worker.log", SANDBOX_URL=platforms.url):
                    await_that(lambda before=before: asked() > before, within_s=60)  # type: ignore[misc]
                    time.sleep(rng.uniform(0, 1))
                assert not Job.objects.filter(state="leased").exists()
        finally:
            over.set()
        claimed = claiming.result()
        with running("worker", log=tmp_path / "worker.log", SANDBOX_URL=platforms.url):
            await_that(lambda: not AffiliateReport.objects.open().exists(), within_s=60)
    assert asked() == claimed == ReconciliationLog.objects.counted().count()
    assert set(Job.objects.values_list("state", "attempts")) == {("done", 1)}


@pytest.mark.django_db(transaction=True)
def test_what_the_killed_held_is_taken_up_at_once(platforms: SandboxServer, tmp_path: Path):
    """Not when its leases lapse: nobody can hold them any more."""
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    platforms.state.set_fault("youtube", FaultKind.TIMEOUT, 1.0, 3_600)
    with running("worker", log=tmp_path / "worker.log", SANDBOX_URL=platforms.url) as worker:
        claim(affiliate, campaign, platforms.state.world.post("youtube", Series.EVEN, 0))
        await_that(lambda: Job.objects.filter(state="leased").exists(), within_s=60)
        for process in family_of(worker)[1:]:
            process.kill()
        platforms.state.reset()
        started = time.monotonic()
        await_that(lambda: not AffiliateReport.objects.open().exists(), within_s=40)
    assert time.monotonic() - started < jobs.LEASE_S
    assert Job.objects.get().attempts == 2


@pytest.mark.parametrize(
    "victims",
    [
        pytest.param(("sentinel",), id="short"),
        pytest.param(("main", "sentinel", "pusher", "monitor", "worker"), id="long", marks=pytest.mark.long),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_any_process_may_be_killed_and_who_is_there_is_noted(
    platforms: SandboxServer, tmp_path: Path, victims: tuple[str, ...]
):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    log, posts = tmp_path / "worker.log", (platforms.state.world.post("x", Series.EVEN, n) for n in itertools.count())

    def roles() -> Counter[str]:
        lately = Heartbeat.objects.alive(clock.now(), within=timedelta(seconds=heartbeats.ALIVE_S))
        return Counter(lately.values_list("role", flat=True))

    def is_whole(without: int = 0) -> bool:
        return roles() == whole and not Heartbeat.objects.filter(pid=without).exists()

    def assert_works() -> None:
        claim(affiliate, campaign, next(posts))
        await_that(lambda: not AffiliateReport.objects.open().exists(), within_s=60)

    whole = Counter(watchdog=1, main=1, sentinel=1, pusher=1, monitor=1, worker=3)
    with running("worker", log=log, SANDBOX_URL=platforms.url) as worker:
        for role in victims:
            await_that(is_whole, within_s=60)
            victim = Heartbeat.objects.filter(role=role).values_list("pid", flat=True)[0]
            os.kill(victim, signal.SIGKILL)
            await_that(lambda victim=victim: is_whole(without=victim), within_s=60)  # type: ignore[misc]
            assert_works()
        orphans = family_of(worker)
        worker.kill()
        await_that(lambda: not any(each.is_running() for each in orphans), within_s=60)
    await_that(lambda: not roles(), within_s=60)  # nobody was left to say that they are gone
    with running("worker", log=log, SANDBOX_URL=platforms.url):
        assert_works()
        await_that(lambda: heartbeats.workers().alive == 3, within_s=60)
    assert roles() <= Counter(watchdog=1)
    assert heartbeats.workers().alive == 0
    assert set(Job.objects.values_list("state", "attempts")) == {("done", 1)}


@pytest.mark.django_db(transaction=True)
def test_a_platform_that_is_down_is_asked_by_one_probe_at_a_time_and_others_go_on(
    platforms: SandboxServer, tmp_path: Path
):
    threshold, workers, lanes = 5, 4, 8
    Platform.objects.filter(slug="tiktok").update(config={"breaker_failures": threshold, "breaker_open_s": 2})
    campaign, other = CampaignFactory(), AffiliateFactory()
    for author in range(lanes):
        owner = AffiliateFactory()
        posts = list(itertools.islice(platforms.state.world.posts_of("tiktok", author, Series.EVEN), 3))
        prove(connect(owner, "tiktok", author), posts[0])
        for post in posts:
            claim(owner, campaign, post)
    for number in range(30):
        claim(other, campaign, platforms.state.world.post("x", Series.EVEN, number))
    platforms.state.set_fault("tiktok", FaultKind.SERVER_ERROR, 1.0, 3_600)
    open_claims = AffiliateReport.objects.open()

    def breaker() -> Breaker:
        return Breaker.objects.get(platform__slug="tiktok", livemode=True)

    def calls() -> int:
        return platforms.state.data_calls("tiktok")

    with running("worker", log=tmp_path / "log", SANDBOX_URL=platforms.url, WORKER_PROCESSES=str(workers)):
        await_that(lambda: breaker().opened > 0, within_s=60)
        await_that(lambda: not open_claims.filter(post__platform__slug="x").exists(), within_s=60)
        for _ in range(3):  # probes
            seen = breaker()
            assert calls() <= threshold + workers + seen.opened  # each later opening is a probe's, and one may be out
            await_that(lambda seen=seen: breaker().opened > seen.opened, within_s=60)  # type: ignore[misc]
        platforms.state.reset()
        await_that(lambda: not open_claims.exists(), within_s=60)
    assert breaker().state == "closed"
    assert set(Job.objects.values_list("state", flat=True)) == {"done"}


def _answers(url: str) -> bool:
    try:
        return call("GET", url).ok
    except OSError:
        return False


@pytest.mark.django_db
def test_schedules_are_set_up_once_and_name_tasks():
    for _ in range(2):
        call_command("setup_schedules")
    schedules = Schedule.objects.all()
    assert sorted(each.name for each in schedules) == sorted(SCHEDULES)
    assert {each.func for each in schedules} <= set(django_settings.TASKS)


@pytest.mark.django_db
def test_a_ping_that_nobody_hears_fails():
    with pytest.raises(CommandError, match=r"No worker took a task within 0\.1 s"):
        call_command("ping_worker", "--timeout-s", "0.1")


@pytest.mark.django_db(transaction=True)  # it looks after its connection, which a test's transaction would lose
def test_a_tick_finds_what_the_queue_forgot(sandbox: SandboxServer, today: None, world_post: Any):
    claim(AffiliateFactory(), CampaignFactory(), world_post())
    OrmQ.objects.all().delete()
    with clock.at(clock.now() + timedelta(seconds=5)):
        Watch().tick()
    assert OrmQ.objects.get().task["func"] == "reconciliation.tasks.drain_lane"
