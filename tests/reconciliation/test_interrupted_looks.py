"""What happens to a look when something changes while it is taken: connections come and go, tokens are replaced, posts
change hands, and the platform answers for some posts only."""

from dataclasses import replace
from datetime import timedelta

import pytest

from campaigns.models import Post
from config import clock
from config.demo.seeding import run_queued_tasks
from platforms.adapters import ADAPTER_CLASSES
from platforms.errors import ErrorKind, PlatformError, UnansweredError
from platforms.models import Breaker, Connection
from platforms.sandbox.world import Series
from platforms.services.lanes import hold_connection, park_connection
from reconciliation.comparison import Figures
from reconciliation.errors import SecondClaimantError
from reconciliation.models import AffiliateReport, Job, ReconciliationLog
from reconciliation.services import draining, jobs, submission
from tests.factories import TODAY, AffiliateFactory, CampaignFactory
from tests.invariants import broken
from tests.reconciliation.support import lane_of, leased
from tests.reconciliation.test_connections_lanes import AUTHOR, connect, look_again, prove
from tests.reconciliation.test_connections_lanes import posts_of as posts_of
from tests.reconciliation.test_identifying import claim_link as claim_link
from tests.reconciliation.test_merging import editions as editions
from tests.reconciliation.test_owning import prove as prove_author

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]


def after(**span):
    return clock.at(TODAY + timedelta(**span))


def lease_in(connection):
    batch = jobs.lease_batch(connection_id=connection.pk, paced=False)
    assert isinstance(batch, jobs.Batch)
    return batch


@pytest.fixture
def work_off(drain_all):
    """Everything that is due, and what follows from it by the queue, until nothing is."""

    def work():
        for _ in range(4):
            jobs.sweep()
            drain_all()
            run_queued_tasks()

    return work


# --- Connections


@pytest.mark.parametrize("ends", ["given_back", "lost"])
def test_a_look_whose_connection_is_gone_is_taken_by_the_application(claim, posts_of, work_off, ends):
    affiliate = AffiliateFactory()
    connection = connect(affiliate, "tiktok")
    claim(affiliate, CampaignFactory(), *posts_of("tiktok"), 1)
    batch = lease_in(connection)
    Connection.objects.filter(pk=connection.pk).update(state="disconnected", locked="")
    look_again(connection)
    if ends == "given_back":
        jobs.give_back(batch=batch, error="auth: revoked", counts=False)
    with after(seconds=jobs.LEASE_S + 10):
        work_off()
    assert ReconciliationLog.objects.get().status == "UNVERIFIABLE"


def test_an_account_connected_while_its_claim_is_looked_at_is_used_at_once(claim, posts_of, work_off):
    affiliate, (post,) = AffiliateFactory(), posts_of("tiktok")
    claim(affiliate, CampaignFactory(), post, 1)
    batch = leased("tiktok")
    with after(seconds=2):
        connection = connect(affiliate, "tiktok")
        prove(connection, post)
        look_again(connection)
        draining.work(batch)
        work_off()
    assert list(ReconciliationLog.objects.order_by("processed_at", "id").values_list("status", flat=True)) in (
        ["UNVERIFIABLE", "MATCHED"],
        ["MATCHED", "UNVERIFIABLE"],
    )
    assert ReconciliationLog.objects.counted().get().status == "MATCHED"


def test_a_lane_that_was_connected_anew_is_not_parked_for_its_old_token(claim):
    affiliate = AffiliateFactory()
    connection = connect(affiliate, "tiktok")
    Connection.objects.filter(pk=connection.pk).update(locked="something newer")
    park_connection(connection_id=connection.pk, reason="auth: revoked", locked=connection.locked)
    connection.refresh_from_db()
    assert connection.state == "active"


def test_of_several_waits_the_longest_holds():
    lane = lane_of("youtube")
    hold_connection(connection_id=lane.pk, wait_s=600)
    hold_connection(connection_id=lane.pk, wait_s=5)
    assert lane_of("youtube").not_before == TODAY + timedelta(seconds=600)


def test_a_credential_that_fails_before_any_call_closes_no_breaker(claim, posts_of, sandbox):
    affiliate = AffiliateFactory()
    connection = connect(affiliate, "tiktok")
    Connection.objects.filter(pk=connection.pk).update(token_expires_at=TODAY - timedelta(hours=1), method="token")
    claim(affiliate, CampaignFactory(), *posts_of("tiktok"), 1)
    Breaker.objects.filter(platform__slug="tiktok").update(
        state="open", failures=5, opened=1, retry_at=TODAY, changed_at=TODAY
    )
    draining.work(lease_in(connection))
    assert sandbox.state.data_calls("tiktok") == 0
    assert Breaker.objects.get(platform__slug="tiktok", livemode=True).state == "open"


# --- What an application is not shown


