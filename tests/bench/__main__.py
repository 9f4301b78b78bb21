"""How fast claims are taken and settled, through the real services, the embedded PostgreSQL and a real sandbox.

Each row is the median of several rounds, the contenders taking turns in one run, so that a noisy machine is noisy for
all of them. The reference is what the same Django does at best one by one: a single row inserted and committed.
"""

import os
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings
from django.test.utils import setup_databases, setup_test_environment, teardown_databases
from rich.console import Console
from rich.table import Table

from affiliates.models import Affiliate
from affiliates.services import audit
from campaigns.models import Campaign
from config import clock
from platforms.models import Platform
from platforms.sandbox.server import SandboxServer
from platforms.sandbox.world import Series
from reconciliation.comparison import Figures
from reconciliation.services import draining, submission
from tests.bench import clicks
from tests.factories import AffiliateFactory, CampaignFactory

ROUNDS = 5
POSTS = 500


def main() -> None:
    """Print the table of figures."""
    setup_test_environment()
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        with SandboxServer(seed=7, epoch=clock.now() - timedelta(days=30)) as sandbox:
            youtube = {"base_url": sandbox.url, "credentials": {"api_key": "sandbox"}}
            settings.PLATFORMS = settings.PLATFORMS | {"youtube": youtube}
            _report(*_measure(sandbox))
        clicks.measure()
    finally:
        teardown_databases(databases, verbosity=0)


def _measure(sandbox: SandboxServer) -> tuple[list[float], list[float], list[float], int]:
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    submits: list[float] = []
    settles: list[float] = []
    references: list[float] = []
    for number in range(ROUNDS):
        submits.append(_timed(partial(_submit, sandbox, affiliate, campaign, number)))
        settles.append(_timed(_drain))
        references.append(_timed(partial(_insert, affiliate)))
    return submits, settles, references, sandbox.state.data_calls("youtube")


def _timed(work: Callable[[], object]) -> float:
    """Posts a second."""
    started = time.perf_counter()
    work()
    return POSTS / (time.perf_counter() - started)


def _submit(sandbox: SandboxServer, affiliate: Affiliate, campaign: Campaign, number: int) -> None:
    platform = Platform.objects.get(slug="youtube")
    for index in range(number * POSTS, (number + 1) * POSTS):
        post = sandbox.state.world.post("youtube", Series.ARCHIVE, index)
        submission.submit(
            affiliate=affiliate, campaign=campaign, platform=platform, url=post.url, figures=Figures(views=index)
        )


def _drain() -> None:
    for lane in draining.lanes():
        draining.drain(connection_id=lane, paced=False)


def _insert(affiliate: Affiliate) -> None:
    """The reference: as many single rows, each committed."""
    for _ in range(POSTS):
        audit(actor=affiliate.user, action="bench", row=affiliate)


def _report(submits: list[float], settles: list[float], references: list[float], calls: int) -> None:
    table = Table(title=f"{POSTS} posts a round, {ROUNDS} rounds", caption=f"{calls} calls for {POSTS * ROUNDS} posts")
    table.add_column("what")
    table.add_column("posts/s (median)", justify="right")
    table.add_column("of the reference", justify="right")
    reference = statistics.median(references)
    rows = {"submit, one by one": submits, "fetch, judge and settle": settles, "one INSERT, committed": references}
    for name, rates in rows.items():
        rate = statistics.median(rates)
        table.add_row(name, f"{rate:,.0f}", f"{rate / reference:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
