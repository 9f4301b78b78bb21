"""Taking claims back: unseen ones are as if never made, others are judged and say that they were withdrawn."""

from datetime import timedelta

import pytest
from django.urls import reverse

from alerts.models import Alert
from campaigns.models import CampaignPlatform, Post
from config import clock
from config.demo.seeding import run_queued_tasks
from reconciliation.comparison import Figures, Status
from reconciliation.errors import WithdrawalRefusedError
from reconciliation.models import (
    AffiliateReport,
    ClaimWithdrawal,
    DayRollUp,
    Finding,
    Job,
    PostState,
    ReconciliationLog,
    TrustScore,
)
from reconciliation.services import disputing, examining, rollups, runs, submission, taking_back
from reconciliation.services.admission import Outcome
from reconciliation.services.draining import drain
from tests import hostile
from tests.factories import TODAY, AffiliateFactory, CampaignFactory
from tests.invariants import broken
from tests.reconciliation.support import lane_of, rows
from tests.reconciliation.test_overriding import decide
from tests.reconciliation.test_races import together

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]
MISTYPED = ClaimWithdrawal.Reason.MISTYPED


@pytest.fixture
def made(claim, world_post):
    """A claim of so many views for one post of one affiliate's, made some hours later."""
    affiliate, campaign = AffiliateFactory(), CampaignFactory()

    def make(views, hours=0):
        with clock.at(TODAY + timedelta(hours=hours)):
            return claim(affiliate, campaign, world_post("youtube"), views).claim

    return make


def withdraw(claim):
    return taking_back.withdraw(claim=claim, reason=MISTYPED, by=claim.post.affiliate.user)


def consistent():
    run_queued_tasks()
    return broken(soon=True) == {} and rollups.differences() == []


def test_a_claim_that_nobody_looked_at_is_as_if_never_made(made, drain_all):
    claim = made(10**9)
    assert withdraw(claim).is_unseen
    assert not Job.objects.pending().exists()
    assert drain_all() == 0
    assert not ReconciliationLog.objects.exists()
    assert not TrustScore.objects.exists()
    totals = DayRollUp.objects.totals()
    assert (totals["posts"], totals["claimed_views"], totals["pending"]) == (1, None, 0)
    assert PostState.objects.get().verdict == "withdrawn"
    assert consistent()


def test_looking_at_such_a_post_all_the_same_finds_no_claim(made, drain_all):
    claim = made(10**9)
    CampaignPlatform.objects.update(recheck_plan="daily")
    withdraw(claim)
    runs.request_run(posts=Post.objects.all(), by=claim.post.affiliate.user, scope={})
    assert drain_all() == 1
    assert PostState.objects.get().verdict == "withdrawn"
    assert not ReconciliationLog.objects.exists()
    assert not Job.objects.pending().exists()
    assert consistent()


def test_its_post_stands_by_the_claim_before(made, drain_all):
    first = made(10)
    drain_all()
    with clock.at(TODAY + timedelta(hours=1)):
        withdraw(made(10**9, hours=1))
        state = PostState.objects.get()
        assert (state.current_claim, state.verdict, state.claimed_views) == (first, "matched", 10)
        assert state.current_verdict == state.counted_verdict == ReconciliationLog.objects.get()
        assert not Job.objects.pending().exists()
        assert consistent()


def test_an_older_open_claim_leaves_the_current_one_alone(made, drain_all):
    first, second = made(10**9), made(20, hours=1)
    with clock.at(TODAY + timedelta(hours=1)):
        withdraw(first)
        assert PostState.objects.get().current_claim == second
        drain_all()
        assert [verdict.affiliate_report for verdict in ReconciliationLog.objects.all()] == [second]
        assert consistent()


def test_what_was_looked_at_counts_all_the_same(made, drain_all):
    claim = made(10**9)
    drain_all()
    before = PostState.objects.values().get()
    assert not withdraw(claim).is_unseen
    assert PostState.objects.values().get() == before
    assert TrustScore.objects.get().total_submissions == 1
    assert consistent()


def test_a_claim_is_withdrawn_once(made):
    claim = made(10)
    withdraw(claim)
    before = rows()
    with pytest.raises(WithdrawalRefusedError):
        withdraw(claim)
    assert rows() == before


def test_the_same_figures_can_be_claimed_anew_in_every_way(made, drain_all):
    for n in range(2):
        withdraw(made(10, hours=n))
    post = AffiliateReport.objects.first().post
    again = submission.claim_again(post=post, figures=Figures(views=10))
    assert again.outcome == Outcome.NEW_CLAIM
    drain_all()
    assert PostState.objects.get().verdict == "matched"
    assert AffiliateReport.objects.count() == 3
    assert consistent()


def test_a_correction_takes_the_claims_place(made, drain_all):
    claim = made(10**9)
    corrected = taking_back.correct(
        claim=claim, figures=Figures(views=10), reason=MISTYPED, by=claim.post.affiliate.user
    )
    assert corrected.outcome == Outcome.NEW_CLAIM
    drain_all()
    assert [verdict.affiliate_report for verdict in ReconciliationLog.objects.all()] == [corrected.claim]
    assert PostState.objects.get().verdict == "matched"
    assert consistent()


