"""Rows for tests, related fields consistent by construction. Claims and verdicts come from the real services."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import factory
from factory.django import DjangoModelFactory

from affiliates.models import Affiliate, User
from campaigns.models import (
    Advertiser,
    Brand,
    Campaign,
    CampaignPlatform,
    Enrolment,
    Market,
    Membership,
    Post,
    TrackingLink,
)
from campaigns.naming import campaign_name
from config import clock, vault
from platforms.models import Connection, Platform

TODAY = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse battery staple"


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User

    email = factory.Sequence(lambda n: f"person{n}@example.com")
    name = factory.Sequence(lambda n: f"Person {n}")

    @classmethod
    def _create(cls, model_class, *args, password=None, **kwargs):
        return model_class.objects.create_user(*args, password=password, **kwargs)


class AffiliateFactory(DjangoModelFactory[Affiliate]):
    class Meta:
        model = Affiliate

    name = factory.Sequence(lambda n: f"Affiliate {n}")
    user = factory.SubFactory(UserFactory, name=factory.SelfAttribute("..name"))


class AdvertiserFactory(DjangoModelFactory[Advertiser]):
    class Meta:
        model = Advertiser

    name = factory.Sequence(lambda n: f"Advertiser {n}")


class MembershipFactory(DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    advertiser = factory.SubFactory(AdvertiserFactory)
    user = factory.SubFactory(UserFactory)
    role = Membership.Role.MANAGER


class BrandFactory(DjangoModelFactory[Brand]):
    class Meta:
        model = Brand

    advertiser = factory.SubFactory(AdvertiserFactory)
    code = factory.Sequence(lambda n: f"BR{n}")
    name = factory.Sequence(lambda n: f"Brand {n}")


class MarketFactory(DjangoModelFactory[Market]):
    class Meta:
        model = Market

    code = factory.Sequence(lambda n: f"M{n:03d}")
    country = "United States"
    region = "North America"


class CampaignFactory(DjangoModelFactory[Campaign]):
    """An open, active campaign on all platforms that takes claims around TODAY; no look is planned after the last."""

    class Meta:
        model = Campaign
        skip_postgeneration_save = True

    advertiser = factory.SubFactory(AdvertiserFactory)
    brand = factory.SubFactory(BrandFactory, advertiser=factory.SelfAttribute("..advertiser"))
    market = factory.SubFactory(MarketFactory)
    campaign_name = factory.Sequence(lambda n: f"Campaign {n}")
    name = factory.LazyAttribute(
        lambda o: campaign_name(brand=o.brand.code, market=o.market.code, year=2026, title=o.campaign_name)
    )
    livemode = factory.SelfAttribute("advertiser.livemode")
    status = Campaign.Status.ACTIVE
    starts_on = date(2026, 1, 1)
    ends_on = TODAY.date() + timedelta(days=3650)
    is_open = True

    @factory.post_generation
    def platforms(self, create, extracted, **_):
        for platform in Platform.objects.all() if extracted is None else extracted:
            CampaignPlatform.objects.create(
                campaign=self,
                platform=platform,
                rate_per_1000_views=Decimal(10),
                rate_per_click=Decimal("0.5"),
                recheck_plan="never",
            )


class EnrolmentFactory(DjangoModelFactory[Enrolment]):
    class Meta:
        model = Enrolment

    campaign = factory.SubFactory(CampaignFactory)
    affiliate = factory.SubFactory(AffiliateFactory)


class ConnectionFactory(DjangoModelFactory[Connection]):
    """An affiliate's, with a token that somebody pasted."""

    class Meta:
        model = Connection

    affiliate = factory.SubFactory(AffiliateFactory)
    platform = factory.LazyFunction(lambda: Platform.objects.get(slug="tiktok"))
    method = Connection.Method.TOKEN
    locked = factory.LazyFunction(lambda: vault.lock({"access_token": "sb.tiktok.3.1.0"}))
    connected_at = factory.LazyFunction(clock.now)


class PostFactory(DjangoModelFactory[Post]):
    class Meta:
        model = Post

    campaign = factory.SubFactory(CampaignFactory)
    affiliate = factory.SubFactory(AffiliateFactory)
    platform = factory.LazyFunction(lambda: Platform.objects.get(slug="youtube"))
    external_id = factory.Sequence(lambda n: f"video{n:06d}")
    url = factory.LazyAttribute(lambda o: f"https://www.youtube.com/watch?v={o.external_id}")


class TrackingLinkFactory(DjangoModelFactory[TrackingLink]):
    """A link to the landing page of a shop."""

    class Meta:
        model = TrackingLink

    campaign = factory.SubFactory(CampaignFactory, landing_url="https://shop.example/bowls?lang=en")
    affiliate = factory.SubFactory(AffiliateFactory)
    platform = factory.LazyFunction(lambda: Platform.objects.get(slug="youtube"))
