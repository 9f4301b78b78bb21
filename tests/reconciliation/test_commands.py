"""`manage.py reconcile`."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from config import clock
from platforms.sandbox.server import SandboxServer
from platforms.sandbox.wire import FaultKind
from platforms.sandbox.world import WorldPost
from reconciliation.models import Job, PlatformReport, ReconciliationLog, Run
from tests.factories import TODAY, AffiliateFactory, CampaignFactory

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
        assert "3 done, 0 to do, 0 dead" in reconcile(after_h=hours)
    assert ReconciliationLog.objects.count() == words == 3
    assert PlatformReport.objects.count() == 3  # nothing changed, so nothing was written
    assert Run.objects.count() == 2


def test_it_looks_at_one_campaign_only(judged: Any):
    assert "2 done, 0 to do, 0 dead" in reconcile("--campaign", str(judged.pk))
    assert Run.objects.get().scope == {"campaign": str(judged.pk)}


def test_it_leaves_the_looks_to_the_workers_when_told(judged: Any):
    assert "0 done, 3 to do, 0 dead" in reconcile("--no-wait")


def test_what_fails_is_left_for_later(judged: Any, sandbox: SandboxServer):
    sandbox.state.set_fault("youtube", FaultKind.SERVER_ERROR, 1, 60)
    assert "1 done, 2 to do, 0 dead" in reconcile()
    assert Job.objects.exclude(state="done").exclude(last_error="").count() == 2


def test_nothing_to_look_at_is_said_plainly():
    with pytest.raises(CommandError, match="no post to look at"):
        reconcile("--campaign", str(uuid4()))