@pytest.mark.parametrize("platform", ["instagram", "facebook"])
def test_what_the_owner_no_longer_shows_us_is_not_called_missing(claim, posts_of, work_off, settings, platform):
    affiliate, (post,), campaign = AffiliateFactory(), posts_of(platform), CampaignFactory()
    credentials = {"credentials": {"access_token": "some-application"}}
    settings.PLATFORMS = settings.PLATFORMS | {platform: settings.PLATFORMS[platform] | credentials}
    connection = connect(affiliate, platform)
    prove(connection, post)
    claim(affiliate, campaign, post, 1)
    work_off()
    assert ReconciliationLog.objects.counted().get().status == "MATCHED"
    Connection.objects.filter(pk=connection.pk).update(state="disconnected", locked="")
    with after(hours=1):
        claim(affiliate, campaign, post, 2)
        work_off()
    assert ReconciliationLog.objects.exclude(next_look_at=None).get().status == "UNVERIFIABLE"


def test_an_application_without_credentials_waits_for_the_owner_and_parks_no_lane(claim, sandbox, work_off, settings):
    video = next(post for post in sandbox.state.world.posts_of("facebook", AUTHOR, Series.EVEN) if post.is_video)
    facebook = settings.PLATFORMS["facebook"] | {"credentials": {"access_token": ""}}
    settings.PLATFORMS = settings.PLATFORMS | {"facebook": facebook}
    claim(AffiliateFactory(), CampaignFactory(), video, 1)
    work_off()
    assert ReconciliationLog.objects.get().status == "UNVERIFIABLE"
    assert lane_of("facebook").state == "active"


# --- Answers in part


def test_posts_that_the_platform_answers_nothing_for_use_up_attempts_and_leave_the_breaker_alone(
    claim, world_post, monkeypatch
):
    claim(AffiliateFactory(), CampaignFactory(), world_post(), 1)

    def nothing(*_, **__):
        raise UnansweredError(ErrorKind.UNAVAILABLE, "1", "No answer for this post.")

    monkeypatch.setattr(ADAPTER_CLASSES["youtube"], "fetch", nothing)
    for attempt in range(1, jobs.MAX_ATTEMPTS + 1):
        with after(hours=attempt):
            draining.work(leased())
    assert Job.objects.values_list("state", "attempts").get() == ("dead", jobs.MAX_ATTEMPTS)
    assert Breaker.objects.filter(failures__gt=0).count() == 0


@pytest.mark.parametrize(("kind", "attempts"), [(ErrorKind.UNAVAILABLE, 1), (ErrorKind.RATE_LIMIT, 0)])
def test_posts_that_stay_open_are_given_back_and_the_others_settled(claim, world_post, monkeypatch, kind, attempts):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    answered, left_open = (claim(affiliate, campaign, world_post("youtube", n), 1).post for n in range(2))
    fetch = ADAPTER_CLASSES["youtube"].fetch

    def in_part(*args, **kwargs):
        whole = fetch(*args, **kwargs)
        rest = {each: reading for each, reading in whole.readings.items() if each == answered.external_id}
        error = PlatformError(kind, "late", "Not this time.", 30)
        return replace(whole, readings=rest, unanswered={left_open.external_id: error})

    monkeypatch.setattr(ADAPTER_CLASSES["youtube"], "fetch", in_part)
    draining.work(leased())
    assert ReconciliationLog.objects.get().post == answered
    job = Job.objects.get(post=left_open)
    assert (job.state, job.attempts, job.due_at) == ("due", attempts, TODAY + timedelta(seconds=30))


# --- Whose it is


@pytest.mark.parametrize("platform", ["tiktok", "instagram", "facebook"])
def test_an_owner_takes_its_place_where_nobody_could_name_the_author(claim, posts_of, work_off, platform):
    squatter, owner, campaign, (post,) = AffiliateFactory(), AffiliateFactory(), CampaignFactory(), posts_of(platform)
    taken = claim(squatter, campaign, post, 900).post
    work_off()
    prove(connect(owner, platform), post)
    with after(minutes=1):
        mine = claim(owner, campaign, post, 1)
        assert (mine.outcome, mine.post.is_identified) == ("new_post", False)
        assert claim(owner, campaign, post, 1).outcome == "unchanged"
        work_off()
    taken.refresh_from_db()
    mine.post.refresh_from_db()
    assert taken.displaced_at
    assert (mine.post.displaced_at, mine.post.is_identified, mine.post.external_id) == (None, True, post.external_id)
    assert ReconciliationLog.objects.counted().get(post=mine.post).status == "MATCHED"


@pytest.mark.parametrize("platform", ["tiktok", "instagram", "facebook"])
def test_a_connection_that_is_not_the_owners_takes_nobodys_place(claim, posts_of, work_off, platform):
    first, other, campaign, (post,) = AffiliateFactory(), AffiliateFactory(), CampaignFactory(), posts_of(platform)
    standing = claim(first, campaign, post, 900).post
    work_off()
    prove(connect(other, platform, 8), posts_of(platform, author=8)[0])
    with after(minutes=1):
        mine = claim(other, campaign, post, 1).post
        work_off()
    standing.refresh_from_db()
    mine.refresh_from_db()
    assert standing.displaced_at is None
    assert mine.displaced_at
    assert not ReconciliationLog.objects.filter(post=mine).exists()