@pytest.mark.django_db(transaction=True)
def test_withdrawing_while_it_is_judged_is_before_or_after(made):
    lane = lane_of("youtube").pk
    for n in range(4):
        claim = made(100 + n, hours=n)
        with clock.at(TODAY + timedelta(hours=n)):
            together(lambda c=claim: withdraw(c), lambda: drain(connection_id=lane, paced=False))
            withdrawn = ClaimWithdrawal.objects.get(claim=claim)
            assert withdrawn.is_unseen is not claim.verdicts.exists()
            drain(connection_id=lane, paced=False)
            assert withdrawn.is_unseen is not claim.verdicts.exists()
            assert consistent()


def test_by_api(made, client_of, drain_all):
    claim = made(10**9)
    mila, other = client_of(claim.post.affiliate.user), client_of(AffiliateFactory().user)
    address = f"/api/v1/submissions/{claim.post_id}"
    reason = {"reason": "mistyped"}
    hostile.assert_problem(other.post(f"{address}/withdraw", reason, format="json"), 404)
    hostile.assert_problem(mila.post(f"{address}/withdraw", {}, format="json"), 400)
    foreign = reason | {"claim": str(claim.post_id)}
    assert hostile.assert_problem(mila.post(f"{address}/withdraw", foreign, format="json"), 422)["code"] == (
        "unknown_claim"
    )
    withdrawn = mila.post(f"{address}/withdraw", reason, format="json").json()
    assert (withdrawn["state"], withdrawn["verdict"], withdrawn["next_look_at"]) == ("withdrawn", None, None)
    assert mila.post(f"{address}/withdraw", reason, format="json").status_code == 409
    [shown] = mila.get("/api/v1/submissions/history").json()["results"]
    assert (shown["status"], shown["withdrawn_at"]) == ("WITHDRAWN", "2026-11-20T12:00:00Z")

    body = {
        "campaign": str(claim.post.campaign_id),
        "platform": "youtube",
        "url": claim.post.url,
        "claimed_views": 10**9,
    }
    assert mila.post("/api/v1/submissions/", body, format="json").json()["outcome"] == "new_claim"
    corrected = mila.post(f"{address}/correct", reason | {"claimed_views": 10}, format="json")
    assert (corrected.status_code, corrected.json()["claim"]["claimed_views"]) == (202, 10)
    drain_all()
    assert mila.get(address).json()["verdict"]["status"] == "MATCHED"
    assert consistent()


def test_by_pages(made, client):
    claim = made(10**9)
    page = reverse("dashboard:post", args=[claim.post_id])
    address = reverse("dashboard:claim-withdraw", args=[claim.pk])
    client.force_login(AffiliateFactory().user)
    assert client.post(address, {"reason": "mistyped"}).status_code == 404
    client.force_login(claim.post.affiliate.user)
    assert b"Withdraw this claim" in client.get(page).content
    told = client.post(address, {"reason": "mistyped"}, follow=True).content
    assert b"took the claim back before anybody had looked" in told
    assert b"Withdraw this claim" not in told


def test_what_was_withdrawn_unseen_keeps_nobody_out(claim, world_post, drain_all):
    """Neither the rightful claimant, whom nobody accuses of anything, nor the affiliate in another campaign."""
    one, other, campaign = AffiliateFactory(), AffiliateFactory(), CampaignFactory()
    post, mine = world_post("youtube"), world_post("youtube", 1)
    for each in (post, mine):
        withdraw(claim(one, campaign, each, 10**9).claim)
    assert claim(other, campaign, post, 1_000).outcome == Outcome.NEW_POST
    assert claim(one, CampaignFactory(), mine, 1_000).outcome == Outcome.NEW_POST
    drain_all()
    run_queued_tasks()
    assert not Alert.objects.filter(kind=Alert.Kind.SECOND_CLAIMANT).exists()
    assert broken(soon=True) == {}
    assert rollups.differences() == []


def test_rules_do_not_notice_what_was_withdrawn_unseen(claim, world_post, drain_all):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    for index in range(3):
        withdraw(claim(affiliate, campaign, world_post("youtube", index + 1), 777).claim)
    wrong = claim(affiliate, campaign, world_post("youtube"), 10_000).claim
    with clock.at(TODAY + timedelta(minutes=1)):
        right = Figures(views=777)
        taking_back.correct(claim=wrong, figures=right, reason=MISTYPED, by=affiliate.user)
        drain_all()
    examining.examine()
    assert not Finding.objects.filter(rule__in=["falling_claim", "same_figures"]).exists()


def test_a_look_that_a_dispute_wants_too_is_not_taken_back(made, drain_all):
    claim = made(10**9)
    drain_all()
    disputing.dispute(verdict=claim.verdicts.get(), affiliate=claim.post.affiliate, text="Look again.")
    withdraw(made(5 * 10**8, hours=1))
    assert Job.objects.pending().count() == 1
    with clock.at(TODAY + timedelta(hours=2)):
        assert drain_all() == 1
    assert PostState.objects.get().last_fetched_at > TODAY
    assert consistent()


def test_a_later_claims_row_says_what_was_decided_of_the_one_before(made, drain_all):
    claim = made(10**9)
    drain_all()
    decide(claim.verdicts.get(), Status.MATCHED)
    made(1_000, hours=1)
    [shown] = PostState.objects.shown([claim.post_id])
    assert "limit" not in shown.explained_before
    assert "decided" in shown.explained_before.lower()
