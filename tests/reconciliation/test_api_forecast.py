"""What a campaign's plans need of the call budgets, over the API and on its pages."""

from datetime import date, timedelta

import pytest

from campaigns.models import CampaignPlatform
from platforms.models import Platform
from platforms.services.settings import configure
from reconciliation.models import AffiliateRollUp, DayRollUp
from tests.factories import AffiliateFactory, CampaignFactory, ConnectionFactory, UserFactory
from tests.reconciliation.support import unchanged

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]


@pytest.fixture
def campaign(scene):
    CampaignPlatform.objects.filter(campaign=scene.campaign).exclude(platform__slug__in=("youtube", "reddit")).delete()
    CampaignPlatform.objects.filter(campaign=scene.campaign, platform__slug="youtube").update(recheck_plan="1h daily")
    DayRollUp.objects.all().delete()  # what the scene has claimed does not count here
    AffiliateRollUp.objects.all().delete()
    return scene.campaign


def posts_of(campaign, number, *, age_d=0, affiliate=None, **given):
    """So many posts of the campaign on YouTube, as roll-ups count them."""
    sums = dict.fromkeys(("compared_count", "claimed_sum", "verified_sum", "over_claimed_sum", "money_sum"), 0)
    row = {"campaign": campaign, "platform": Platform.objects.get(slug="youtube"), "verdict": "matched"} | sums
    row |= {"post_count": number, "claiming_count": number} | given
    DayRollUp.objects.create(day=campaign.advertiser.today - timedelta(days=age_d), **row)
    AffiliateRollUp.objects.create(affiliate=affiliate or AffiliateFactory(), **row)


def forecast_of(client, campaign):
    answer = client.get(f"/api/v1/campaigns/{campaign.pk}/forecast")
    assert answer.status_code == 200
    return {platform["platform"]: platform for platform in answer.json()["platforms"]}


def test_a_forecast_counts_the_posts_that_the_application_asks_for(scene, campaign, client_of):
    posts_of(campaign, 40)
    posts_of(campaign, 50, age_d=3)
    posts_of(campaign, 5, verdict="post_missing")
    posts_of(campaign, 5, claiming_count=0)  # of clicks alone
    posts_of(campaign, 100, affiliate=ConnectionFactory(platform=Platform.objects.get(slug="youtube")).affiliate)
    for elsewhere in (CampaignFactory(advertiser__livemode=False), CampaignFactory(ends_on=date(2026, 9, 1))):
        CampaignPlatform.objects.filter(campaign=elsewhere).update(recheck_plan="daily")
        posts_of(elsewhere, 1_000_000)
    found = forecast_of(client_of(scene.viewer), campaign)
    youtube, reddit = found["youtube"], found["reddit"]
    assert [day["looks"] for day in youtube["days"]] == [95] * 7  # half of the posts
    assert (youtube["recheck_plan"], youtube["calls_a_day"], youtube["fits"]) == ("1h daily", 8_000, True)
    assert [day["looks"] for day in reddit["days"]] == [0] * 7
    assert (reddit["recheck_plan"], reddit["sentence"]) == ("never", "No look is planned in the coming week.")


def test_other_campaigns_share_the_budget_and_stay_unseen(scene, campaign, client_of):
    youtube = Platform.objects.get(slug="youtube")
    configure(platform=youtube, by=UserFactory(), changes={"daily_quota": 2})
    posts_of(campaign, 1)
    crowded = CampaignFactory()
    posts_of(crowded, 57)
    assert forecast_of(client_of(scene.manager), campaign)["youtube"]["fits"]
    CampaignPlatform.objects.filter(campaign=crowded).update(recheck_plan="daily")
    told = forecast_of(client_of(scene.manager), campaign)["youtube"]
    assert not told["fits"]
    assert "later than planned" in told["sentence"]
    assert "57" not in str(told)
    CampaignPlatform.objects.filter(campaign=crowded).update(recheck_plan="never")
    assert forecast_of(client_of(scene.manager), campaign)["youtube"]["fits"]


def test_who_may_see_it(scene, campaign, client_of, client):
    address = f"/api/v1/campaigns/{campaign.pk}/forecast"
    unchanged(403, client_of(scene.mila.user).get, address)
    unchanged(404, client_of(scene.charlie).get, address)
    for person, status in ((scene.viewer, 200), (scene.charlie, 404), (scene.mila.user, 404)):
        client.force_login(person)
        assert client.get(f"/campaigns/{campaign.pk}/forecast/").status_code == status


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["page", "panel"])
def test_the_campaigns_pages_tell_what_does_not_fit(scene, campaign, client, headers):
    configure(platform=Platform.objects.get(slug="youtube"), by=UserFactory(), changes={"daily_quota": 1})
    client.force_login(scene.manager)
    address = f"/campaigns/{campaign.pk}/forecast/"
    assert "more than fits" not in client.get(address, headers=headers).content.decode()
    posts_of(campaign, 1)
    shown = client.get(address, headers=headers).content.decode()
    assert "more than fits" in shown
    assert ("<html" in shown) == (not headers)
    for page in ("", "edit/"):
        assert address in client.get(f"/campaigns/{campaign.pk}/{page}").content.decode()


# --- Setting a plan


def test_a_plan_is_set_in_the_form_and_a_wrong_one_is_told_beside_its_field(scene, client):
    client.force_login(scene.manager)
    page = f"/campaigns/{scene.campaign.pk}/edit/"
    given = {
        "starts_on": "2026-01-01", "ends_on": "2027-01-01", "claim_window_days": 14, "currency": "USD",
        "conversion_lag_h": 72, "click_window_min": 30, "attribution_days": 30,
        "youtube-runs": "on", "youtube-rate_per_1000_views": "10",
    }  # fmt: skip
    answer = client.post(page, given | {"youtube-recheck_plan": "2h 1h"})
    assert answer.status_code == 422
    assert "Each time at least 5 minutes after the one before." in answer.content.decode()
    assert client.post(page, given | {"youtube-recheck_plan": "1h  2H daily"}).status_code == 302
    assert scene.campaign.campaign_platforms.get(platform__slug="youtube").recheck_plan == "1h 2h daily"


def test_a_plan_is_set_over_the_api(scene, client_of):
    manager, address = client_of(scene.manager), f"/api/v1/campaigns/{scene.campaign.pk}"
    for wrong in ("soon", "4min", 5, None, ["1h"]):
        body = {"platforms": [{"platform": "youtube", "recheck_plan": wrong}]}
        unchanged(400, manager.put, f"{address}/platforms", body, field="platforms[0].recheck_plan")
    body = {"platforms": [{"platform": "youtube", "recheck_plan": "1h daily"}]}
    answer = manager.put(f"{address}/platforms", body).json()["platforms"]
    assert [row["recheck_plan"] for row in answer if row["platform"] == "youtube"] == ["1h daily"]
    assert "recheck_plan" not in client_of(scene.mila.user).get(address).json()["platforms"][0]
