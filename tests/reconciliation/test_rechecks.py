"""Looks by plan: how a post's curve goes on once its claim has its verdict, and what comes before it."""

from datetime import timedelta
from decimal import Decimal

import pytest

from campaigns import services as campaigning
from campaigns.models import CampaignPlatform
from campaigns.plans import spread_of
from config import clock
from platforms.metrics import Availability
from platforms.models import Connection, Platform
from reconciliation.models import Job, PlatformReport, PostState, ReconciliationLog
from reconciliation.services import jobs, plans, runs
from tests.factories import TODAY, AffiliateFactory, CampaignFactory, UserFactory
from tests.reconciliation.support import lane_of, leased

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today", "sandbox")]
H, D = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def campaign():
    return planned("1h 6h daily")


def planned(plan, **given):
    made = CampaignFactory(**given)
    CampaignPlatform.objects.filter(campaign=made).update(recheck_plan=plan)
    return made


def pending():
    return Job.objects.pending().get()


def test_the_looks_go_on_by_plan_and_the_verdict_stays(campaign, claim, drain_all, world_post):
    post = claim(AffiliateFactory(), campaign, world_post(), 1).post
    drain_all()
    verdict = ReconciliationLog.objects.get()
    for planned_at, room in ((TODAY + H, H), (TODAY + 6 * H, 5 * H), (TODAY + 30 * H, D), (TODAY + 54 * H, D)):
        look = pending()
        assert (look.reason, look.connection, look.post) == (Job.Reason.RECHECK, lane_of("youtube"), post)
        assert look.due_at - planned_at == pytest.approx(spread_of(post.pk) * room / 4, abs=timedelta(microseconds=2))
        with clock.at(look.due_at):
            assert drain_all() == 1
            state = PostState.objects.get()
            assert state.last_fetched_at == look.due_at
    assert ReconciliationLog.objects.get() == verdict
    assert PostState.objects.get().counted_verdict == verdict


def test_what_was_missed_meanwhile_is_one_look(campaign, claim, drain_all, world_post):
    claim(AffiliateFactory(), campaign, world_post(), 1)
    drain_all()
    with clock.at(TODAY + 10 * D):
        assert drain_all() == 1
        assert TODAY + 10 * D < pending().due_at <= TODAY + 11 * D + 6 * H


def test_a_new_claim_takes_the_planned_look_over_and_begins_the_plan_anew(campaign, claim, drain_all, world_post):
    affiliate, moment = AffiliateFactory(), TODAY + 5 * H
    claim(affiliate, campaign, world_post(), 1)
    drain_all()
    Job.objects.pending().update(attempts=5, last_error="timeout")
    with clock.at(moment):
        claim(affiliate, campaign, world_post(), 2)
        look = pending()
        assert (look.reason, look.attempts, look.last_error) == (Job.Reason.SUBMISSION, 0, "")
        assert look.due_at <= moment
        drain_all()
    assert ReconciliationLog.objects.counted().count() == 2
    assert moment + H <= pending().due_at < moment + 1.25 * H


def test_a_claim_that_comes_during_a_planned_look_is_looked_at_whatever_becomes_of_that(
    campaign, claim, drain_all, world_post
):
    affiliate = AffiliateFactory()
    claim(affiliate, campaign, world_post(), 1)
    drain_all()
    with clock.at(TODAY + 2 * H):
        Job.objects.pending().update(attempts=jobs.MAX_ATTEMPTS - 1)
        batch = leased()
        post = claim(affiliate, campaign, world_post(), 2).post
        jobs.give_back(batch=batch, error="timeout")
        assert (pending().reason, pending().attempts) == (Job.Reason.SUBMISSION, 1)
        CampaignPlatform.objects.filter(campaign=campaign).update(recheck_plan="never")
        plans.replan([post.pk])
        assert pending().reason == Job.Reason.SUBMISSION
    with clock.at(TODAY + 3 * H):
        assert drain_all() == 1
    assert ReconciliationLog.objects.counted().count() == 2


