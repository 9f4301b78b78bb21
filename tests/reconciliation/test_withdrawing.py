"""Runs that are cancelled, what a run reports, and dead looks that staff give up."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.urls import reverse

from affiliates.models import AuditEvent
from campaigns.models import CampaignPlatform, Post
from config import clock
from reconciliation.errors import RunOverError
from reconciliation.models import Job, PlatformReport, ReconciliationLog, Run
from reconciliation.services import jobs, runs, withdrawing
from tests.factories import TODAY, AffiliateFactory, CampaignFactory, MembershipFactory, UserFactory
from tests.reconciliation.support import NEVER_THERE, leased, unchanged

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today", "sandbox")]
RUN = "/api/v1/reconciliation/run"


@pytest.fixture
def campaign():
    return CampaignFactory()


@pytest.fixture
def posts(campaign, claim, drain_all, world_post):
    """Three posts with their verdicts."""
    found = [claim(AffiliateFactory(), campaign, world_post(index=index), 1).post for index in range(3)]
    drain_all()
    return found


def run_of(*posts):
    return runs.request_run(posts=Post.objects.filter(pk__in=[post.pk for post in posts]), by=None, scope={})


def states(*posts):
    """Of each post's one look that did not end in a verdict."""
    return [Job.objects.exclude(state="done").get(post=post).state for post in posts]


def test_what_is_not_begun_and_nobody_else_wants_is_taken_back(posts, claim, campaign, monkeypatch):
    monkeypatch.setattr(jobs, "BATCH", 1)
    monkeypatch.setattr("platforms.adapters.youtube.YouTubeAdapter.batch_size", 1)
    run = run_of(*posts)
    begun = Post.objects.get(pk=leased().jobs[0].post.pk)
    claimed, left = (post for post in posts if post != begun)
    with clock.at(TODAY + timedelta(minutes=1)):
        Job.objects.filter(post=claimed, state="due").update(reason=Job.Reason.SUBMISSION)
        assert withdrawing.cancel_run(run=run, by=None) == 1
    assert states(begun, claimed, left) == ["leased", "due", "discarded"]
    assert runs.progress([run])[run.pk] == runs.Progress(total=3, discarded=1)
    assert AuditEvent.objects.get(action="run.cancelled").changes == {"posts": 1}
    with pytest.raises(RunOverError):
        withdrawing.cancel_run(run=run, by=None)


def test_a_claim_without_its_last_verdict_keeps_its_look(campaign, claim, drain_all, world_post):
    post = claim(AffiliateFactory(), campaign, world_post("youtube"), 1).post
    missing = type(world_post())(
        **{name: getattr(world_post(), name) for name in world_post().__slots__}
        | {"external_id": "AAAAAAAAAAA", "url": NEVER_THERE}
    )
    waiting = claim(AffiliateFactory(), campaign, missing, 1).post
    drain_all()
    run = run_of(post, waiting)
    assert withdrawing.cancel_run(run=run, by=None) == 1
    assert states(post, waiting) == ["discarded", "due"]


def test_what_another_run_wants_stays(posts, drain_all):
    first, second = run_of(*posts[:2]), run_of(*posts[1:])
    assert withdrawing.cancel_run(run=first, by=None) == 1
    assert states(*posts) == ["discarded", "due", "due"]
    assert withdrawing.cancel_run(run=second, by=None) == 2
    assert states(*posts) == ["discarded"] * 3
    assert drain_all() == 0


def test_the_plan_goes_on_after_a_cancelled_run(campaign, posts, drain_all):
    CampaignPlatform.objects.filter(campaign=campaign).update(recheck_plan="6h")
    run = run_of(posts[0])
    withdrawing.cancel_run(run=run, by=None)
    look = Job.objects.pending().get()
    assert (look.post, look.reason) == (posts[0], Job.Reason.RECHECK)
    run = run_of(posts[0])
    assert Job.objects.pending().get().reason == Job.Reason.MANUAL  # the planned look, taken over
    withdrawing.cancel_run(run=run, by=None)
    again = Job.objects.pending().get()
    assert (again.reason, again.due_at) == (Job.Reason.RECHECK, look.due_at)


def test_a_run_that_is_over_has_nothing_to_cancel(posts, drain_all):
    run = run_of(*posts)
    drain_all()
    with pytest.raises(RunOverError):
        withdrawing.cancel_run(run=run, by=None)
    assert Run.objects.get().cancelled_at is None


def test_a_run_reports_what_it_found_and_nothing_else(posts, claim, campaign, drain_all, world_post, sandbox):
    with clock.at(TODAY + timedelta(hours=1)):
        sandbox.state.set_clock(TODAY + timedelta(hours=1), frozen=True)
        new = claim(AffiliateFactory(), campaign, world_post(index=5), 1).post
        run = run_of(*posts, new)
        assert runs.report(run) == runs.Report({}, 0)
        posts[0].state.latest_snapshot = PlatformReport.objects.create(
            post=posts[0], availability="live", views=1, fetched_at=TODAY + timedelta(minutes=1), created_at=TODAY
        )
        posts[0].state.save()
        drain_all()
    with clock.at(TODAY + timedelta(hours=2)):
        claim(posts[1].affiliate, campaign, world_post(index=1), 2)
        drain_all()
    assert ReconciliationLog.objects.count() == 5
    assert runs.report(run) == runs.Report({"MATCHED": 1}, 1)


