"""Data-quality rules at work: what settling leaves to them is examined once, and nothing is lost."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.urls import reverse

from campaigns.models import Post
from config import clock
from platforms.sandbox.world import WorldPost
from reconciliation.models import Finding, ReconciliationLog, Unexamined
from reconciliation.quality import RULES
from reconciliation.services import examining, rulesets
from reconciliation.tasks import sweep
from tests.factories import TODAY, AffiliateFactory, CampaignFactory, MembershipFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]


EVERYWHERE = {"author_not_proven", "undisclosed"}
"""What is so of every post of the sandbox's."""


def found() -> dict[str, str]:
    findings = Finding.objects.exclude(rule__in=EVERYWHERE)
    return {finding.rule: finding.sentence for finding in findings}


@pytest.fixture
def judged(claim: Callable[..., Any], drain_all: Callable[[], int], world_post: Callable[..., WorldPost]) -> Any:
    """Seven claims of one affiliate, each of another post, the last with more clicks than views, and odd among them."""
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    for index in range(6):
        claim(affiliate, campaign, world_post("youtube", index), 1_234 + index)
    claim(affiliate, campaign, world_post("youtube", 6), 9_000, clicks=9_001)
    drain_all()
    return affiliate


def test_what_is_judged_is_examined_once(judged: Any):
    assert Unexamined.objects.count() == 7
    assert examining.examine() == 7
    assert found() == {
        "clicks_above_views": "Claims 9,001 clicks on 9,000 views.",
        "jump": "Claims 9,000 views, 7 times the affiliate's usual 1,236.",
    }
    assert (examining.examine(), Unexamined.objects.count(), Finding.objects.count()) == (0, 0, 2 + 7 * len(EVERYWHERE))


def test_a_claim_below_the_one_before_is_noticed(
    claim: Callable[..., Any], drain_all: Callable[[], int], world_post: Callable[..., WorldPost]
):
    affiliate, campaign, post = AffiliateFactory(), CampaignFactory(), world_post("youtube", 0)
    claim(affiliate, campaign, post, 1_000)
    with clock.at(TODAY + timedelta(minutes=1)):
        claim(affiliate, campaign, post, 900)
        drain_all()
    examining.examine()
    assert found() == {"falling_claim": "Claims 900 views after 1,000 in the claim before."}


def test_a_lost_hint_is_found_by_the_sweep(judged: Any):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_q_ormq")
    sweep()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM django_q_ormq WHERE key LIKE 'claimcheck:%%'")
        assert cursor.fetchone()[0] > 0


@pytest.mark.django_db(transaction=True)
def test_several_examine_at_once_and_find_what_one_does(judged: Any):
    def work(_: int) -> int:
        try:
            return examining.examine()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 7
    assert set(found()) == {"clicks_above_views", "jump"}
    assert not Unexamined.objects.exists()


def test_a_rule_that_is_marked_impossible_decides_the_verdict(
    claim: Callable[..., Any], drain_all: Callable[[], int], world_post: Callable[..., WorldPost]
):
    rulesets.save_version(quality={"clicks_above_views": {"weight": "impossible"}}, by=None)
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    odd = claim(affiliate, campaign, world_post("youtube", 0), 10, clicks=11)
    plain = claim(affiliate, campaign, world_post("youtube", 1), 11, clicks=11)
    drain_all()
    verdict = ReconciliationLog.objects.get(affiliate_report=odd.claim)
    assert (verdict.status, verdict.trust_effect) == ("INVALID_CLAIM", "INACCURATE")
    assert verdict.explanation == "Claimed 10 views and 11 clicks. Claims 11 clicks on 10 views."
    assert ReconciliationLog.objects.get(affiliate_report=plain.claim).status != "INVALID_CLAIM"
    examining.examine()
    assert Finding.objects.get(rule="clicks_above_views").severity == "HIGH"


def test_a_rule_that_fails_is_a_finding_of_its_own(judged: Any, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> str:
        raise RuntimeError

    broken = replace(RULES["burst"], notice=fail)
    monkeypatch.setitem(RULES, "burst", broken)
    monkeypatch.setattr(rulesets, "_quality", {})
    examining.examine()
    failed = Finding.objects.filter(rule="burst")
    assert {(finding.error, finding.severity) for finding in failed} == {("RuntimeError", "LOW")}
    assert failed.count() == 7
    assert "clicks_above_views" in found()


def test_who_sees_what_was_noticed(judged: Any, client_of: Callable[..., Any], client: Client):
    examining.examine()
    post = Post.objects.get(findings__rule="clicks_above_views")
    address = f"/api/v1/reconciliation/findings?post={post.pk}&severity=MEDIUM&rule=clicks_above_views"
    member, staff = MembershipFactory(advertiser=post.campaign.advertiser).user, UserFactory(is_staff=True)
    [shown] = client_of(member).get(address).json()["results"]
    assert shown["sentence"] == "Claims 9,001 clicks on 9,000 views."
    assert (shown["severity"], shown["error"], shown["post"]["id"]) == ("MEDIUM", "", str(post.pk))
    assert client_of(staff).get(address).json()["results"] == [shown]
    for stranger in (judged.user, MembershipFactory().user):
        assert client_of(stranger).get(address).json()["results"] == []
    assert client_of(member).get("/api/v1/reconciliation/findings?rule=luck").status_code == 400
    page = reverse("dashboard:post", args=[post.pk])
    for user, sees in ((member, True), (staff, True), (judged.user, False)):
        client.force_login(user)
        assert (shown["sentence"] in client.get(page).content.decode()) is sees
