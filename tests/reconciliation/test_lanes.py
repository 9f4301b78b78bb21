"""Lanes: pacing, leases and attempts, and what a platform's trouble does to its own lane and to no other."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django_q.models import OrmQ

from affiliates.models import AuditEvent
from config import clock
from platforms.adapters import ADAPTER_CLASSES
from platforms.models import Breaker, Platform
from platforms.sandbox.wire import FaultKind
from platforms.services.lanes import Purse, resume_connection
from reconciliation.models import Job, PostState, ReconciliationLog
from reconciliation.services import draining, jobs
from reconciliation.services.settling import judging
from tests.factories import TODAY, AffiliateFactory, CampaignFactory, UserFactory
from tests.reconciliation.support import lane_of, leased

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]


@pytest.fixture
def claim_many(claim, world_post):
    """Claim so many posts of a platform."""
    affiliate, campaign = AffiliateFactory(), CampaignFactory()

    def make(count, platform="youtube", start=0):
        return [claim(affiliate, campaign, world_post(platform, n), 1) for n in range(start, start + count)]

    return make


def lease(slug="youtube"):
    return jobs.lease_batch(connection_id=lane_of(slug).pk)


def breaker_of(slug):
    return Breaker.objects.get(platform__slug=slug, livemode=True)


def after(seconds):
    return clock.at(TODAY + timedelta(seconds=seconds))


# --- Pacing


def test_the_first_claim_on_a_quiet_lane_leaves_at_once(claim_many):
    claim_many(1)
    assert len(lease().jobs) == 1
    assert lane_of("youtube").last_call_at == TODAY


def test_a_partial_batch_waits_until_a_second_after_the_last_call_and_one_caller_waits_for_it(claim_many):
    claim_many(1)
    lease()
    claim_many(2, start=1)
    with after(0.4):
        assert lease() == jobs.Wait(TODAY + timedelta(seconds=1))
        assert lease() is None
        claim_many(1, start=3)
    with after(0.99):
        assert lease() is None
    with after(1):
        assert len(lease().jobs) == 3


def test_a_full_batch_leaves_at_once_and_the_rest_is_paced(claim_many):
    claim_many(1)
    lease()
    claim_many(52, start=1)
    with after(0.2):
        assert len(lease().jobs) == 50
        assert lease() == jobs.Wait(TODAY + timedelta(seconds=1.2))
    with after(1.2):
        assert len(lease().jobs) == 2


def test_when_the_one_who_waits_dies_the_next_takes_its_place(claim_many):
    claim_many(1)
    lease()
    claim_many(1, start=1)
    with after(0.1):
        assert isinstance(lease(), jobs.Wait)
    with after(0.5):
        assert lease() is None
    with after(1.6):
        assert len(lease().jobs) == 1


def test_who_finds_that_a_full_batch_left_meanwhile_waits_on(claim_many, monkeypatch):
    clock.set(None)
    for module in (jobs, draining):  # long enough for the slowest machine to get here
        monkeypatch.setattr(module, "PACE_S", 5)
    claim_many(1)
    lane = lane_of("youtube").pk
    draining.drain(connection_id=lane)
    claim_many(1, start=1)
    waits_s = []
    really_sleep = time.sleep

    def sleep(wait_s):
        waits_s.append(wait_s)
        if len(waits_s) == 1:
            claim_many(50, start=2)
            assert len(lease().jobs) == 50
        really_sleep(wait_s)

    monkeypatch.setattr(time, "sleep", sleep)
    assert draining.drain(connection_id=lane) == 1  # the one that the full batch left over
    assert len(waits_s) == 2


def test_other_lanes_are_not_paced_by_this_one(claim_many):
    claim_many(1)
    claim_many(1, "x")
    lease()
    assert len(lease("x").jobs) == 1


def test_the_most_urgent_go_first(claim_many, monkeypatch):
    monkeypatch.setattr(jobs, "BATCH", 2)
    posts = [submitted.post for submitted in claim_many(4)]
    urgent_at = Job.objects.get(post=posts[2]).urgent_at
    Job.objects.filter(post=posts[0]).update(urgent_at=urgent_at + timedelta(hours=6))
    Job.objects.filter(post=posts[1]).update(due_at=TODAY + timedelta(seconds=5))
    Job.objects.filter(post=posts[3]).update(urgent_at=urgent_at - timedelta(seconds=5))
    assert [job.post.pk for job in leased().jobs] == [posts[3].pk, posts[2].pk]
    assert [job.post.pk for job in leased().jobs] == [posts[0].pk]


# --- Attempts


def test_attempts_count_before_the_work_begins_and_a_lost_worker_uses_them_up(claim_many):
    claim_many(1)
    for attempt in range(1, jobs.MAX_ATTEMPTS + 1):
        with after(attempt * 100):
            assert [job.attempts for job in Job.objects.all()] == [attempt - 1]
            assert len(leased().jobs) == 1
        with after(attempt * 100 + jobs.LEASE_S):
            jobs.sweep()
            assert Job.objects.get().state == "leased"  # it is held to the very end of the lease
        with after(attempt * 100 + jobs.LEASE_S + 1):
            jobs.sweep()
    job = Job.objects.get()
    assert (job.state, job.attempts, job.lease) == ("dead", jobs.MAX_ATTEMPTS, None)
    assert "lost" in job.last_error


def test_an_outage_opens_the_breaker_and_uses_up_nobodys_attempts(claim_many, sandbox, drain_all):
    claim_many(2)
    sandbox.state.set_fault("youtube", FaultKind.SERVER_ERROR, 1, 600)
    for failure in range(1, 6):  # the default threshold
        with after(10 * failure):
            assert draining.work(leased()) == 0
            assert {job.due_at - clock.now() < timedelta(seconds=5) for job in Job.objects.all()} == {True}
    breaker = breaker_of("youtube")
    assert (breaker.state, breaker.failures) == ("open", 5)
    assert breaker.retry_at == TODAY + timedelta(seconds=65)
    claim_many(1, start=2)  # what comes meanwhile waits as well
    with after(64):
        assert lease() is None
        assert jobs.sweep() == 0
    with after(65):
        probe = leased()
        claim_many(1, start=3)
        other = leased()
        assert draining.work(probe) == 0
        assert draining.work(other) == 0  # one probe at a time: this one makes no call
    assert breaker_of("youtube").retry_at == TODAY + timedelta(seconds=95)  # twice as long
    assert sandbox.state.data_calls("youtube") == 6
    assert set(Job.objects.values_list("state", "attempts")) == {("due", 0)}
    sandbox.state.reset()
    with after(95):
        assert jobs.sweep() == 1
        assert drain_all() == 4
    assert (breaker_of("youtube").state, breaker_of("youtube").failures) == ("closed", 0)


def test_a_probe_whose_worker_died_is_followed_by_the_next(claim_many, sandbox, drain_all):
    claim_many(1)
    Breaker.objects.filter(platform__slug="youtube").update(state="open", failures=5, opened=1, retry_at=TODAY)
    assert len(lease().jobs) == 1
    with after(jobs.LEASE_S + 1):
        jobs.sweep()
        assert drain_all() == 1
    assert breaker_of("youtube").state == "closed"


def test_a_breaker_stops_its_own_platform_and_mode_alone(claim_many, sandbox, drain_all):
    claim_many(1)
    claim_many(1, "x")
    soon = TODAY + timedelta(minutes=1)
    opened = {"state": "open", "retry_at": soon, "changed_at": TODAY}
    Breaker.objects.filter(platform__slug="x", livemode=True).update(failures=5, **opened)
    Breaker.objects.filter(platform__slug="youtube", livemode=False).update(**opened)
    assert drain_all() == 1
    assert {name: sandbox.state.data_calls(name) for name in ("youtube", "x")} == {"youtube": 1, "x": 0}


def test_a_refused_credential_is_an_answer_and_no_failure(claim_many, sandbox, drain_all):
    claim_many(1)
    Breaker.objects.filter(platform__slug="youtube").update(failures=4)
    sandbox.state.set_fault("youtube", FaultKind.AUTH, 1, 600)
    assert drain_all() == 0
    assert (breaker_of("youtube").state, breaker_of("youtube").failures) == ("closed", 0)


# --- The call budget


def test_what_the_budget_does_not_allow_is_not_called_and_waits(claim_many, sandbox, drain_all, monkeypatch):
    monkeypatch.setattr(ADAPTER_CLASSES["youtube"], "batch_size", 1)
    Platform.objects.filter(slug="youtube").update(config={"rate_calls": 8, "rate_window_s": 60})
    claim_many(6)
    assert drain_all() == 2  # a quarter at once
    assert sandbox.state.data_calls("youtube") == 2
    lane = lane_of("youtube")
    assert lane.not_before == TODAY + timedelta(seconds=10)
    assert set(Job.objects.filter(state="due").values_list("attempts", flat=True)) == {0}
    with after(9):
        assert jobs.sweep() == 0
        assert drain_all() == 0
    with after(10):
        assert jobs.sweep() == 1
        assert drain_all() == 1
    with after(60):
        assert drain_all() == 2
    assert sandbox.state.data_calls("youtube") == 5
    assert Breaker.objects.filter(failures__gt=0).count() == 0  # it says nothing about the platform


def test_a_spent_quota_waits_for_the_platforms_midnight(claim_many, sandbox, drain_all):
    Platform.objects.filter(slug="youtube").update(config={"daily_quota": 1})
    claim_many(1)
    assert drain_all() == 1
    assert lane_of("youtube").quota_used_today == 1
    claim_many(1, start=1)
    assert drain_all() == 0
    midnight = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)  # in Los Angeles
    assert lane_of("youtube").not_before == midnight
    with clock.at(midnight):
        assert lane_of("youtube").quota_used_today == 0
        assert drain_all() == 1


def test_a_budget_that_another_worker_spends_meanwhile_costs_no_attempt(claim_many, sandbox):
    Platform.objects.filter(slug="youtube").update(config={"daily_quota": 1})
    claim_many(1)
    batch = leased()
    Purse(lane_of("youtube").pk).pay()
    assert draining.work(batch) == 0
    assert sandbox.state.data_calls("youtube") == 0
    assert Job.objects.values_list("state", "attempts", "last_error").get() == ("due", 0, "quota: call_budget")


def test_what_the_platform_says_in_gibberish_is_given_up_visibly_and_retried(claim_many, sandbox, drain_all):
    claim_many(2)
    sandbox.state.set_fault("youtube", FaultKind.MALFORMED, 1, 600)
    for attempt in range(1, jobs.MAX_ATTEMPTS + 1):
        with clock.at(TODAY + timedelta(hours=attempt)):
            assert draining.work(leased()) == 0
            waits = {job.due_at - clock.now() for job in Job.objects.all() if job.state == "due"}
            longest_s = min(jobs.BACKOFF_MAX_S, jobs.BACKOFF_BASE_S * 2**attempt)
            assert all(timedelta(0) <= wait <= timedelta(seconds=longest_s) for wait in waits)
    assert sandbox.state.data_calls("youtube") == jobs.MAX_ATTEMPTS
    for job in Job.objects.all():
        assert (job.state, job.attempts) == ("dead", jobs.MAX_ATTEMPTS)
        assert job.last_error.startswith("malformed: ")
        assert job.finished_at
    assert not ReconciliationLog.objects.exists()
    sandbox.state.reset()
    person = UserFactory(is_staff=True)
    dead = list(Job.objects.values_list("pk", flat=True))
    OrmQ.objects.all().delete()
    clock.set(TODAY + timedelta(hours=jobs.MAX_ATTEMPTS + 1))
    assert jobs.retry_dead(job_ids=dead, by=person) == 2
    assert jobs.retry_dead(job_ids=dead, by=person) == 0
    assert OrmQ.objects.count() == 1  # the lane is woken
    assert AuditEvent.objects.filter(action="job.retried", actor=person).count() == 2
    assert drain_all() == 2
    assert ReconciliationLog.objects.counted().count() == 2


def test_of_several_dead_looks_at_one_post_one_is_retried_and_none_beside_a_pending_one(claim_many, claim):
    (first,) = claim_many(1)
    Job.objects.update(state="dead", attempts=8)
    jobs.request_looks(posts={first.post.pk: True}, reason=Job.Reason.MANUAL, due_at=clock.now(), request_id="")
    Job.objects.update(state="dead")
    dead = list(Job.objects.values_list("pk", flat=True))
    assert len(dead) == 2
    assert jobs.retry_dead(job_ids=dead) == 1
    assert jobs.retry_dead(job_ids=dead) == 0
    assert (Job.objects.filter(state="due").count(), Job.objects.filter(state="dead").count()) == (1, 1)


def test_a_look_that_is_over_already_is_not_finished_once_more(claim_many):
    claim_many(3)
    for state in ("dead", "discarded"):
        Job.objects.filter(pk=Job.objects.pending().first().pk).update(state=state, last_error="unavailable: http_503")
    Job.objects.finish(list(Job.objects.values_list("pk", flat=True)))
    assert set(Job.objects.values_list("state", "last_error")) == {
        ("dead", "unavailable: http_503"),
        ("discarded", "unavailable: http_503"),
        ("done", ""),
    }


def test_new_figures_for_a_post_whose_look_was_given_up_have_it_looked_at_again(claim_many, claim, drain_all):
    (first,) = claim_many(1)
    Job.objects.update(state="dead", attempts=8)
    again = claim(first.post.affiliate, first.post.campaign, _world_of(first), 2)
    assert again.outcome == "new_claim"
    assert drain_all() == 1
    assert ReconciliationLog.objects.counted().count() == 2  # the first claim was open still


def test_an_error_of_our_own_is_named_and_tried_again(claim_many, sandbox, drain_all, monkeypatch):
    claim_many(1)

    def broken(**_):
        raise ZeroDivisionError("by nought")

    with monkeypatch.context() as patch:
        patch.setattr(draining, "settle", broken)
        with pytest.raises(ZeroDivisionError):
            draining.work(leased())
    job = Job.objects.get()
    assert (job.state, job.attempts, job.last_error) == ("due", 1, "ZeroDivisionError")
    with after(60):
        assert drain_all() == 1


def test_one_look_that_cannot_be_settled_holds_up_no_other(claim, world_post, drain_all, monkeypatch):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    poison, *_ = [claim(affiliate, campaign, world_post("youtube", n), n + 1) for n in range(4)]
    sound = judging.judge

    def judge(claim, *args, **kwargs):
        if claim.figures.views == poison.claim.claimed_views:
            raise ZeroDivisionError
        return sound(claim, *args, **kwargs)

    monkeypatch.setattr(judging, "judge", judge)
    with pytest.raises(ZeroDivisionError):
        drain_all()
    assert ReconciliationLog.objects.counted().count() == 3
    job = Job.objects.exclude(state="done").get()
    assert (job.post, job.state, job.last_error) == (poison.post, "due", "ZeroDivisionError")


# --- A platform's trouble


def test_a_dead_credential_parks_its_lane_and_no_other(claim_many, sandbox, drain_all):
    claim_many(3)
    claim_many(2, "x")
    sandbox.state.set_fault("youtube", FaultKind.AUTH, 1, 600)
    assert drain_all() == 2
    lane = lane_of("youtube")
    assert (lane.state, lane.parked_at) == ("parked", TODAY)
    assert lane.parked_reason.startswith("auth: ")
    assert lane_of("x").state == "active"
    waiting = Job.objects.filter(connection=lane)
    assert set(waiting.values_list("state", "attempts")) == {("due", 0)}
    assert lane.pk not in draining.lanes()
    with after(60):
        OrmQ.objects.all().delete()
        assert jobs.sweep() == 0
        assert lease() is None
    assert sandbox.state.data_calls("youtube") == 1
    sandbox.state.reset()
    resume_connection(connection_id=lane.pk, by=UserFactory(is_staff=True))
    with after(60):
        assert jobs.sweep() == 1
        assert drain_all() == 3
    assert ReconciliationLog.objects.count() == 5


@pytest.mark.parametrize("platform", ["x", "youtube", "reddit"])
def test_a_throttled_lane_rests_until_the_moment_the_platform_named(claim_many, sandbox, drain_all, platform):
    claim_many(2, platform)
    sandbox.state.set_fault(platform, FaultKind.RATE_LIMIT, 1, 30)
    assert drain_all() == 0
    rests_until = lane_of(platform).not_before
    assert rests_until is not None
    wait_s = (rests_until - TODAY).total_seconds()
    assert wait_s == draining.RATE_LIMIT_DEFAULT_S if platform == "youtube" else 28 <= wait_s <= 31
    assert set(Job.objects.values_list("state", "attempts", "due_at")) == {("due", 0, rests_until)}
    sandbox.state.set_fault(platform, FaultKind.RATE_LIMIT, 0, 0)
    claim_many(1, platform, start=2)  # what comes meanwhile waits as well
    with clock.at(rests_until - timedelta(seconds=1)):
        assert jobs.sweep() == 0
        assert drain_all() == 0
    assert sandbox.state.data_calls(platform) == 1
    with clock.at(rests_until):
        assert drain_all() == 3
    assert sandbox.state.data_calls(platform) == 2


@pytest.mark.parametrize("kind", [FaultKind.MALFORMED, FaultKind.RESET])
def test_a_broken_answer_costs_an_attempt_and_settles_nothing(claim_many, sandbox, drain_all, kind):
    claim_many(2)
    sandbox.state.set_fault("youtube", kind, 1, 600)
    assert draining.work(leased()) == 0
    away = kind is FaultKind.RESET  # a platform that does not answer costs the claims nothing
    assert set(Job.objects.values_list("state", "attempts")) == {("due", 0 if away else 1)}
    assert not PostState.objects.exclude(last_fetched_at=None).exists()
    sandbox.state.reset()
    with after(60):
        assert drain_all() == 2


# --- What the queue forgot


def test_a_drain_that_has_worked_long_enough_hands_the_lane_on(claim_many, monkeypatch):
    claim_many(1)
    OrmQ.objects.all().delete()
    monkeypatch.setattr(draining, "TIME_BUDGET_S", 0)
    assert draining.drain(connection_id=lane_of("youtube").pk) == 0
    assert OrmQ.objects.get().task["args"] == (str(lane_of("youtube").pk),)


def test_views_claimed_while_clicks_are_settled_are_asked_for_afterwards(claim, world_post, drain_all):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    clicks = claim(affiliate, campaign, world_post(), None, clicks=1)
    batch = jobs.lease_batch(connection_id=None)
    answer, *_ = draining.ask(batch)
    with after(2):
        views = claim(affiliate, campaign, world_post(), 1)
        assert draining.settle(batch=batch, answer=answer) == 1
        assert ReconciliationLog.objects.get().affiliate_report == clicks.claim
        assert Job.objects.pending().get().connection == lane_of("youtube")
        assert drain_all() == 1
    assert ReconciliationLog.objects.get(affiliate_report=views.claim).status == "MATCHED"


def test_the_sweep_wakes_each_lane_that_has_had_work_for_a_while(claim_many, claim, world_post):
    claim_many(2)
    claim_many(1, "x")
    claim(AffiliateFactory(), CampaignFactory(), world_post("reddit"), None, clicks=1)
    OrmQ.objects.all().delete()
    assert jobs.sweep() == 0  # due just now: its own hint is under way
    with after(2):
        assert jobs.sweep() == 3
    assert OrmQ.objects.count() == 3


def _world_of(submitted):
    """What `claim` needs to claim this post again."""

    class Known:
        platform, url = submitted.post.platform.slug, submitted.post.url

    return Known