@pytest.mark.parametrize(
    ("plan", "given"),
    [
        ("never", {}),
        ("daily", {"ends_on": TODAY.date(), "claim_window_days": 0, "conversion_lag_h": 0}),
    ],
)
def test_where_nothing_is_planned_nothing_is_due(plan, given, claim, drain_all, world_post):
    claim(AffiliateFactory(), planned(plan, **given), world_post(), 1)
    drain_all()
    assert not Job.objects.pending().exists()


def test_the_plan_that_holds_everywhere(claim, drain_all, world_post, settings):
    settings.RECHECK_PLAN = "3h"
    claim(AffiliateFactory(), planned(""), world_post(), 1)
    drain_all()
    assert TODAY + 3 * H <= pending().due_at <= TODAY + 3.75 * H


@pytest.mark.parametrize("move", [campaigning.pause, campaigning.complete])
def test_a_campaign_that_rests_is_still_looked_at(move, campaign, claim, drain_all, world_post):
    claim(AffiliateFactory(), campaign, world_post(), 1)
    move(campaign=campaign, by=UserFactory())
    drain_all()
    assert pending().reason == Job.Reason.RECHECK


def test_clicks_are_looked_at_again_without_a_call(campaign, claim, drain_all, world_post):
    claim(AffiliateFactory(), campaign, world_post(), None, clicks=5)
    drain_all()
    assert pending().connection is None
    runs.request_run(posts=campaign.posts.all(), by=None, scope={})  # asks the platform once
    drain_all()
    assert pending().connection is None


def test_a_post_that_is_gone_waits_for_somebody_to_ask(campaign, claim, drain_all, world_post):
    claim(AffiliateFactory(), campaign, world_post(), 1)
    drain_all()
    state = PostState.objects.get()
    gone = PlatformReport.objects.create(post=state.post, availability=Availability.MISSING.value, fetched_at=TODAY)
    assert plans.next_rechecks(PostState.objects.shown_claims([state.post_id]), after=TODAY).keys() == {state.post_id}
    PostState.objects.update(latest_snapshot=gone)
    assert plans.next_rechecks(PostState.objects.shown_claims([state.post_id]), after=TODAY) == {}


# --- A plan that changes


def set_plan(campaign, text):
    terms = [campaigning.PlatformTerms(Platform.objects.get(slug="youtube"), campaign_rates(campaign), text)]
    campaigning.set_platforms(campaign=campaign, by=UserFactory(), platforms=terms)


def campaign_rates(campaign):
    return campaign.campaign_platforms.get(platform__slug="youtube").rates


@pytest.fixture
def queued(monkeypatch):
    """What changing a campaign has the queue do."""
    tasks = []
    monkeypatch.setattr(campaigning, "enqueue", lambda name, *args: tasks.append(args))
    monkeypatch.setattr(plans, "enqueue", lambda name, *args: tasks.append(args))

    def work():
        done = 0
        while tasks:
            campaign_id, platform_id, after = tasks.pop(0)
            plans.plan_anew(campaign_id=campaign_id, platform_id=platform_id, after=after or None)
            done += 1
        return done

    return work


def test_another_plan_moves_makes_and_takes_back_looks(campaign, claim, drain_all, world_post, queued, monkeypatch):
    monkeypatch.setattr(plans, "PLANNED_AT_ONCE", 2)
    open_post = claim(AffiliateFactory(), campaign, world_post(index=9), 10**12).post
    for index in range(5):
        claim(AffiliateFactory(), campaign, world_post(index=index), 1)
    drain_all()
    Job.objects.filter(post=open_post, state="due").update(reason=Job.Reason.SECOND_LOOK)

    def rechecks():
        return Job.objects.pending().filter(reason=Job.Reason.RECHECK)

    ids = set(rechecks().values_list("pk", flat=True))
    assert len(ids) == 5
    set_plan(campaign, "12h")
    assert queued() == 4  # three times two, and once to see that these were all
    assert set(rechecks().values_list("pk", flat=True)) == ids
    assert all(TODAY + 12 * H <= job.due_at < TODAY + 15 * H and job.urgent_at <= job.due_at for job in rechecks())
    set_plan(campaign, "never")
    queued()
    assert pending().reason == Job.Reason.SECOND_LOOK
    set_plan(campaign, "12h")
    queued()
    assert rechecks().count() == 5
    campaigning.update_campaign(
        campaign=campaign, by=UserFactory(), ends_on=TODAY.date() - D, claim_window_days=0, conversion_lag_h=0
    )
    queued()
    assert not rechecks().exists()


