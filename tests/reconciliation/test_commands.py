"""`manage.py reconcile`."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from campaigns.models import CampaignPlatform, Post
from config import clock
from platforms.sandbox.server import SandboxServer
from platforms.sandbox.wire import FaultKind
from platforms.sandbox.world import WorldPost
from reconciliation.models import Job, PlatformReport, PostState, ReconciliationLog, Run, TrustEvent
from reconciliation.services import jobs, runs
from tests.factories import TODAY, AffiliateFactory, CampaignFactory
from tests.reconciliation.support import tamper

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]


def reconcile(*options: str, after_h: int = 1) -> str:
    said = StringIO()
    with clock.at(TODAY + timedelta(hours=after_h)):
        call_command("reconcile", *options, stdout=said)
    return said.getvalue()


@pytest.fixture
def judged(claim: Callable[..., Any], drain_all: Callable[[], int], world_post: Callable[..., WorldPost]) -> Any:
    """Two posts of one campaign, one of another, each with its verdict."""
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    for index, slug in enumerate(("youtube", "x")):
        claim(affiliate, campaign, world_post(slug, index), 1)
    claim(affiliate, CampaignFactory(), world_post("youtube", 7), 1)
    drain_all()
    return campaign


def test_it_looks_again_at_everything_and_changes_no_last_word(judged: Any):
    words = ReconciliationLog.objects.count()
    for hours in (1, 2):
        assert "3 done, 0 to do, 0 dead" in reconcile("--all", after_h=hours)
    assert ReconciliationLog.objects.count() == words == 3
    assert PlatformReport.objects.count() == 3  # nothing changed, so nothing was written
    assert Run.objects.count() == 2


def test_it_looks_at_one_campaign_only(judged: Any):
    assert "2 done, 0 to do, 0 dead" in reconcile("--campaign", str(judged.pk))
    assert Run.objects.get().scope["campaign"] == str(judged.pk)


def test_it_leaves_the_looks_to_the_workers_when_told(judged: Any):
    assert "0 done, 3 to do, 0 dead" in reconcile("--all", "--no-wait")


def test_what_fails_is_left_for_later(judged: Any, sandbox: SandboxServer):
    sandbox.state.set_fault("youtube", FaultKind.SERVER_ERROR, 1, 60)
    assert "1 done, 2 to do, 0 dead" in reconcile("--all")
    assert Job.objects.exclude(state="done").exclude(last_error="").count() == 2


def test_nothing_to_look_at_is_said_plainly():
    with pytest.raises(CommandError, match="no campaign"):
        reconcile("--campaign", str(uuid4()))
    with pytest.raises(CommandError, match="no post to look at"):
        reconcile("--campaign", str(CampaignFactory().pk))


def test_alone_it_works_off_what_is_due(claim: Callable[..., Any], world_post: Callable[..., WorldPost]):
    claim(AffiliateFactory(), CampaignFactory(), world_post("youtube"), 1)
    assert "1 looks settled, 0 are due" in reconcile()
    assert "0 looks settled, 0 are due" in reconcile()
    assert ReconciliationLog.objects.count() == 1


def test_one_that_was_cut_short_goes_on_where_it_was(judged: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runs, "MAX_RUN_POSTS", 1)
    monkeypatch.setattr(jobs, "PACE_S", 0)  # the clock stands
    with clock.at(TODAY + timedelta(hours=1)):
        next(runs.request_pages(posts=Post.objects.all(), scope={"all": True}))  # and nobody came for the next one
    assert "3 done, 0 to do, 0 dead" in reconcile("--all", after_h=2)
    assert Run.objects.count() == 3
    reconcile("--all", after_h=3)
    assert Run.objects.count() == 6


# --- Judging anew by what is stored


def test_a_replay_finds_every_verdict_as_it_stands_and_asks_nobody(judged: Any, sandbox: SandboxServer):
    before = list(ReconciliationLog.objects.order_by("pk").values())
    sandbox.state.reset()
    said = reconcile("--replay")
    assert "3 verdicts judged anew: 0 would come out otherwise" in said
    assert "0 that were missing are written" in said
    assert list(ReconciliationLog.objects.order_by("pk").values()) == before
    assert sandbox.state.data_calls("youtube") == 0


def test_a_replay_reports_what_would_come_out_otherwise_and_changes_nothing(
    claim: Callable[..., Any], drain_all: Callable[[], int], world_post: Callable[..., WorldPost]
):
    campaign, post = CampaignFactory(), world_post("youtube")
    claim(AffiliateFactory(), campaign, post, (post.figures_at(TODAY).views or 0) * 2)
    drain_all()
    CampaignPlatform.objects.filter(campaign=campaign).update(rate_per_1000_views=Decimal("77.7"))
    assert "0 would come out otherwise" in reconcile("--replay")  # by the rates that held
    tamper("UPDATE reconciliation_reconciliationlog SET money_at_risk = money_at_risk + 1")
    said = reconcile("--replay", "--campaign", str(campaign.pk))
    assert "1 would come out otherwise" in said
    assert "money_at_risk: " in said
    assert "explanation: " not in said


@pytest.mark.parametrize("shown", [True, False])
def test_a_replay_writes_the_verdict_that_a_stored_snapshot_has_for_a_claim(
    claim: Callable[..., Any], drain_all: Callable[[], int], world_post: Callable[..., WorldPost], shown: bool
):
    """As after a restore: the snapshot is there, and its verdict is not."""
    submitted = claim(AffiliateFactory(), CampaignFactory(), world_post("youtube"), 1)
    moment = TODAY + timedelta(minutes=1)
    snapshot = PlatformReport.objects.create(
        post=submitted.post,
        availability="live" if shown else "missing",
        views=100 if shown else None,
        fetched_at=moment,
    )
    assert "1 that were missing are written" in reconcile("--replay")
    verdict = ReconciliationLog.objects.get()
    assert (verdict.platform_report, verdict.status) == (snapshot, "MATCHED" if shown else "POST_MISSING")
    state = PostState.objects.get()
    assert (state.current_verdict, state.counted_verdict) == (verdict, verdict if shown else None)
    assert TrustEvent.objects.count() == int(shown)
    assert state.post.is_reconciled == shown
    assert "0 that were missing are written" in reconcile("--replay")
    assert drain_all() == 1  # the look that was asked for is taken all the same
    assert ReconciliationLog.objects.count() == 1
