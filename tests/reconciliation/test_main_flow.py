"""A claim goes in, a verdict comes out: through the real services, the real database and a real sandbox."""

from datetime import timedelta

import pytest

from affiliates.models import Affiliate
from alerts import services as alert_services
from alerts.models import Alert
from config import clock
from reconciliation.models import AffiliateReport, Job, PlatformReport, PostState, ReconciliationLog, TrustScore
from tests.factories import TODAY, AffiliateFactory, CampaignFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]


def _views(world_post, sandbox, index=0):
    post = world_post("youtube", index)
    return post, post.figures_at(TODAY).views


@pytest.mark.parametrize(
    ("claimed_per_mille", "status", "level"),
    [
        (1000, "MATCHED", None),
        (1049, "DISCREPANCY", "LOW"),
        (1050, "DISCREPANCY", "MEDIUM"),
        (1200, "DISCREPANCY", "MEDIUM"),
        (1201, "DISCREPANCY", "HIGH"),
        (500, "MATCHED", None),
    ],
)
def test_a_claim_travels_to_its_verdict(claim, drain_all, world_post, sandbox, claimed_per_mille, status, level):
    post, views = _views(world_post, sandbox)
    submitted = claim(AffiliateFactory(), CampaignFactory(), post, -(-views * claimed_per_mille // 1000))
    assert drain_all() == 1
    verdict = ReconciliationLog.objects.get(affiliate_report=submitted.claim)
    assert (verdict.status, verdict.discrepancy_level, verdict.is_counted) == (status, level, True)
    state = PostState.objects.get(post=submitted.post)
    assert state.current_verdict == state.counted_verdict == verdict
    assert state.post.is_reconciled
    assert state.post.posted_at == post.published_at
    assert Job.objects.get(post=submitted.post).state == "done"


def test_an_over_claim_costs_trust_and_raises_an_alert(claim, drain_all, world_post, sandbox):
    affiliate: Affiliate = AffiliateFactory()
    campaign = CampaignFactory()
    post, views = _views(world_post, sandbox)
    honest, honest_views = _views(world_post, sandbox, index=1)
    lie = claim(affiliate, campaign, post, views * 2)
    claim(affiliate, campaign, honest, honest_views)
    assert drain_all() == 2
    trust = TrustScore.objects.get(affiliate=affiliate)
    assert (trust.total_submissions, trust.accurate_submissions, str(trust.trust_score)) == (2, 1, "0.5000")
    verdict = ReconciliationLog.objects.get(affiliate_report=lie.claim)
    assert verdict.money_at_risk == views * 10 / 1000
    for _ in range(2):  # a task may run twice
        alert_services.open_for_verdicts(verdict_ids=list(ReconciliationLog.objects.values_list("pk", flat=True)))
    alert = Alert.objects.get()
    assert (alert.severity, alert.verdict, alert.summary) == ("high", verdict, verdict.explanation)


def test_the_same_figures_again_add_nothing_and_new_ones_are_looked_at_again(claim, drain_all, world_post, sandbox):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    post, views = _views(world_post, sandbox)
    first = claim(affiliate, campaign, post, views)
    assert claim(affiliate, campaign, post, views).outcome == "unchanged"
    drain_all()
    with clock.at(TODAY + timedelta(hours=1)):
        again = claim(affiliate, campaign, post, views + 1)
        assert (again.outcome, again.post) == ("new_claim", first.post)
        drain_all()
    assert AffiliateReport.objects.count() == ReconciliationLog.objects.counted().count() == 2
    assert PlatformReport.objects.count() == 2


def test_a_post_that_was_never_there_gets_a_second_look_a_day_later(claim, drain_all, world_post, sandbox):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    post, views = _views(world_post, sandbox)
    missing = type(post)(
        **{f: getattr(post, f) for f in post.__slots__}
        | {"external_id": "AAAAAAAAAAA", "url": "https://youtu.be/AAAAAAAAAAA"}
    )
    submitted = claim(affiliate, campaign, missing, views)
    drain_all()
    first = ReconciliationLog.objects.get()
    assert (first.status, first.next_look_at) == ("POST_MISSING", TODAY + timedelta(hours=24))
    assert drain_all() == 0
    with clock.at(TODAY + timedelta(hours=24)):
        assert drain_all() == 1
    last = ReconciliationLog.objects.counted().get(affiliate_report=submitted.claim)
    assert (last.status, last.trust_effect) == ("POST_MISSING", "NONE")
    assert not Job.objects.exclude(state="done").exists()


def test_what_is_claimed_in_test_mode_neither_earns_nor_costs_trust(claim, drain_all, world_post, sandbox):
    affiliate = AffiliateFactory()
    campaign = CampaignFactory(advertiser__livemode=False)
    post, views = _views(world_post, sandbox)
    submitted = claim(affiliate, campaign, post, views * 2)
    assert drain_all() == 1
    assert ReconciliationLog.objects.counted().get(affiliate_report=submitted.claim).discrepancy_level == "HIGH"
    assert not TrustScore.objects.exists()
