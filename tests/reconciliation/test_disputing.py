"""Disputing: once, in time, by the affiliate alone; decided by a person, or ended by the clock."""

from datetime import timedelta

import pytest
from django.urls import reverse

from alerts.models import Alert
from config import clock
from config.demo.seeding import run_queued_tasks
from config.errors import ConflictError
from reconciliation import tasks
from reconciliation.comparison import Level, Status
from reconciliation.errors import DecisionRefusedError, DisputeOverError, DisputeRefusedError
from reconciliation.models import Dispute, Job, Override, PlatformReport, PostState, ReconciliationLog, TrustScore
from reconciliation.outcomes import Reason
from reconciliation.services import disputing
from reconciliation.services.disputing import DECIDED_WITHIN_DAYS, DISPUTABLE_DAYS, MAX_TEXT_CHARS
from tests import hostile
from tests.factories import TODAY, AffiliateFactory, CampaignFactory, MembershipFactory, UserFactory
from tests.invariants import broken
from tests.reconciliation.support import rows
from tests.reconciliation.test_overriding import decide, judged
from tests.reconciliation.test_races import together

pytestmark = pytest.mark.django_db
__all__ = ["judged"]
LOW = (Status.DISCREPANCY, Level.LOW)
LAPSED = TODAY + timedelta(days=DECIDED_WITHIN_DAYS)


def dispute(verdict, text="These views are real."):
    return disputing.dispute(verdict=verdict, affiliate=verdict.post.affiliate, text=text)


def conclude(opened, outcome, by=None):
    return disputing.decide(
        dispute_id=opened.pk,
        outcome=outcome,
        reason=Reason.EVIDENCE,
        note="Seen in their own analytics.",
        by=by or UserFactory(is_staff=True),
    )


def test_the_post_is_looked_at_anew_and_nothing_else_changes(judged, drain_all):
    verdict = judged(2)
    before = PostState.objects.values().get()
    opened = dispute(verdict)
    assert Job.objects.pending().get().reason == Job.Reason.DISPUTE
    assert (opened.state, opened.deadline_at, opened.said) == ("open", LAPSED, "These views are real.")
    drain_all()
    assert ReconciliationLog.objects.get() == verdict
    after = PostState.objects.values().get()
    assert {name for name in after if after[name] != before[name]} <= {"last_fetched_at", "latest_snapshot_id"}
    assert not Job.objects.pending().exists()
    assert PlatformReport.objects.exists()
    run_queued_tasks()
    assert broken(soon=True) == {}


@pytest.mark.parametrize(
    ("times", "later", "text", "code"),
    [
        (2, timedelta(), " \n ", "text_required"),
        (2, timedelta(), "x" * (MAX_TEXT_CHARS + 1), "text_too_long"),
        (2, timedelta(days=DISPUTABLE_DAYS), "Real.", "too_late"),
        (0.5, timedelta(), "Real.", "nothing_to_dispute"),
    ],
)
def test_what_can_not_be_disputed(judged, times, later, text, code):
    verdict = judged(times)
    before = rows()
    with clock.at(TODAY + later), pytest.raises(DisputeRefusedError) as refused:
        dispute(verdict, text)
    assert refused.value.code == code
    assert rows() == before


def test_only_the_claimant_disputes_and_only_a_last_word(scene):
    high = scene.posts["high"].verdicts.get()
    with pytest.raises(DisputeRefusedError) as refused:
        disputing.dispute(verdict=high, affiliate=AffiliateFactory(), text="Real.")
    assert refused.value.code == "not_yours"
    with pytest.raises(DisputeRefusedError) as refused:
        dispute(scene.posts["too_early"].verdicts.get())
    assert refused.value.code == "not_counted"


def test_what_was_decided_in_its_place_can_be_disputed_as_long(judged):
    verdict = judged(0.5)
    with clock.at(TODAY + timedelta(days=DISPUTABLE_DAYS)):
        decide(verdict, "HIGH", reason=Reason.NOT_GENUINE)
        assert dispute(verdict).is_open


def test_a_verdict_is_disputed_once(judged):
    verdict = judged(2)
    disputing.withdraw(dispute_id=dispute(verdict).pk, by=verdict.post.affiliate.user)
    with pytest.raises(ConflictError) as refused:
        dispute(verdict)
    assert refused.value.code == "already_disputed"


