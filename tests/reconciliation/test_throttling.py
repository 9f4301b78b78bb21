"""A minute in which half of all calls are throttled, several workers at once: nothing is lost, nobody calls early."""

import json
import threading
import time
from itertools import islice
from typing import Any

import pytest
from django.db import connections

from platforms.adapters import ADAPTER_CLASSES
from platforms.models import Breaker, Platform
from platforms.sandbox.wire import FaultKind
from platforms.sandbox.world import Series
from platforms.transport import Http, Response
from reconciliation.models import Job, ReconciliationLog
from reconciliation.services import asking, draining, jobs
from tests.factories import AffiliateFactory, CampaignFactory
from tests.reconciliation.test_connections_lanes import AUTHOR, OWNERS_ONLY, claim_in_bulk, connect, prove

pytestmark = [pytest.mark.long, pytest.mark.django_db(transaction=True)]

WORKERS = 4
FAULT_S = 60
BATCHES = 6
LONGEST_S = 600
NOTED_WITHIN_S = 0.5
"""Calls of other workers may be under way when an answer asks us to wait; none leaves once that is noted."""
PLATFORMS = ("youtube", "reddit", "x", "tiktok", "instagram", "facebook")


class Listening(Http):
    """The way out. It notes when each call for data left, and each wait that an answer asked for: from when until when.
    By platform, in seconds by the clock on the wall."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, float]] = []
        self.waits: list[tuple[str, float, float]] = []

    def request(self, method: str, url: str, *, platform: str, ids: int = 0, **more: Any) -> Response:
        if ids:
            self.calls.append((platform, time.time()))
        answer = super().request(method, url, platform=platform, ids=ids, **more)
        if not answer.ok:
            known_at = time.time()
            self.waits.append((platform, known_at + NOTED_WITHIN_S, known_at + named_wait_s(answer, known_at)))
        return answer


def named_wait_s(answer: Response, now: float) -> float:
    """What the answer itself says, read apart from the adapters."""
    headers = answer.headers
    if "retry-after" in headers:
        return float(headers["retry-after"])
    if "x-rate-limit-reset" in headers:
        return float(headers["x-rate-limit-reset"]) - now
    if "x-ratelimit-reset" in headers:
        return float(headers["x-ratelimit-reset"])
    usage = json.loads(headers.get("x-business-use-case-usage", "{}"))
    return 60.0 * max(
        (entry["estimated_time_to_regain_access"] for each in usage.values() for entry in each), default=0
    )


def test_half_of_all_calls_throttled_for_a_minute(sandbox, monkeypatch):
    sandbox.state.set_clock(None, frozen=False)
    listening, stop, seen_open = Listening(), threading.Event(), set()
    monkeypatch.setattr(asking, "shared_http", listening)
    campaign = CampaignFactory()
    Platform.objects.update(config={"breaker_failures": 2, "breaker_open_s": 5})
    claimed = 0
    for platform in PLATFORMS:
        affiliate, count = AffiliateFactory(), BATCHES * ADAPTER_CLASSES[platform].batch_size
        if platform in OWNERS_ONLY:
            worlds = list(islice(sandbox.state.world.posts_of(platform, AUTHOR, Series.EVEN), count))
            prove(connect(affiliate, platform), worlds[0])
        else:
            worlds = list(islice(sandbox.state.world.posts(platform, Series.EVEN), count))
        claim_in_bulk(affiliate, campaign, worlds)
        claimed += count
        sandbox.state.set_fault(platform, FaultKind.RATE_LIMIT, 0.5, FAULT_S)

    def work() -> None:
        try:
            while not stop.is_set():
                for lane in draining.lanes():
                    draining.drain(connection_id=lane)
                time.sleep(0.2)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    ends_at = time.monotonic() + LONGEST_S
    while Job.objects.pending().exists() and time.monotonic() < ends_at:
        jobs.sweep()
        seen_open |= set(Breaker.objects.exclude(state="closed").values_list("platform__slug", flat=True))
        time.sleep(0.5)
    stop.set()
    for worker in workers:
        worker.join()
    listening.close()

    assert ReconciliationLog.objects.counted().count() == claimed
    assert set(Job.objects.values_list("state", flat=True)) == {"done"}
    early = [
        (platform, left_at - until)
        for platform, left_at in listening.calls
        for throttled, since, until in listening.waits
        if platform == throttled and since < left_at < until
    ]
    assert early == []
    assert {platform for platform, *_ in listening.waits} == set(PLATFORMS)
    assert seen_open  # two throttled calls in a row are not rare
    assert not Breaker.objects.exclude(state="closed").exists()
