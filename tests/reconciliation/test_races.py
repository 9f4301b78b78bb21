"""What happens when several act at once: real threads, real transactions, one database."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections, transaction

from affiliates.models import AuditEvent
from alerts import services as alert_services
from alerts.errors import AlertStateError
from alerts.models import Alert
from campaigns.models import Enrolment, Post
from config import clock
from config.ids import new_id
from platforms.models import Connection
from reconciliation.comparison import Figures
from reconciliation.errors import BusyError
from reconciliation.models import (
    AffiliateReport,
    Job,
    PlatformReport,
    PostState,
    ReconciliationLog,
    Run,
    TrustEvent,
    TrustScore,
)
from reconciliation.querysets import JobQuerySet, NextLook
from reconciliation.services import draining, identifying, jobs, runs, submission
from reconciliation.services.merging import merge, merge_twins
from reconciliation.services.settling import found, settle
from reconciliation.trust import Kind, Outcome, Policy, tally
from tests.factories import TODAY, AffiliateFactory, CampaignFactory, PostFactory, UserFactory
from tests.invariants import broken
from tests.reconciliation.support import lane_of, leased
from tests.reconciliation.test_connections_lanes import connect, look_again, prove
from tests.reconciliation.test_connections_lanes import posts_of as posts_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("today")]


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Make these calls at the same moment, each in a thread of its own; their results, or what they raised."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            start.wait(timeout=20)
            return call()
        except Exception as error:  # noqa: BLE001, for the test to look at
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]


def wait_for_a_waiter(number: int = 1) -> None:
    """Until somebody waits for a lock, or so many do, for a few seconds at most."""
    deadline = time.monotonic() + 5
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0] >= number:
                return
            time.sleep(0.02)


def each_claim_has_one_counted_verdict() -> bool:
    counted = Counter(ReconciliationLog.objects.counted().values_list("affiliate_report", flat=True))
    return set(counted.values()) <= {1} and len(counted) == AffiliateReport.objects.count()


# --- Submitting


def test_twenty_at_once_with_one_new_claim_make_one_post_and_one_claim(client_of, world_post):
    campaign, affiliate = CampaignFactory(), AffiliateFactory()
    apis = [client_of(affiliate.user) for _ in range(20)]
    body = {"campaign": str(campaign.pk), "platform": "youtube", "url": world_post().url, "claimed_views": 5}
    answers = together(*(lambda api=api: api.post("/api/v1/submissions/", body) for api in apis))
    assert Counter(answer.status_code for answer in answers) == {202: 1, 200: 19}
    assert len({answer.json()["claim"]["id"] for answer in answers}) == 1
    for model in (Post, AffiliateReport, PostState, Job, Enrolment):
        assert model.objects.count() == 1


def test_twenty_at_once_with_figures_of_their_own_lose_none(client_of, world_post, drain_all):
    campaign, affiliate = CampaignFactory(), AffiliateFactory()
    apis = [client_of(affiliate.user) for _ in range(20)]
    body = {"campaign": str(campaign.pk), "platform": "youtube", "url": world_post().url}
    answers = together(
        *(
            lambda n=n, api=api: api.post("/api/v1/submissions/", body | {"claimed_views": n})
            for n, api in enumerate(apis)
        )
    )
    assert Counter(answer.status_code for answer in answers) == {202: 20}
    assert set(AffiliateReport.objects.values_list("claimed_views", flat=True)) == set(range(20))
    assert (Post.objects.count(), Job.objects.count()) == (1, 1)
    assert drain_all() == 1
    assert each_claim_has_one_counted_verdict()
    state = PostState.objects.get()
    assert state.current_verdict == ReconciliationLog.objects.get(affiliate_report=state.current_claim)


def test_of_two_affiliates_at_once_one_wins_and_the_other_is_refused(client_of, world_post):
    campaign = CampaignFactory()
    apis = [client_of(AffiliateFactory().user) for _ in range(2)]
    for index in range(10):
        body = {"campaign": str(campaign.pk), "platform": "x", "url": world_post("x", index).url, "claimed_views": 5}
        answers = together(*(lambda api=api: api.post("/api/v1/submissions/", body) for api in apis))  # noqa: B023
        assert sorted(answer.status_code for answer in answers) == [202, 409]
        assert Post.objects.count() == AffiliateReport.objects.count() == index + 1
    assert AuditEvent.objects.filter(action="claim.refused_second_claimant").count() == 10


def test_one_affiliate_may_send_many_posts_at_once(client_of, world_post):
    campaign, affiliate = CampaignFactory(), AffiliateFactory()
    bodies = [
        {"campaign": str(campaign.pk), "platform": "youtube", "url": world_post("youtube", n).url, "claimed_views": 1}
        for n in range(10)
    ]
    apis = [client_of(affiliate.user) for _ in bodies]
    answers = together(
        *(
            lambda api=api, body=body: api.post("/api/v1/submissions", body)
            for api, body in zip(apis, bodies, strict=True)
        )
    )
    assert Counter(answer.status_code for answer in answers) == {202: 10}
    assert (Post.objects.count(), Enrolment.objects.count()) == (10, 1)


# --- Asking for looks


def test_looks_at_the_same_posts_are_made_due_in_one_order_whatever_the_plan():
    """Each waits for the post in the middle, which a third one has; taken from both ends, they would wait in a circle
    thereafter."""
    posts = [PostFactory(pk=pk) for pk in sorted((new_id() for _ in range(3)), reverse=True)]
    first, middle, last = sorted(post.pk for post in posts)
    look = NextLook(middle, False, Job.Reason.RECHECK, TODAY, TODAY, "")
    is_held = threading.Event()

    def hold_the_middle() -> None:
        with transaction.atomic():
            Job.objects.add_pending([look])
            is_held.set()
            wait_for_a_waiter(2)
            transaction.set_rollback(True)

    def plan(setting: str) -> None:
        is_held.wait(timeout=20)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL {setting} = off")
            Job.objects.add_pending([look._replace(post=pk) for pk in (first, middle, last)])

    assert together(hold_the_middle, partial(plan, "enable_nestloop"), partial(plan, "enable_hashjoin")) == [None] * 3
    assert Job.objects.pending().count() == 3


# --- Settling


def test_of_two_settlers_of_one_batch_one_draws_the_verdicts(claim, world_post, sandbox):
    for index in range(5):
        claim(AffiliateFactory(), CampaignFactory(), world_post("youtube", index), 5)
    batch = leased()
    answer, *_ = draining.ask(batch)
    settlements = together(*[lambda: settle(batch=batch, answer=answer)] * 4)
    assert sorted(settlements) == [0, 0, 0, 5]
    assert ReconciliationLog.objects.count() == PlatformReport.objects.count() == TrustEvent.objects.count() == 5
    assert each_claim_has_one_counted_verdict()


def test_a_claim_that_comes_while_its_post_is_looked_at_gets_its_own_verdict(claim, world_post, drain_all):
    campaign, affiliate, post = CampaignFactory(), AffiliateFactory(), world_post()
    first = claim(affiliate, campaign, post, 5)
    batch = leased()
    answer, *_ = draining.ask(batch)
    with clock.at(TODAY + timedelta(seconds=2)):
        second = claim(affiliate, campaign, post, 6)
        assert Job.objects.get().state == "leased"
        assert settle(batch=batch, answer=answer) == 1
        assert ReconciliationLog.objects.get().affiliate_report == first.claim
        assert not Post.objects.get().is_reconciled
        assert PostState.objects.get().current_verdict is None
        assert drain_all() == 1
    verdict = ReconciliationLog.objects.get(affiliate_report=second.claim)
    assert verdict.platform_report.fetched_at >= second.claim.claimed_at
    assert PostState.objects.get().current_verdict == verdict
    assert each_claim_has_one_counted_verdict()
    assert Post.objects.get().is_reconciled


def test_claims_runs_and_settlements_at_once_leave_nothing_undone(claim, world_post, drain_all, sandbox):
    campaign, affiliate = CampaignFactory(), AffiliateFactory()
    posts = [claim(affiliate, campaign, world_post("youtube", index), 1).post for index in range(6)]
    for number in range(2, 8):
        clock.set(TODAY + timedelta(seconds=number))
        runs.request_run(posts=Post.objects.all(), by=None, scope={})
        batch = leased()
        answer, *_ = draining.ask(batch)
        results = together(
            lambda: settle(batch=batch, answer=answer),  # noqa: B023
            lambda: runs.request_run(posts=Post.objects.all(), by=None, scope={}),
            lambda: jobs.sweep(),
            *(lambda post=post: submission.claim_again(post=post, figures=Figures(views=number)) for post in posts),  # noqa: B023
        )
        assert [result for result in results if isinstance(result, Exception)] == []
        assert results[0] == 6
    clock.set(TODAY + timedelta(minutes=1))
    drain_all()
    assert AffiliateReport.objects.count() == 42
    assert each_claim_has_one_counted_verdict()
    assert not Job.objects.pending().exists()


def test_trust_equals_a_recount_whoever_settled_when(claim, world_post, sandbox, monkeypatch):
    monkeypatch.setattr(jobs, "BATCH", 2)
    campaign, affiliate, other = CampaignFactory(), AffiliateFactory(), AffiliateFactory()
    for index in range(48):
        post = world_post("x", index)
        times = 2 if index % 3 == 0 else 1
        claim(other if index % 8 == 7 else affiliate, campaign, post, post.figures_at(TODAY).views * times)
    batches = [leased("x") for _ in range(24)]
    answers = [draining.ask(batch)[0] for batch in batches]

    def settle_share(worker: int) -> int:
        return sum(settle(batch=batches[n], answer=answers[n]) for n in range(worker, 24, 8))

    assert sum(together(*(lambda worker=worker: settle_share(worker) for worker in range(8)))) == 48
    for who, total in ((affiliate, 42), (other, 6)):
        recounted = tally(
            Outcome(
                each.post_id, each.platform_id, each.day, each.claimed_at, each.claim_id, each.number, Kind(each.kind)
            )
            for each in TrustEvent.objects.filter(affiliate=who)
        )
        kept = TrustScore.objects.get(affiliate=who)
        counted = {kind: number for (_, kind), number in recounted.items()}
        assert {kind: number for kind, number in kept.counts.items() if number} == counted
        assert kept.platforms.get().counts == kept.counts
        assert (kept.total_submissions, kept.trust_score) == (total, Policy().score(counted))


def test_several_workers_on_one_lane_settle_everything_once(claim, world_post, sandbox):
    campaign, affiliate = CampaignFactory(), AffiliateFactory()
    for index in range(120):
        claim(affiliate, campaign, world_post("youtube", index), 1)
    lane = lane_of("youtube").pk
    settled = together(*[lambda: draining.drain(connection_id=lane, paced=False)] * 4)
    assert sum(settled) == 120
    assert each_claim_has_one_counted_verdict()
    assert sandbox.state.stats()["youtube"]["posts"] == 120
    assert set(Job.objects.values_list("attempts", flat=True)) == {1}


def test_a_holder_whose_lease_lapsed_adds_nothing(claim, world_post, sandbox):
    claim(AffiliateFactory(), CampaignFactory(), world_post(), 5)
    slow = leased()
    answer, *_ = draining.ask(slow)
    with clock.at(TODAY + timedelta(seconds=jobs.LEASE_S + 1)):
        jobs.sweep()
        quick = leased()
        assert settle(batch=quick, answer=draining.ask(quick)[0]) == 1
        assert settle(batch=slow, answer=answer) == 0
        jobs.give_back(batch=slow, error="too late")
    job = Job.objects.get()
    assert (job.state, job.attempts, job.last_error) == ("done", 2, "")
    assert ReconciliationLog.objects.count() == PlatformReport.objects.count() == 1


def test_a_slow_holder_whom_nobody_replaced_still_settles(claim, world_post, sandbox):
    claim(AffiliateFactory(), CampaignFactory(), world_post(), 5)
    slow = leased()
    answer, *_ = draining.ask(slow)
    with clock.at(TODAY + timedelta(seconds=jobs.LEASE_S + 1)):
        assert settle(batch=slow, answer=answer) == 1
        assert jobs.sweep() == 0
    assert Job.objects.get().state == "done"


# --- Deciding on alerts


def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told(claim, world_post, drain_all):
    campaign = CampaignFactory()
    people = [UserFactory() for _ in range(4)]
    for index in range(5):
        post = world_post("youtube", index)
        claim(AffiliateFactory(), campaign, post, post.figures_at(TODAY).views * 2)
    drain_all()
    verdicts = list(ReconciliationLog.objects.values_list("pk", flat=True))
    assert together(*[lambda: alert_services.open_for_verdicts(verdict_ids=verdicts)] * 4).count(5) >= 1
    assert Alert.objects.count() == 5
    for alert in Alert.objects.all():
        results = together(
            *(lambda by=by: alert_services.resolve(alert_id=alert.pk, by=by, note=by.name) for by in people)  # noqa: B023
        )
        winner = [person for person, result in zip(people, results, strict=True) if isinstance(result, Alert)]
        assert len(winner) == 1
        assert sum(isinstance(result, AlertStateError) for result in results) == 3
        alert.refresh_from_db()
        assert (alert.resolved_by, alert.resolution_note) == (winner[0], winner[0].name)
        assert AuditEvent.objects.get(object_id=alert.pk).actor == winner[0]


# --- Merging


def test_what_is_settled_while_its_post_is_merged_counts_for_the_post_that_stands(claim, world_post):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    with clock.at(TODAY - timedelta(days=1)):
        later = claim(affiliate, campaign, world_post("youtube", 1), 1).post
    first = claim(affiliate, campaign, world_post("youtube", 0), 1).post
    batch = leased()
    answer, *_ = draining.ask(batch)
    for_post = {job.post.pk: replace(batch, jobs=[job]) for job in batch.jobs}
    settle(batch=for_post[first.pk], answer=answer)
    is_held = threading.Event()

    def merge_meanwhile() -> None:
        with transaction.atomic():
            PostState.objects.take(later)
            is_held.set()
            wait_for_a_waiter()
            merge(post=later, into=first)

    def settle_meanwhile() -> int:
        is_held.wait(timeout=20)
        return settle(batch=for_post[later.pk], answer=answer)

    assert together(merge_meanwhile, settle_meanwhile) == [None, 1]
    assert not broken()


def test_twins_are_merged_while_both_are_settled(claim, world_post, monkeypatch):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    first = claim(affiliate, campaign, world_post("youtube", 0), 1).post
    with clock.at(TODAY + timedelta(seconds=1)):
        later = claim(affiliate, campaign, world_post("youtube", 1), 2).post
        Post.objects.filter(pk=later.pk).update(api_id=first.external_id)
        batch = leased()
        answer, *_ = draining.ask(batch)
        lock_posts, is_held = found.lock_posts, threading.Event()

        def lock_late(post_ids):
            is_held.set()
            wait_for_a_waiter()
            return lock_posts(post_ids)

        def merge_then() -> None:
            is_held.wait(timeout=20)
            merge_twins(post_id=later.pk)

        monkeypatch.setattr(found, "lock_posts", lock_late)
        assert together(lambda: settle(batch=batch, answer=answer), merge_then) == [2, None]
    later.refresh_from_db()
    assert later.merged_into == first
    assert not broken()


@pytest.mark.parametrize("is_settled", [False, True])
def test_a_link_that_leads_to_a_claimed_post_is_opened_while_a_run_asks_for_both(
    claim, world_post, drain_all, monkeypatch, is_settled
):
    affiliate, campaign, world = AffiliateFactory(), CampaignFactory(), world_post("x")
    first = claim(affiliate, campaign, world, 1).post
    if is_settled:
        drain_all()
    with clock.at(TODAY + timedelta(seconds=1)):
        short = claim(affiliate, campaign, replace(world, url=world.short_url), 2).post
        let_one_stand, is_held = identifying.let_one_stand, threading.Event()

        def once_somebody_waits(*posts):
            is_held.set()
            wait_for_a_waiter()
            return let_one_stand(*posts)

        def ask_for_both():
            is_held.wait(timeout=20)
            return runs.request_run(posts=Post.objects.filter(pk__in=[first.pk, short.pk]), by=None, scope={})

        monkeypatch.setattr(identifying, "let_one_stand", once_somebody_waits)
        _, run = together(lambda: draining.drain(connection_id=None, paced=False), ask_for_both)
    # Where a new look at the first one is asked for by both, they wait in a circle: the run may be asked for once more.
    assert isinstance(run, (Run, BusyError) if is_settled else Run)
    with clock.at(TODAY + timedelta(minutes=1)):
        drain_all()
        drain_all()
    short.refresh_from_db()
    assert short.merged_into == first
    assert ReconciliationLog.objects.counted().filter(post=first).count() == 2
    assert not broken()


def test_a_post_that_is_displaced_while_it_is_settled_is_looked_at_no_more(claim, world_post, monkeypatch):
    post = claim(AffiliateFactory(), CampaignFactory(), world_post(), 10**7).post
    batch, by, is_locked = leased(), AffiliateFactory(), threading.Event()
    answer, *_ = draining.ask(batch)
    young = {each: replace(reading, posted_at=TODAY - timedelta(hours=1)) for each, reading in answer.readings.items()}
    open_claims = found.open_claims

    def once_somebody_waits(post_ids):
        is_locked.set()
        wait_for_a_waiter()
        return open_claims(post_ids)

    def displace() -> None:
        is_locked.wait(timeout=20)
        with transaction.atomic():
            submission.displace(post=post, by=by)

    monkeypatch.setattr(found, "open_claims", once_somebody_waits)
    assert together(lambda: settle(batch=batch, answer=replace(answer, readings=young)), displace) == [1, None]
    assert ReconciliationLog.objects.get().next_look_at
    assert not Job.objects.pending().exists()
    assert not broken()


def test_a_connection_that_is_made_while_its_post_is_settled_is_the_next_looks_lane(
    claim, posts_of, sandbox, monkeypatch
):
    affiliate, (post,) = AffiliateFactory(), posts_of("instagram")
    claim(affiliate, CampaignFactory(), post, 1)
    batch, is_planned = leased("instagram"), threading.Event()
    answer, *_ = draining.ask(batch)
    add_pending = JobQuerySet.add_pending

    def add_late(jobs_there, looks):
        add_pending(jobs_there, looks)
        is_planned.set()
        wait_for_a_waiter()

    def connect_meanwhile() -> Connection:
        is_planned.wait(timeout=20)
        connection: Connection = connect(affiliate, "instagram")
        prove(connection, post)
        look_again(connection)
        return connection

    monkeypatch.setattr(JobQuerySet, "add_pending", add_late)
    settled, own = together(lambda: settle(batch=batch, answer=answer), connect_meanwhile)
    assert settled == 1
    look = Job.objects.pending().get()
    assert (look.connection, look.due_at <= clock.now()) == (own, True)


def test_a_claim_that_waits_for_its_post_to_be_settled_leaves_it_open(claim, world_post, monkeypatch):
    affiliate, campaign, post = AffiliateFactory(), CampaignFactory(), world_post()
    claim(affiliate, campaign, post, 1)
    batch, is_locked = leased(), threading.Event()
    answer, *_ = draining.ask(batch)
    open_claims = found.open_claims

    def once_somebody_waits(post_ids):
        is_locked.set()
        wait_for_a_waiter()
        return open_claims(post_ids)

    def claim_meanwhile() -> None:
        is_locked.wait(timeout=20)
        with clock.at(TODAY + timedelta(seconds=1)):
            claim(affiliate, campaign, post, 2)

    monkeypatch.setattr(found, "open_claims", once_somebody_waits)
    assert together(lambda: settle(batch=batch, answer=answer), claim_meanwhile) == [1, None]
    assert AffiliateReport.objects.open().count() == 1
    assert not Post.objects.get().is_reconciled
    assert not broken()