def test_saving_the_same_plan_plans_nothing_anew(campaign, queued):
    set_plan(campaign, " 1H  6h daily ")
    campaigning.update_campaign(campaign=campaign, by=UserFactory(), is_open=False)
    assert queued() == 0
    assert campaign.campaign_platforms.get(platform__slug="youtube").recheck_plan == "1h 6h daily"


# --- What comes first


def test_money_decides_among_rechecks(claim, drain_all, world_post, campaign):
    CampaignPlatform.objects.filter(campaign=campaign).update(rate_per_1000_views=Decimal(1000), recheck_plan="5min")
    posts = [
        claim(AffiliateFactory(), campaign, world_post(index=index), views).post
        for index, views in enumerate((9, 99_999, 999))
    ]
    drain_all()
    with clock.at(TODAY + H):
        assert [job.post.pk for job in leased().jobs] == [posts[1].pk, posts[2].pk, posts[0].pk]


def test_a_recheck_has_its_turn_before_claims_that_came_hours_later(
    campaign, claim, drain_all, world_post, monkeypatch
):
    monkeypatch.setattr(jobs, "BATCH", 1)
    monkeypatch.setattr("platforms.adapters.youtube.YouTubeAdapter.batch_size", 1)
    old = claim(AffiliateFactory(), campaign, world_post(), 1).post
    drain_all()
    due_at = pending().due_at
    with clock.at(due_at + 7 * H):
        new = claim(AffiliateFactory(), campaign, world_post(index=1), 1).post
        assert [job.post.pk for job in leased().jobs] == [new.pk]
    with clock.at(due_at + 9 * H):
        claim(AffiliateFactory(), campaign, world_post(index=2), 1)
        assert [job.post.pk for job in leased().jobs] == [old.pk]


def test_what_is_reserved_of_a_quota_is_for_claims(campaign, claim, drain_all, world_post):
    for index in range(3):
        claim(AffiliateFactory(), campaign, world_post(index=index), 1)
    drain_all()
    lane, moment = lane_of("youtube"), TODAY + 2 * H
    limits = lane.platform.budget
    with clock.at(moment):
        Connection.objects.filter(pk=lane.pk).update(quota_day=limits.day_of(moment), quota_used=8_000)
        claim(AffiliateFactory(), campaign, world_post(index=3), 1)
        assert drain_all() == 1
        rechecks = Job.objects.pending().filter(created_at=TODAY)
        assert {job.due_at for job in rechecks} == {limits.next_day(moment)}
        assert jobs.lease_batch(connection_id=lane.pk) is None
    with clock.at(limits.next_day(moment)):
        assert len(leased().jobs) == 4


def test_a_lane_looks_no_further_than_at_what_may_be_due(campaign, claim, drain_all, world_post):
    """The database holds every job to it: what is due is urgent."""
    claim(AffiliateFactory(), campaign, world_post(), 1)
    drain_all()
    look = pending()
    for moment in (look.due_at - D, look.due_at + D):  # a clock that steps back as well
        with clock.at(moment):
            Job.objects.filter(pk=look.pk).update(**jobs.due_from(clock.now()))
            moved = pending()
            assert (moved.due_at, moved.urgent_at) == (moment, min(look.urgent_at, look.due_at - D))
