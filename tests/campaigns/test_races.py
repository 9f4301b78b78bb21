"""Two who decide at once: one wins, the other is told."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from django.db import connection

from affiliates.models import AuditEvent
from campaigns import services
from campaigns.errors import CampaignStateError, DuplicateNameError
from campaigns.models import Campaign, CampaignPlatform
from campaigns.rates import Rates
from campaigns.services import PlatformTerms
from platforms.models import Platform
from tests.factories import BrandFactory, CampaignFactory, MarketFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 8


def all_at_once(act):
    """What each of several threads came to: its answer, or the error it was told."""

    def one(n):
        try:
            return act(n)
        except (CampaignStateError, DuplicateNameError) as refused:
            return refused
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(AT_ONCE)))


def test_a_campaign_is_paused_once():
    by, campaign = UserFactory(), CampaignFactory()
    outcomes = all_at_once(lambda n: services.pause(campaign=campaign, by=by))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Campaign"] + ["CampaignStateError"] * 7
    assert AuditEvent.objects.filter(object_id=campaign.pk).count() == 1


def test_a_name_is_given_once():
    by, brand, market = UserFactory(), BrandFactory(), MarketFactory()
    facts = {"brand": brand, "market": market, "advertiser": brand.advertiser, "campaign_name": "Same"}
    days = {"starts_on": date(2026, 12, 1), "ends_on": date(2026, 12, 31)}
    outcomes = all_at_once(lambda n: services.create_campaign(by=by, **facts, **days))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Campaign"] + ["DuplicateNameError"] * 7
    assert Campaign.objects.count() == 1


def test_lists_of_platforms_are_set_one_after_the_other():
    by, campaign = UserFactory(), CampaignFactory(platforms=[])
    platforms = list(Platform.objects.order_by("slug"))

    def set_some(n):
        terms = [PlatformTerms(platform, Rates()) for platform in (platforms[n % 3], platforms[(n + 1) % 3])]
        return services.set_platforms(campaign=campaign, by=by, platforms=terms)

    assert len(all_at_once(set_some)) == AT_ONCE
    assert CampaignPlatform.objects.filter(campaign=campaign).count() == 2
