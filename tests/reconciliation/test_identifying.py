"""Claims by short links: taken at once, and looked at as the post that the link leads to once it has been opened."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction

from affiliates.models import AuditEvent
from campaigns.models import Post
from config import clock
from platforms.models import Platform
from platforms.sandbox.world import Series
from reconciliation.comparison import Figures
from reconciliation.models import AffiliateReport, Job, PlatformReport, ReconciliationLog
from reconciliation.services import draining, jobs, submission
from reconciliation.services.admission import lock_all_contents
from tests.factories import TODAY, AffiliateFactory, CampaignFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]


@pytest.fixture
def claim_link(sandbox):
    def make(url, platform="x", views=1, affiliate=None, campaign=None):
        return submission.submit(
            affiliate=affiliate or AffiliateFactory(),
            campaign=campaign or CampaignFactory(),
            platform=Platform.objects.get(slug=platform),
            url=url,
            figures=Figures(views=views),
        )

    return make


@pytest.mark.parametrize("platform", ["reddit", "x", "instagram", "facebook", "tiktok"])
def test_a_short_link_is_taken_at_once_and_opened_by_its_job(claim_link, world_post, sandbox, platform):
    world = world_post(platform)
    submitted = claim_link(world.short_url, platform)
    post = submitted.post
    assert submitted.outcome == "new_post"
    assert (post.is_identified, post.short_url) == (False, post.url)
    job = Job.objects.get()
    assert job.connection is None
    assert draining.drain(connection_id=None, paced=False) == 0
    post.refresh_from_db()
    job.refresh_from_db()
    assert (post.is_identified, post.external_id) == (True, world.external_id)
    assert (job.state, job.attempts, job.connection.platform.slug) == ("due", 0, platform)
    assert sandbox.state.data_calls(platform) == 0


def test_its_verdict_follows(claim_link, world_post, drain_all):
    world = world_post("x")
    claim_link(world.short_url, views=world.final.views)
    drain_all()
    drain_all()
    assert ReconciliationLog.objects.counted().get().status == "MATCHED"


def test_the_same_short_link_again_is_the_same_post_before_and_after(claim_link, world_post, drain_all):
    affiliate, campaign, world = AffiliateFactory(), CampaignFactory(), world_post("x")
    who: dict[str, Any] = {"affiliate": affiliate, "campaign": campaign}
    first = claim_link(world.short_url, **who)
    assert claim_link(world.short_url, **who).outcome == "unchanged"
    assert claim_link(world.short_url, views=2, **who).outcome == "new_claim"
    drain_all()
    again = claim_link(world.short_url, views=3, **who)
    assert (again.post.pk, again.outcome) == (first.post.pk, "new_claim")
    assert claim_link(world.url, views=3, **who).outcome == "unchanged"
    assert Post.objects.count() == 1


@pytest.mark.parametrize("code", ["nothinghere", "evil", "private", "loop"])
def test_a_link_that_leads_to_no_post_is_a_missing_post(claim_link, drain_all, code):
    submitted = claim_link(f"https://t.co/{code}")
    drain_all()
    verdict = ReconciliationLog.objects.get()
    assert (verdict.status, verdict.next_look_at) == ("POST_MISSING", TODAY + timedelta(hours=24))
    with clock.at(TODAY + timedelta(hours=24)):
        drain_all()
    counted = ReconciliationLog.objects.counted().get()
    assert (counted.status, counted.trust_effect) == ("POST_MISSING", "NONE")
    submitted.post.refresh_from_db()
    assert not submitted.post.is_identified
    assert not Job.objects.pending().exists()


def test_a_link_whose_host_is_away_is_opened_later(claim_link, world_post, settings, drain_all):
    claim_link(world_post("x").short_url)
    where, settings.LINK_RESOLVER_BASE_URL = settings.LINK_RESOLVER_BASE_URL, "http://127.0.0.1:9"
    drain_all()
    job = Job.objects.get()
    assert (job.state, job.attempts, job.last_error) == ("due", 1, "unavailable: network")
    assert not PlatformReport.objects.exists()
    settings.LINK_RESOLVER_BASE_URL = where
    with clock.at(TODAY + timedelta(minutes=5)):
        drain_all()
        drain_all()
    assert ReconciliationLog.objects.counted().count() == 1


def test_a_link_to_a_post_that_one_claims_already_goes_on_as_that_one(claim_link, world_post, drain_all):
    affiliate, campaign, world = AffiliateFactory(), CampaignFactory(), world_post("x")
    first = claim_link(world.url, affiliate=affiliate, campaign=campaign)
    drain_all()
    with clock.at(TODAY + timedelta(minutes=1)):
        second = claim_link(world.short_url, views=2, affiliate=affiliate, campaign=campaign)
        drain_all()
        drain_all()
        second.post.refresh_from_db()
        assert second.post.merged_into == first.post
        claims = AffiliateReport.objects.filter(post=first.post).order_by("claimed_at")
        assert list(claims.values_list("claimed_views", flat=True)) == [1, 2]
        assert ReconciliationLog.objects.counted().filter(post=first.post).count() == 2
        assert not Job.objects.pending().exists()
        third = claim_link(world.short_url, views=3, affiliate=affiliate, campaign=campaign)
        assert third.post == first.post


def test_a_link_to_a_post_that_somebody_else_claims_is_refused_after_the_fact(claim_link, world_post, drain_all):
    campaign, world = CampaignFactory(), world_post("x")
    first = claim_link(world.url, campaign=campaign)
    clock.set(TODAY + timedelta(seconds=1))
    second = claim_link(world.short_url, campaign=campaign)
    drain_all()
    second.post.refresh_from_db()
    first.post.refresh_from_db()
    assert (first.post.displaced_at, second.post.displaced_at) == (None, clock.now())
    assert AuditEvent.objects.get(action="post.displaced").object_id == second.post.pk
    assert not ReconciliationLog.objects.filter(post=second.post).exists()


@pytest.mark.parametrize("shared", [True, False])
def test_a_link_to_a_post_of_another_campaign_needs_both_to_share(claim_link, world_post, drain_all, shared):
    affiliate, world = AffiliateFactory(), world_post("x")
    campaigns = [CampaignFactory(allows_shared_content=shared) for _ in range(2)]
    claim_link(world.url, affiliate=affiliate, campaign=campaigns[0])
    clock.set(TODAY + timedelta(seconds=1))
    second = claim_link(world.short_url, affiliate=affiliate, campaign=campaigns[1])
    drain_all()
    drain_all()
    second.post.refresh_from_db()
    assert (second.post.displaced_at is None) == shared
    assert ReconciliationLog.objects.filter(post=second.post).exists() == shared


def test_many_links_are_opened_side_by_side_and_a_lost_worker_loses_none(claim_link, world_post, drain_all):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    for index in range(20):
        claim_link(world_post("x", index).short_url, affiliate=affiliate, campaign=campaign)
    batch = jobs.lease_batch(connection_id=None)
    assert len(batch.jobs) == jobs.UNIDENTIFIED_BATCH  # and then its worker is lost
    with clock.at(TODAY + timedelta(seconds=jobs.LEASE_S + 1)):
        jobs.sweep()
        drain_all()
        drain_all()
    assert ReconciliationLog.objects.counted().count() == 20


def test_a_link_opened_under_a_lapsed_lease_changes_nothing(claim_link, world_post, drain_all):
    submitted = claim_link(world_post("x").short_url)
    slow = jobs.lease_batch(connection_id=None)
    with clock.at(TODAY + timedelta(seconds=jobs.LEASE_S + 1)):
        jobs.sweep()
        draining.drain(connection_id=None, paced=False)
        before = Job.objects.values().get()
        assert draining.work(slow) == 0
        assert Job.objects.values().get() == before
    submitted.post.refresh_from_db()
    assert submitted.post.is_identified


@pytest.mark.django_db(transaction=True)
def test_a_link_does_not_hold_a_worker_while_a_whole_file_is_written(claim_link, world_post, monkeypatch, drain_all):
    monkeypatch.setattr(submission, "LOCK_WAIT_S", 0.2)
    submitted = claim_link(world_post("x").short_url)

    def look():
        try:
            draining.drain(connection_id=None, paced=False)
        finally:
            connections.close_all()

    with transaction.atomic():
        lock_all_contents()
        worker = threading.Thread(target=look)
        worker.start()
        worker.join()
    job = Job.objects.get()
    assert (job.state, job.attempts, job.due_at > TODAY) == ("due", 0, True)
    with clock.at(job.due_at):
        drain_all()
    submitted.post.refresh_from_db()
    assert submitted.post.is_identified


def test_clicks_claimed_by_a_short_link_wait_for_it_too(claim_link, world_post, drain_all, sandbox):
    submitted = submission.submit(
        affiliate=AffiliateFactory(),
        campaign=CampaignFactory(),
        platform=Platform.objects.get(slug="x"),
        url=world_post("x", series=Series.EVEN).short_url,
        figures=Figures(clicks=3),
    )
    drain_all()
    drain_all()
    submitted.post.refresh_from_db()
    assert submitted.post.is_identified
    assert ReconciliationLog.objects.get().status == "UNVERIFIABLE"
    assert sandbox.state.data_calls("x") == 0  # clicks are our own tracking's to tell


def test_a_link_of_test_mode_is_opened_in_the_sandbox_alone(claim_link, world_post, settings, drain_all):
    settings.LINK_RESOLVER_BASE_URL = "http://127.0.0.1:9"  # where live mode would ask, and get no answer
    world = world_post("x")
    submitted = claim_link(world.short_url, campaign=CampaignFactory(advertiser__livemode=False))
    drain_all()
    submitted.post.refresh_from_db()
    assert (submitted.post.is_identified, submitted.post.external_id) == (True, world.external_id)
