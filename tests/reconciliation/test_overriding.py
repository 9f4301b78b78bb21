"""Overriding: what a person decides of a counted verdict is what all figures say, as if it had been so all along."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from decimal import Decimal

import pytest

from affiliates.models import AuditEvent
from campaigns.models import Post
from config import clock
from config.demo.seeding import run_queued_tasks
from reconciliation.comparison import Level, Status, TrustEffect
from reconciliation.errors import DecisionRefusedError
from reconciliation.models import DayRollUp, Override, PostState, ReconciliationLog, TrustScore
from reconciliation.outcomes import Reason
from reconciliation.services import rollups, runs, trusting
from reconciliation.services.overriding import MAX_NOTE_CHARS, override
from tests.factories import TODAY, AdvertiserFactory, AffiliateFactory, CampaignFactory, UserFactory
from tests.invariants import broken
from tests.reconciliation.support import rows
from tests.reconciliation.test_races import together

pytestmark = pytest.mark.django_db


def decide(verdict, outcome, *, by=None, reason=Reason.EVIDENCE, note="Seen in their own analytics."):
    level = Level(outcome) if outcome in list(Level) else None
    return override(
        verdict_id=verdict.pk,
        status=Status.DISCREPANCY if level else Status(outcome),
        level=level,
        reason=reason,
        note=note,
        by=by or UserFactory(is_staff=True),
    )


@dataclass
class Figures:
    """What the dashboard reads of a campaign and of an affiliate."""

    words: dict[str, int]
    verified: int | None
    over_claimed: int | None
    at_risk: list[Decimal]
    trust: tuple[Decimal, int, int]

    @classmethod
    def of(cls, post):
        sums = DayRollUp.objects.filter(campaign=post.campaign)
        totals = sums.totals()
        score = TrustScore.objects.get(affiliate=post.affiliate)
        return cls(
            {cell.verdict: cell.n for cell in sums.cells()},
            totals["verified_views"],
            totals["over_claimed_views"],
            [row["amount"] for row in sums.money_at_risk()],
            (score.trust_score, score.total_submissions, score.accurate_submissions),
        )


@pytest.fixture
def judged(today, claim, drain_all, world_post):
    """The counted verdict on a claim of so many times the truth."""

    def make(times, **figures):
        world = world_post("youtube", figures.pop("index", 0))
        campaign = figures.pop("campaign", None) or CampaignFactory()
        post = claim(AffiliateFactory(), campaign, world, round(world.final.views * times), **figures).post
        drain_all()
        return post.verdicts.get()

    return make


def consistent():
    """Roll-ups and trust say what a recount says, and all else holds that always does."""
    run_queued_tasks()
    found = broken(soon=True)
    trusting.recount(TrustScore.objects.values_list("pk", flat=True))
    return found == broken(soon=True) == {} and rollups.differences() == []


def test_a_cleared_accusation_leaves_nothing_behind(judged):
    verdict = judged(2)
    before = Figures.of(verdict.post)
    assert (before.words, before.trust[1:]) == ({"high": 1}, (1, 0))

    made = decide(verdict, "MATCHED")

    after = Figures.of(verdict.post)
    claimed = verdict.affiliate_report.claimed_views
    assert after == Figures({"matched": 1}, claimed, 0, [], (Decimal(1), 1, 1))
    state = PostState.objects.get(post=verdict.post)
    assert (state.override, state.outcome, state.money_at_risk, state.currency) == (made, made, None, "")
    assert ReconciliationLog.objects.get(pk=verdict.pk).status == Status.DISCREPANCY  # the record stays
    assert made.explanation == "Decided on 20 Nov 2026: matched. Reason: evidence was shown."
    assert consistent()


def test_an_accusation_by_a_person_counts_like_any_other(judged):
    verdict = judged(0.5)
    decide(verdict, "HIGH", reason=Reason.NOT_GENUINE)
    # Nothing that was counted is over, so how much is over-claimed is unknown: not 0, and not verified either.
    assert Figures.of(verdict.post) == Figures({"high": 1}, None, None, [], (Decimal(0), 1, 0))
    assert consistent()


@pytest.mark.parametrize(
    ("decision", "verified", "money", "trust"),
    [("LOW", 0.5, 1, 1), ("MEDIUM", 0.5, 1, 0), ("UNVERIFIABLE", None, None, None), ("INVALID_CLAIM", None, None, 0)],
)
def test_each_outcome_moves_sums_and_trust(judged, decision, verified, money, trust):
    verdict = judged(2)
    decide(verdict, decision)
    found, claimed = Figures.of(verdict.post), verdict.affiliate_report.claimed_views
    assert list(found.words) == [decision.lower()]
    assert found.verified == (None if verified is None else claimed * verified)
    assert found.at_risk == ([verdict.money_at_risk] if money else [])
    assert found.trust[1:] == ((0, 0) if trust is None else (1, trust))
    assert consistent()


def test_the_last_decision_holds_and_the_way_back_is_open(judged):
    verdict = judged(2)
    before = Figures.of(verdict.post)
    for number, outcome in enumerate(("MATCHED", "UNVERIFIABLE", "HIGH"), start=1):
        assert decide(verdict, outcome, reason=Reason.CORRECTION).number == number
        assert consistent()
    assert asdict(Figures.of(verdict.post)) == asdict(before)


def test_later_looks_and_claims_leave_a_decision_where_it_is(judged, claim, drain_all, world_post):
    verdict = judged(2)
    decide(verdict, "MATCHED")
    post = verdict.post
    runs.request_run(posts=Post.objects.filter(pk=post.pk), by=UserFactory(is_staff=True), scope={})
    drain_all()
    assert PostState.objects.get(post=post).verdict == "matched"

    with clock.at(TODAY + timedelta(hours=1)):
        claim(post.affiliate, post.campaign, world_post("youtube", 0), 10)
        state = PostState.objects.get(post=post)
        assert (state.verdict, state.override) == ("pending", None)
        drain_all()
    # An earlier claim's verdict is decided on: the post stands by the later one, and so does trust on that day.
    decide(verdict, "HIGH", reason=Reason.CORRECTION)
    assert PostState.objects.get(post=post).verdict == "matched"
    score = TrustScore.objects.get(affiliate=post.affiliate)
    assert (score.total_submissions, score.accurate_submissions) == (1, 1)
    assert consistent()


def test_test_mode_earns_no_trust(judged):
    verdict = judged(2, campaign=CampaignFactory(advertiser=AdvertiserFactory(livemode=False)))
    decide(verdict, "MATCHED")
    assert not TrustScore.objects.exists()
    assert consistent()


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"outcome": "HIGH"}, "outcome", "changes_nothing"),
        ({"outcome": "TOO_EARLY"}, "outcome", "invalid_outcome"),
        ({"outcome": "POST_MISSING"}, "outcome", "invalid_outcome"),
        ({"note": " \n"}, "note", "note_required"),
        ({"note": "x" * (MAX_NOTE_CHARS + 1)}, "note", "note_too_long"),
    ],
)
def test_what_is_refused_changes_nothing(judged, change, field, code):
    verdict, staff = judged(2), UserFactory(is_staff=True)
    before = rows()
    with pytest.raises(DecisionRefusedError) as refusal:
        decide(verdict, **({"outcome": "MATCHED"} | change), by=staff)
    assert (refusal.value.field, refusal.value.code) == (field, code)
    assert rows() == before


def test_a_provisional_verdict_is_not_for_people_to_decide(scene):
    with pytest.raises(DecisionRefusedError) as refusal:
        decide(scene.posts["too_early"].verdicts.get(), "MATCHED")
    assert refusal.value.code == "not_counted"


def test_who_decided_and_why_is_on_record(judged):
    staff = UserFactory(is_staff=True)
    made = decide(judged(2), "MATCHED", by=staff, note="  Seen.  ")
    event = AuditEvent.objects.get(action="verdict.overridden")
    assert (event.actor, event.object_id, event.changes) == (staff, made.verdict_id, {"override": str(made.pk)})
    assert made.note.text == "Seen."


@pytest.mark.django_db(transaction=True)
def test_two_who_decide_at_once_are_numbered_and_the_later_one_holds(judged):
    verdict = judged(2)
    staff = UserFactory(is_staff=True)
    together(
        *(lambda outcome=outcome: decide(verdict, outcome, by=staff) for outcome in ("MATCHED", "LOW", "UNVERIFIABLE"))
    )
    assert sorted(Override.objects.values_list("number", flat=True)) == [1, 2, 3]
    holding = Override.objects.holding().get()
    assert PostState.objects.get(post=verdict.post).override == holding
    assert TrustScore.objects.get(affiliate=verdict.post.affiliate).total_submissions == (
        0 if holding.trust_effect == TrustEffect.NONE else 1
    )
    assert consistent()