@pytest.mark.parametrize(
    ("outcome", "state", "word", "accurate"), [(None, "rejected", "high", 0), (LOW, "upheld", "low", 1)]
)
def test_a_decision_ends_it_and_moves_what_follows(judged, outcome, state, word, accurate):
    verdict = judged(2)
    run_queued_tasks()
    ended = conclude(dispute(verdict), outcome)
    assert (ended.state, ended.override is None) == (state, outcome is None)
    assert Dispute.objects.get().answered == "Seen in their own analytics."
    run_queued_tasks()
    assert PostState.objects.get().verdict == word
    assert TrustScore.objects.get().accurate_submissions == accurate
    assert Alert.objects.get().status == ("resolved" if outcome else "open")
    with pytest.raises(DisputeOverError):
        conclude(ended, None)
    assert broken(soon=True) == {}


def test_who_decides_needs_its_dispute(judged):
    verdict = judged(2)
    dispute(verdict)
    with pytest.raises(DecisionRefusedError) as refused:
        decide(verdict, "MATCHED")
    assert refused.value.code == "disputed"


def test_a_refused_decision_leaves_it_open(judged):
    opened, staff = dispute(judged(2)), UserFactory(is_staff=True)
    before = rows()
    with pytest.raises(DecisionRefusedError):
        conclude(opened, (Status.DISCREPANCY, Level.HIGH), by=staff)  # what it says already
    assert rows() == before
    opened.refresh_from_db()
    assert opened.is_open


def test_an_accusation_does_not_outlive_silence_and_may_be_decided_after_all(judged):
    verdict = judged(2)
    opened = dispute(verdict)
    run_queued_tasks()
    with clock.at(LAPSED - timedelta(seconds=1)):
        tasks.sweep()
        assert Dispute.objects.get().is_open
    with clock.at(LAPSED):
        for _ in range(2):
            tasks.sweep()
        opened.refresh_from_db()
        assert (opened.state, opened.reason, opened.decided_by) == ("lapsed", "silence", None)
        assert PostState.objects.get().verdict == "unverifiable"
        assert TrustScore.objects.get().total_submissions == 0
        run_queued_tasks()
        assert Alert.objects.get().status == Alert.Status.RESOLVED
        assert broken() == {}
        decide(verdict, "HIGH", reason=Reason.VERDICT_HOLDS)
        assert PostState.objects.get().verdict == "high"


def test_what_accuses_nobody_stands_when_nobody_decides(scene):
    dispute(scene.posts["unverifiable"].verdicts.get())
    with clock.at(LAPSED):
        tasks.sweep()
    assert Dispute.objects.get().state == "lapsed"
    assert not Override.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_dispute_at_once_are_one(judged):
    verdict = judged(2)
    results = together(*[lambda: dispute(verdict)] * 3)
    assert sum(isinstance(each, Dispute) for each in results) == 1
    assert {each.code for each in results if not isinstance(each, Dispute)} == {"already_disputed"}


@pytest.mark.django_db(transaction=True)
def test_who_decides_while_time_runs_out_wins_or_is_told(judged):
    opened, staff = dispute(judged(2)), UserFactory(is_staff=True)

    def lapse():
        with clock.at(LAPSED):
            return disputing.sweep()

    decided, lapsed = together(lambda: conclude(opened, LOW, by=staff), lapse)
    assert isinstance(decided, DisputeOverError) == (lapsed == 1)
    assert Override.objects.count() == 1
    assert Dispute.objects.get().state == ("lapsed" if lapsed else "upheld")
    run_queued_tasks()
    assert broken() == {}


