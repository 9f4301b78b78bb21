"""Several processes settle at the same moment: every counter is exact."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest

from platforms.models import Platform
from platforms.sandbox.world import Series
from reconciliation.comparison import Figures
from reconciliation.models import AffiliateReport, Job, PlatformReport, ReconciliationLog, TrustEvent, TrustScore
from reconciliation.services import submission
from reconciliation.services.admission import Entry
from reconciliation.services.asking import ask
from reconciliation.services.jobs import Batch
from reconciliation.services.settling import settle
from tests.chaos.crashing import together
from tests.factories import AffiliateFactory, CampaignFactory
from tests.invariants import broken
from tests.reconciliation.support import leased

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ticking")]

POSTS = 48


@pytest.fixture
def batch(sandbox) -> Batch:
    """One affiliate's posts, leased; every third claim is too high."""
    affiliate, campaign, youtube = AffiliateFactory(), CampaignFactory(), Platform.objects.get(slug="youtube")
    posts = [sandbox.state.world.post("youtube", Series.EVEN, number) for number in range(POSTS)]
    figures = [Figures(views=0 if number % 3 else 10**9) for number in range(POSTS)]
    entries = [
        Entry(affiliate, campaign, youtube, post.url, claimed) for post, claimed in zip(posts, figures, strict=True)
    ]
    submission.submit_many(entries=entries, method=AffiliateReport.Method.IMPORT)
    batch = leased()
    assert len(batch.jobs) == POSTS
    return batch


def parts(batch: Batch, number: int) -> Sequence[Batch]:
    return [replace(batch, jobs=batch.jobs[first::number]) for first in range(number)]


def each_is_settled_once() -> None:
    trust = TrustScore.objects.get()
    assert (trust.total_submissions, trust.accurate_submissions) == (POSTS, POSTS * 2 // 3)
    for model in (ReconciliationLog, PlatformReport, TrustEvent):
        assert model.objects.count() == POSTS
    assert set(Job.objects.values_list("state", flat=True)) == {"done"}
    assert broken() == {}


def test_two_processes_settle_the_same_batch(batch):
    answer, *_ = ask(batch)
    together(*[partial(settle, batch=batch, answer=answer)] * 2)
    each_is_settled_once()


def test_eight_processes_settle_one_affiliate_s_posts(batch):
    answer, *_ = ask(batch)
    together(*(partial(settle, batch=part, answer=answer) for part in parts(batch, 8)))
    each_is_settled_once()


def test_eight_processes_settle_parts_that_overlap(batch):
    answer, *_ = ask(batch)
    shares = [*parts(batch, 4), *parts(batch, 2), batch, batch]
    together(*(partial(settle, batch=share, answer=answer) for share in shares))
    each_is_settled_once()
