"""Accounts that over-claim, and what is suggested about them: by API and on the campaign's page."""

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.models import CampaignPlatform, Post
from campaigns.tracking import links
from config import clock
from platforms.models import Platform
from reconciliation.comparison import Figures, Status
from reconciliation.models import AffiliateReport, ReconciliationLog, TrustScore
from reconciliation.outcomes import Reason
from reconciliation.services import clawbacks as service
from reconciliation.services.overriding import override
from reconciliation.services.submission import submit
from tests.campaigns.test_clicks import visit
from tests.factories import AffiliateFactory, CampaignFactory, UserFactory
from tests.reconciliation.support import queries, unchanged

pytestmark = pytest.mark.django_db

CLAWBACKS = "/api/v1/reconciliation/clawbacks"


@pytest.fixture
def api(scene, client_of):
    return client_of(scene.viewer)


def listed(api, **query):
    answer = api.get(CLAWBACKS, query)
    assert answer.status_code == 200
    return answer.json()["results"]


def claimed_worth(scene, *names):
    claims = AffiliateReport.objects.filter(post__in=[scene.posts[name].pk for name in names])
    return sum((claim.claimed_views * Decimal(10) / 1000 for claim in claims), Decimal(0))


def test_an_account_is_what_is_judged_and_what_of_it_is_over(scene, api):
    rows = {row["affiliate"]["id"]: row for row in listed(api)}
    assert set(rows) == {str(scene.mila.pk), str(scene.anders.pk)}
    mila = rows[str(scene.mila.pk)]
    behind = [ReconciliationLog.objects.get(post=scene.posts[name]) for name in ("high", "low")]
    over = sum(verdict.money_at_risk for verdict in behind)
    # what waits, can't be verified or is missing is neither verified nor over-claimed
    worth = claimed_worth(scene, "matched", "low", "high").quantize(Decimal("0.01"))
    assert (mila["currency"], Decimal(mila["worth_claimed"]), Decimal(mila["over_claimed"])) == ("USD", worth, over)
    assert abs(Decimal(mila["share"]) - over / worth) < Decimal("0.0001")
    assert (mila["posts"], mila["high"], mila["medium"], mila["invalid"]) == (8, 1, 0, 0)
    assert mila["results"] == [str(verdict.pk) for verdict in behind]
    assert not mila["truncated"]
    trust = TrustScore.objects.get(affiliate=scene.mila)
    assert (Decimal(mila["trust_score"]), mila["outcomes"]) == (trust.trust_score, trust.total_submissions)
    assert (mila["action"], f"{over:,} of {worth:,} USD" in mila["sentence"]) == ("claw_back", True)
    assert rows[str(scene.anders.pk)]["medium"] == 1


def test_people_see_their_own_campaigns_and_affiliates_none(scene, client_of, api):
    for who in (scene.charlie, scene.mila.user):
        assert listed(client_of(who)) == []
    assert len(listed(client_of(scene.staff))) == len(listed(api)) == 2
    assert listed(client_of(scene.viewer, livemode=False)) == []
    assert listed(api, campaign=CampaignFactory().pk) == []
    assert [row["affiliate"]["name"] for row in listed(api, affiliate=scene.anders.pk)] == ["Anders Vik"]
    unchanged(400, api.get, CLAWBACKS, {"campaign": "5"}, field="campaign")


def test_the_costliest_come_first_a_page_at_a_time(scene, api):
    first, second = (api.get(CLAWBACKS, {"limit": 1, "offset": offset}).json() for offset in (0, 1))
    assert (first["count"], first["previous"], second["next"]) == (2, None, None)
    amounts = [Decimal(page["results"][0]["over_claimed"]) for page in (first, second)]
    assert amounts == sorted(amounts, reverse=True)


def test_what_no_longer_stands_is_not_held_against_anybody(scene, api, claim, world_post, drain_all):
    Post.objects.filter(pk=scene.posts["high"].pk).update(displaced_at=clock.now())
    claim(scene.anders, scene.campaign, world_post("youtube", 2), 1)  # a correction waits, then is right
    assert [(row["affiliate"]["name"], row["high"]) for row in listed(api)] == [("Mila Ortega", 0)]
    drain_all()
    assert [row["affiliate"]["name"] for row in listed(api)] == ["Mila Ortega"]