def test_the_whole_way_by_api(judged, client_of):
    verdict = judged(2)
    campaign, affiliate = verdict.post.campaign, verdict.post.affiliate
    alice, staff = MembershipFactory(advertiser=campaign.advertiser).user, UserFactory(is_staff=True)
    charlie = MembershipFactory().user
    mila, by_alice, by_charlie, by_staff = (client_of(user) for user in (affiliate.user, alice, charlie, staff))

    address = f"/api/v1/reconciliation/results/{verdict.pk}/dispute"
    hostile.assert_problem(by_charlie.post(address, {"text": "x"}, format="json"), 403)
    opened = mila.post(address, {"text": "These views are real."}, format="json")
    assert opened.status_code == 201
    where = opened["Location"]
    assert mila.get(where).json() == opened.json()
    assert by_charlie.get(where).status_code == 404
    assert [row["id"] for row in by_alice.get("/api/v1/reconciliation/disputes?state=open").json()["results"]] == [
        opened.json()["id"]
    ]

    decision = {"outcome": "DISCREPANCY", "level": "LOW", "reason": "evidence", "note": "Seen."}
    hostile.assert_problem(by_alice.post(f"{where}/decide", decision, format="json"), 403)
    type(campaign.advertiser).objects.filter(pk=campaign.advertiser_id).update(decides_disputes=True)
    hostile.assert_problem(by_charlie.post(f"{where}/decide", decision, format="json"), 404)
    hostile.assert_problem(by_alice.post(f"{where}/decide", decision | {"level": None}, format="json"), 400)
    decided = by_alice.post(f"{where}/decide", decision, format="json").json()
    assert (decided["state"], decided["outcome"], decided["level"], decided["answer"]) == (
        "upheld",
        "DISCREPANCY",
        "LOW",
        "Seen.",
    )
    assert hostile.assert_problem(by_staff.post(f"{where}/decide", decision, format="json"), 409)["code"] == (
        "dispute_over"
    )
    shown = mila.get(f"/api/v1/reconciliation/results/{verdict.pk}").json()
    assert (shown["status"], shown["discrepancy_level"]) == ("DISCREPANCY", "HIGH")
    assert (shown["override"]["discrepancy_level"], shown["override"]["note"]) == ("LOW", "Seen.")
    assert "money_at_risk" not in shown["override"]
    assert by_alice.get(f"/api/v1/reconciliation/results/{verdict.pk}").json()["override"]["money_at_risk"]
    history = mila.get("/api/v1/submissions/history").json()["results"][0]
    assert (history["status"], history["verdicts"][0]["override"]["reason"]) == ("DISCREPANCY", "evidence")
    standing = mila.get(f"/api/v1/submissions/{verdict.post_id}").json()
    assert standing["verdict"]["override"]["decided_at"] == "2026-11-20T12:00:00Z"


def test_the_whole_way_by_pages(judged, client):
    verdict = judged(2, campaign=CampaignFactory(advertiser__decides_disputes=True))
    alice = MembershipFactory(advertiser=verdict.post.campaign.advertiser).user
    page = reverse("dashboard:post", args=[verdict.post_id])

    client.force_login(alice)
    assert b"Dispute this verdict" not in client.get(page).content
    client.force_login(verdict.post.affiliate.user)
    assert b"Dispute this verdict" in client.get(page).content
    sent = client.post(reverse("dashboard:dispute-open", args=[verdict.pk]), {"text": "<b>Real.</b>"}, follow=True)
    assert b"&lt;b&gt;Real.&lt;/b&gt;" in sent.content
    assert b"Withdraw the dispute" in sent.content
    opened = Dispute.objects.get()
    decision = {"outcome": "MATCHED", "reason": "evidence", "note": "Seen."}
    assert client.post(reverse("dashboard:dispute-decide", args=[opened.pk]), decision).status_code == 403

    client.force_login(alice)
    assert b"The verdict stands" in client.get(page).content
    told = client.post(reverse("dashboard:dispute-decide", args=[opened.pk]), decision, follow=True).content.decode()
    assert "Decided on 20 Nov 2026: matched. Reason: evidence was shown." in told
    assert "The verdict had said: Claimed" in told
    client.force_login(MembershipFactory().user)
    assert client.post(reverse("dashboard:dispute-decide", args=[opened.pk]), decision).status_code == 404


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("today")
def test_a_decision_and_a_dispute_at_once_never_leave_both(judged):
    verdict, answers = judged(2), []

    def attempt(act):
        try:
            answers.append(act())
        except (DecisionRefusedError, DisputeRefusedError):
            answers.append(None)

    together(lambda: attempt(lambda: decide(verdict, Status.MATCHED)), lambda: attempt(lambda: dispute(verdict)))
    assert answers.count(None) == 1
    assert Override.objects.count() + Dispute.objects.count() == 1