# --- Over the API and on the pages


def test_who_may_cancel_a_run(posts, campaign, client_of, client):
    manager = MembershipFactory(advertiser=campaign.advertiser).user
    shown = client_of(manager).post(RUN, {"campaign": str(campaign.pk)}).json()
    address = f"{RUN}s/{shown['id']}/cancel"
    charlie = MembershipFactory().user
    unchanged(404, client_of(charlie).post, address)
    unchanged(403, client_of(posts[0].affiliate.user).post, address)
    unchanged(400, client_of(manager).post, address, {"really": True})
    client.force_login(charlie)
    assert client.post(reverse("dashboard:run-cancel", args=[shown["id"]])).status_code == 404
    answer = client_of(manager).post(address).json()
    assert (answer["state"], answer["report"]) == ("cancelled", {"verdicts": {}, "changed": 0})
    assert answer["looks"] == {"total": 3, "done": 0, "dead": 0, "discarded": 3, "pending": 0}
    assert unchanged(409, client_of(manager).post, address)["code"] == "run_over"


def test_a_run_is_cancelled_on_its_page(posts, campaign, client):
    client.force_login(MembershipFactory(advertiser=campaign.advertiser).user)
    page = client.post(reverse("dashboard:campaign-reconcile", args=[campaign.pk]), follow=True)
    run = Run.objects.get()
    cancel = reverse("dashboard:run-cancel", args=[run.pk])
    assert cancel in page.content.decode()
    answer = client.post(cancel, follow=True)
    assert answer.redirect_chain[-1][0] == f"{reverse('dashboard:campaign', args=[campaign.pk])}?run={run.pk}"
    assert "Cancelled." in answer.content.decode()
    assert cancel not in answer.content.decode()
    assert "nothing left to cancel" in client.post(cancel, follow=True).content.decode()


# --- Dead looks


def test_a_dead_look_is_given_up_for_a_reason_that_is_kept(posts, campaign, claim, world_post):
    CampaignPlatform.objects.filter(campaign=campaign).update(recheck_plan="daily")
    open_post = claim(AffiliateFactory(), campaign, world_post(index=7), 1).post
    run_of(posts[0], posts[1])
    Job.objects.pending().update(state="dead", attempts=8, last_error="malformed: no_json")
    dead = list(Job.objects.filter(state="dead").values_list("pk", flat=True))
    assert withdrawing.discard_dead(job_ids=dead[:2] + dead[2:], reason="Gone for good.", by=UserFactory()) == 3
    assert withdrawing.discard_dead(job_ids=dead, reason="Again.", by=UserFactory()) == 0
    job = Job.objects.get(post=open_post)
    assert (job.state, job.last_error, job.attempts) == ("discarded", "malformed: no_json", 8)
    kept = AuditEvent.objects.get(action="job.discarded", object_id=job.pk)
    assert kept.changes == {"reason": "Gone for good.", "error": "malformed: no_json", "attempts": 8}
    assert {job.post for job in Job.objects.pending()} == set(posts[:2])  # their plans go on


def test_staff_discard_dead_jobs_and_say_why(posts, client):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    run_of(*posts)
    due = list(Job.objects.filter(state="due"))
    Job.objects.filter(pk__in=[job.pk for job in due[:2]]).update(state="dead", last_error="unavailable: http_503")
    page = reverse("admin:reconciliation_job_changelist")
    chosen = {"action": "discard", "_selected_action": [str(job.pk) for job in due]}
    asked = client.post(page, chosen).content.decode()
    assert asked.count("unavailable: http_503") == 2
    assert "This field is required" in client.post(page, chosen | {"reason": "  "}).content.decode()
    assert not Job.objects.filter(state="discarded").exists()
    done = client.post(page, chosen | {"reason": "No such video."}, follow=True).content.decode()
    assert "Discarded: 2." in done
    assert "None of these is dead." in client.post(page, chosen, follow=True).content.decode()
    history = AuditEvent.objects.filter(action="job.discarded")
    assert {event.changes["reason"] for event in history} == {"No such video."}


@pytest.mark.django_db(transaction=True)
def test_a_look_that_a_second_run_joins_meanwhile_is_not_lost(posts):
    """Cancelling waits for whoever holds the looks, and sees what they wrote."""
    first, barrier, second = run_of(*posts), Barrier(2), []

    def join():
        try:
            with clock.at(TODAY):
                barrier.wait()
                second.append(run_of(*posts))
        finally:
            connection.close()

    other = Thread(target=join)
    other.start()
    barrier.wait()
    withdrawing.cancel_run(run=first, by=None)
    other.join()
    assert Job.objects.pending().filter(run_jobs__run=second[0]).count() == 3