def test_a_decision_in_a_verdicts_place_is_what_counts(scene, api):
    verdict = ReconciliationLog.objects.get(post=scene.posts["high"])
    decided = {"verdict_id": verdict.pk, "reason": Reason.EVIDENCE, "by": scene.staff}
    override(status=Status.MATCHED, level=None, note="Shown in their own statistics.", **decided)
    [mila] = listed(api, affiliate=scene.mila.pk)
    low = ReconciliationLog.objects.get(post=scene.posts["low"])
    worth = claimed_worth(scene, "matched", "low", "high").quantize(Decimal("0.01"))
    assert (Decimal(mila["worth_claimed"]), Decimal(mila["over_claimed"])) == (worth, low.money_at_risk)
    assert (mila["high"], mila["results"]) == (0, [str(low.pk)])


def test_an_impossible_claim_is_listed_and_worth_nothing(scene, api, claim, world_post, drain_all):
    liar = AffiliateFactory()
    claim(liar, scene.campaign, world_post("x", 1), 10**12 + 1)
    drain_all()
    [row] = listed(api, affiliate=liar.pk)
    assert (row["invalid"], row["worth_claimed"], row["over_claimed"], row["share"]) == (1, None, None, None)
    assert (row["action"], len(row["results"])) == ("reduce", 1)


def test_clicks_are_worth_something_once_they_are_judged(today, client_of, sandbox, drain_all):
    campaign, affiliate = CampaignFactory(landing_url="https://shop.example/"), AffiliateFactory()
    link = links.make_link(affiliate=affiliate, campaign=campaign, platform=Platform.objects.get(slug="youtube"))[0]
    visit(link)
    visit(link, address="192.0.2.2")
    submit(
        affiliate=affiliate,
        campaign=campaign,
        platform=link.platform,
        url="https://youtu.be/abcdefghijk",
        figures=Figures(clicks=22),
        tracking_link=link.code,
    )
    drain_all()
    [row] = listed(client_of(UserFactory(is_staff=True)), campaign=campaign.pk)
    assert (row["posts"], row["worth_claimed"], row["over_claimed"], row["share"]) == (1, "11.00", "10.00", "0.9090")


def test_each_campaign_is_an_account_of_its_own_in_its_currency(scene, api, claim, world_post, drain_all):
    euros = CampaignFactory(advertiser=scene.advertiser, currency="EUR")
    CampaignPlatform.objects.filter(campaign=euros).update(rate_per_1000_views=None, rate_per_click=None)
    post = world_post("x", 2)
    claim(scene.mila, euros, post, post.final.views * 2)
    drain_all()
    rows = {row["currency"]: row for row in listed(api, affiliate=scene.mila.pk)}
    assert rows["USD"]["posts"] == 8
    assert (rows["EUR"]["high"], rows["EUR"]["over_claimed"], rows["EUR"]["worth_claimed"]) == (1, None, None)


def test_a_long_list_of_verdicts_is_cut_off_and_says_so(scene, api, monkeypatch):
    monkeypatch.setattr(service, "RESULTS_LIMIT", 1)
    [row] = listed(api, affiliate=scene.mila.pk)
    assert (row["results"], row["truncated"]) == (
        [str(ReconciliationLog.objects.get(post=scene.posts["high"]).pk)],
        True,
    )


def test_more_affiliates_take_no_more_queries(scene, api):
    assert queries(api, f"{CLAWBACKS}?limit=1") == queries(api, f"{CLAWBACKS}?limit=2")


def _page(scene, who, campaign=None):
    client = Client()
    client.force_login(who)
    return client.get(reverse("dashboard:campaign-clawbacks", args=[(campaign or scene.campaign).pk]))


def test_the_page_says_why_and_leads_to_the_posts(scene):
    page = _page(scene, scene.viewer).content.decode()
    address = reverse("dashboard:campaign", args=[scene.campaign.pk])
    assert f'{address}?affiliate={scene.mila.pk}&amp;sort=-money"' in page
    assert "which is 20 % or more" in page
    assert "nothing happens by itself" in page
    campaign = Client()
    campaign.force_login(scene.viewer)
    assert f'{address}clawbacks/"' in campaign.get(address).content.decode()


def test_the_page_is_for_the_advertisers_people(scene):
    assert _page(scene, scene.staff).status_code == 200
    for who in (scene.charlie, scene.mila.user):
        assert _page(scene, who).status_code == 404


def test_a_campaign_without_over_claims_says_so(scene):
    fair = CampaignFactory(advertiser=scene.advertiser)
    assert "Nothing is over-claimed" in _page(scene, scene.viewer, fair).content.decode()
