"""The statement that each claim asks sees what the query sees that it was written from."""

import pytest

from campaigns.models import Advertiser, Campaign
from tests.factories import (
    AdvertiserFactory,
    AffiliateFactory,
    CampaignFactory,
    EnrolmentFactory,
    MembershipFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


def test_one_campaign_is_seen_by_those_who_see_it_among_all():
    campaigns = [
        CampaignFactory(advertiser=advertiser, is_open=is_open, status=status)
        for advertiser in (AdvertiserFactory(), AdvertiserFactory(livemode=False))
        for is_open, status in ((True, "active"), (True, "draft"), (False, "active"))
    ]
    users = [UserFactory(), UserFactory(is_staff=True)]
    for campaign in campaigns:
        users.append(MembershipFactory(advertiser=campaign.advertiser).user)
        users += [EnrolmentFactory(campaign=campaign, status=status).affiliate.user for status in ("active", "removed")]
    users.append(AffiliateFactory().user)
    seen = set()
    for number, user in enumerate(users):
        for user.livemode in (True, False, None):
            among_all = set(Campaign.objects.visible_to(user))
            assert {each for one in campaigns if (each := Campaign.objects.visible_one(user, one.pk))} == among_all
            seen |= {(number, campaign.pk) for campaign in among_all}
    assert 0 < len(seen) < len(users) * len(campaigns)


def test_it_comes_whole_with_its_advertiser(django_assert_num_queries):
    campaign, staff = CampaignFactory(budget="12.50"), UserFactory(is_staff=True)
    with django_assert_num_queries(1):
        found = Campaign.objects.visible_one(staff, campaign.pk)
        advertiser = found.advertiser
    for one in (found, advertiser):
        same = type(one).objects.get(pk=one.pk)
        names = [field.attname for field in same._meta.concrete_fields]
        assert [getattr(one, name) for name in names] == [getattr(same, name) for name in names]
    assert isinstance(advertiser, Advertiser)