def test_a_proven_author_takes_its_place_by_a_short_link_too(claim_link, claim, world_post, work_off):
    campaign, owner, world = CampaignFactory(), AffiliateFactory(), world_post("x")
    squatted = claim_link(world.url, campaign=campaign).post
    work_off()
    prove_author(owner, world)
    with after(minutes=1):
        mine = claim_link(world.short_url, affiliate=owner, campaign=campaign).post
        work_off()
    squatted.refresh_from_db()
    mine.refresh_from_db()
    assert squatted.displaced_at
    assert mine.displaced_at is None


def test_who_claimed_first_by_a_short_link_stays_first(claim_link, world_post, work_off):
    campaign, world = CampaignFactory(), world_post("x")
    first = claim_link(world.short_url, campaign=campaign).post
    with after(seconds=30):
        second = claim_link(world.url, campaign=campaign).post
        work_off()
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.displaced_at is None
    assert second.displaced_at


def test_a_short_link_that_led_to_another_s_post_is_refused_the_next_time(claim_link, world_post, work_off):
    campaign, affiliate, world = CampaignFactory(), AffiliateFactory(), world_post("x")
    claim_link(world.url, campaign=campaign)
    with after(seconds=1):
        claim_link(world.short_url, affiliate=affiliate, campaign=campaign)
        work_off()
        with pytest.raises(SecondClaimantError):
            claim_link(world.short_url, views=2, affiliate=affiliate, campaign=campaign)


def test_new_figures_for_a_post_that_was_displaced_meanwhile_are_refused(claim, world_post, work_off):
    squatter, owner, campaign = AffiliateFactory(), AffiliateFactory(), CampaignFactory()
    taken = claim(squatter, campaign, world_post(), 10).post
    work_off()
    prove_author(owner, world_post())
    claim(owner, campaign, world_post(), 10)
    with pytest.raises(SecondClaimantError):
        submission.claim_again(post=taken, figures=Figures(views=11))
    assert not Job.objects.pending().filter(post=taken).exists()


# --- One content


@pytest.mark.parametrize("shared", [True, False])
def test_two_editions_in_two_campaigns_need_both_to_share(claim, editions, work_off, shared):
    first, latest = editions
    affiliate = AffiliateFactory()
    one, two = (CampaignFactory(allows_shared_content=shared) for _ in range(2))
    standing = claim(affiliate, one, latest, 1).post
    with after(seconds=5):
        other = claim(affiliate, two, first, 1).post
        work_off()
    other.refresh_from_db()
    assert (other.displaced_at is None) == shared
    assert Post.objects.standing().filter(pk=standing.pk).exists()


def test_a_claim_that_waits_is_judged_though_its_post_was_merged(claim, editions, work_off):
    first, latest = editions
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    claim(affiliate, campaign, latest, 1)
    work_off()
    campaign.refresh_from_db()
    standing = Post.objects.get()
    standing.platform.config = {"views_lag_h": 24 * 60}
    standing.platform.save()
    with after(seconds=5):
        other = claim(affiliate, campaign, first, 10**9).post
        work_off()
    other.refresh_from_db()
    assert other.merged_into == standing
    with after(days=60):
        work_off()
    judged = set(ReconciliationLog.objects.counted().values_list("affiliate_report", flat=True))
    assert judged == set(AffiliateReport.objects.values_list("pk", flat=True))
    assert ReconciliationLog.objects.counted().filter(post=other).get().trust_effect == "INACCURATE"


def test_one_content_counts_once_for_trust_under_whatever_link(claim, editions, work_off):
    first, latest = editions
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    claim(affiliate, campaign, latest, 1)
    with after(seconds=5):
        claim(affiliate, campaign, first, 1)
        work_off()
    affiliate.refresh_from_db()
    assert (affiliate.trust.total_submissions, affiliate.trust.accurate_submissions) == (1, 1)


def test_a_look_at_a_claim_of_clicks_goes_on_to_the_platform_for_views_whose_look_is_dead(
    claim, drain_all, world_post, sandbox
):
    post = claim(AffiliateFactory(), CampaignFactory(), world_post(), 1).post
    batch = leased()
    Job.objects.update(attempts=jobs.MAX_ATTEMPTS)
    jobs.give_back(batch=batch, error="timeout")
    with after(minutes=1):
        submission.claim_again(post=post, figures=Figures(clicks=3))
        assert draining.work(jobs.lease_batch(connection_id=None)) == 1
        assert Job.objects.pending().get().connection == lane_of("youtube")
        assert drain_all() == 1
    assert not AffiliateReport.objects.open().exists()


def test_a_dead_look_at_a_post_that_was_displaced_is_not_tried_again(claim, world_post, sandbox):
    post = claim(AffiliateFactory(), CampaignFactory(), world_post(), 1).post
    batch = leased()
    Job.objects.update(attempts=jobs.MAX_ATTEMPTS)
    jobs.give_back(batch=batch, error="timeout")
    submission.displace(post=post, by=AffiliateFactory())
    assert jobs.retry_dead(job_ids=[batch.jobs[0].pk]) == 0
    assert Job.objects.get().state == Job.State.DEAD
    assert not broken()
