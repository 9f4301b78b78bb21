"""What can happen to campaigns: each use case, each refusal, and what is recorded."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import IntegrityError

from affiliates.models import AuditEvent
from campaigns import services
from campaigns.errors import CampaignRefusedError, CampaignStateError, DuplicateNameError, UnknownReferenceError
from campaigns.models import Campaign, CampaignPlatform
from campaigns.rates import Rates
from campaigns.services import PlatformTerms
from config import clock
from platforms.adapters import ADAPTER_CLASSES
from platforms.models import Platform
from tests.factories import (
    TODAY,
    AdvertiserFactory,
    BrandFactory,
    CampaignFactory,
    MarketFactory,
    PostFactory,
    UserFactory,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]


@pytest.fixture
def by():
    return UserFactory(is_staff=True)


def terms(*slugs, **rates):
    return [PlatformTerms(Platform.objects.get(slug=slug), Rates(**rates)) for slug in slugs]


def make(by, **given):
    advertiser = given.get("advertiser") or AdvertiserFactory()
    facts = {
        "brand": given.get("brand") or BrandFactory(advertiser=advertiser, code="DIS"),
        "market": given.get("market") or MarketFactory(code="US"),
        "campaign_name": "Moana Launch",
        "starts_on": date(2026, 12, 1),
        "ends_on": date(2026, 12, 31),
    }
    return services.create_campaign(by=by, **(facts | given | {"advertiser": advertiser}))


def actions(row):
    return list(
        AuditEvent.objects.filter(object_id=row.pk).order_by("created_at", "id").values_list("action", flat=True)
    )


# --- Making one


def test_a_campaign_is_made_as_a_draft_with_its_system_name(by):
    campaign = make(by, platforms=terms("youtube", "x", per_click=Decimal("0.5")))
    campaign.refresh_from_db()
    assert (campaign.name, campaign.campaign_name, campaign.status) == (
        "DIS_US_MULTI_2026_MoanaLaunch",
        "Moana Launch",
        "draft",
    )
    assert (campaign.currency, campaign.claim_window_days, campaign.conversion_lag_h, campaign.budget) == (
        "USD",
        14,
        72,
        None,
    )
    assert (campaign.is_open, campaign.livemode, campaign.created_by) == (False, True, by)
    assert [row.platform.slug for row in campaign.campaign_platforms.all()] == ["x", "youtube"]
    event = AuditEvent.objects.get(object_id=campaign.pk)
    assert (event.action, event.actor) == ("campaign.created", by)
    assert event.changes["platforms"] == {"youtube": [None, "0.5", None, ""], "x": [None, "0.5", None, ""]}


@pytest.mark.parametrize(("zone", "year"), [("UTC", 2026), ("Pacific/Kiritimati", 2027)])
def test_the_year_is_the_advertisers_own_current_one(by, zone, year):
    with clock.at(TODAY.replace(month=12, day=31, hour=11)):
        campaign = make(by, advertiser=AdvertiserFactory(time_zone=zone))
    assert campaign.name == f"DIS_US_MULTI_{year}_MoanaLaunch"
    assert AuditEvent.objects.get(object_id=campaign.pk).changes["name"] == campaign.name


def test_a_test_advertisers_campaign_is_a_test_campaign(by):
    assert make(by, advertiser=AdvertiserFactory(livemode=False)).livemode is False


@pytest.mark.parametrize(
    ("given", "error", "field"),
    [
        ({"campaign_name": "夏祭り"}, CampaignRefusedError, "campaign_name"),
        ({"ends_on": date(2026, 11, 30)}, CampaignRefusedError, "ends_on"),
        ({"starts_on": date(1999, 12, 31)}, CampaignRefusedError, "starts_on"),
        ({"ends_on": date(2101, 1, 1)}, CampaignRefusedError, "ends_on"),
        ({"year": 1999}, CampaignRefusedError, "year"),
        ({"year": 2101}, CampaignRefusedError, "year"),
        ({"year": 0}, CampaignRefusedError, "year"),
    ],
)
def test_what_makes_no_sense_is_refused(by, given, error, field):
    with pytest.raises(error) as refused:
        make(by, **given)
    assert (refused.value.field, refused.value.status) == (field, 400)
    assert not Campaign.objects.exists()


def test_a_campaign_may_last_one_day(by):
    assert make(by, ends_on=date(2026, 12, 1)).pk


def test_another_advertisers_brand_is_no_brand(by):
    with pytest.raises(UnknownReferenceError) as refused:
        make(by, brand=BrandFactory())
    assert (refused.value.field, refused.value.status) == ("brand", 422)


@pytest.mark.parametrize("title", ["Moana Launch", "Moana-Launch!"])
def test_a_name_that_is_taken_is_refused(by, title):
    first = make(by)
    same = {"advertiser": first.advertiser, "brand": first.brand, "market": first.market}
    with pytest.raises(DuplicateNameError) as refused:
        make(by, **same, campaign_name=title)
    assert (refused.value.status, refused.value.code, refused.value.field) == (400, "duplicate_name", "campaign_name")
    assert make(by, **same, campaign_name=title, year=2027).pk
    assert Campaign.objects.count() == 2


def test_another_fault_of_the_row_is_not_taken_for_a_duplicate(by):
    with pytest.raises(IntegrityError):
        make(by, budget=Decimal(-1))


def test_a_platform_is_named_once(by):
    with pytest.raises(CampaignRefusedError) as refused:
        make(by, platforms=terms("x", "x"))
    assert refused.value.code == "duplicate_platform"
    assert not Campaign.objects.exists()


# --- Changing one


def test_what_is_given_changes_and_the_rest_stays(by):
    campaign = CampaignFactory(budget=Decimal(100), claim_window_days=14)
    with clock.at(TODAY.replace(hour=13)):
        services.update_campaign(campaign=campaign, by=by, budget=Decimal("250.50"), is_open=False)
    campaign.refresh_from_db()
    assert (campaign.budget, campaign.is_open, campaign.claim_window_days) == (Decimal("250.50"), False, 14)
    assert campaign.updated_at.hour == 13
    event = AuditEvent.objects.get(object_id=campaign.pk)
    assert (event.action, event.changes) == (
        "campaign.updated",
        {"budget": ["100.00", "250.50"], "is_open": [True, False]},
    )


def test_what_is_as_it_was_is_not_recorded(by):
    campaign = CampaignFactory(budget=Decimal(100))
    services.update_campaign(campaign=campaign, by=by, budget=Decimal("100.00"), starts_on=campaign.starts_on)
    services.update_campaign(campaign=campaign, by=by)
    assert actions(campaign) == []


def test_the_days_are_held_against_each_other_also_when_one_is_given(by):
    campaign = CampaignFactory(starts_on=date(2026, 2, 1), ends_on=date(2026, 3, 1))
    with pytest.raises(CampaignRefusedError):
        services.update_campaign(campaign=campaign, by=by, ends_on=date(2026, 1, 31))
    with pytest.raises(CampaignRefusedError):
        services.update_campaign(campaign=campaign, by=by, starts_on=date(2026, 3, 2))
    assert services.update_campaign(campaign=campaign, by=by, ends_on=date(2026, 2, 1)).ends_on == date(2026, 2, 1)


def test_the_currency_stays_once_there_are_posts(by):
    campaign = CampaignFactory()
    assert services.update_campaign(campaign=campaign, by=by, currency="EUR").currency == "EUR"
    PostFactory(campaign=campaign)
    with pytest.raises(CampaignStateError) as refused:
        services.update_campaign(campaign=campaign, by=by, currency="USD", budget=Decimal(1))
    assert (refused.value.field, refused.value.status) == ("currency", 409)
    assert services.update_campaign(campaign=campaign, by=by, currency="EUR", budget=Decimal(1)).budget == 1


# --- Its status

MOVES = {"active": services.activate, "paused": services.pause, "completed": services.complete}
ALLOWED = {
    ("draft", "active"),
    ("paused", "active"),
    ("active", "paused"),
    ("active", "completed"),
    ("paused", "completed"),
}


@pytest.mark.parametrize("to", MOVES)
@pytest.mark.parametrize("start", Campaign.Status.values)
def test_a_campaign_moves_as_the_table_says_and_no_other_way(by, start, to):
    campaign = CampaignFactory(status=start)
    if (start, to) in ALLOWED:
        assert MOVES[to](campaign=campaign, by=by).status == to
        event = AuditEvent.objects.get(object_id=campaign.pk)
        assert (event.action, event.changes, event.actor) == (f"campaign.{to}", {"status": [start, to]}, by)
    else:
        with pytest.raises(CampaignStateError) as refused:
            MOVES[to](campaign=campaign, by=by)
        assert refused.value.status == 409
        assert start in refused.value.message
        campaign.refresh_from_db()
        assert (campaign.status, actions(campaign)) == (start, [])


def test_a_campaign_needs_an_open_platform_to_become_active(by):
    campaign = CampaignFactory(status="draft", platforms=[])
    with pytest.raises(CampaignStateError) as refused:
        services.activate(campaign=campaign, by=by)
    assert refused.value.code == "no_platform"
    CampaignPlatform.objects.create(campaign=campaign, platform=Platform.objects.get(slug="x"), closed_at=TODAY)
    with pytest.raises(CampaignStateError):
        services.activate(campaign=campaign, by=by)
    campaign.refresh_from_db()
    assert (campaign.status, actions(campaign)) == ("draft", [])


# --- Its platforms


def standing(campaign):
    rows = CampaignPlatform.objects.filter(campaign=campaign).select_related("platform")
    return {row.platform.slug: (row.closed_at, row.rate_per_click) for row in rows}


def test_the_list_is_replaced_what_has_posts_is_closed_and_what_is_listed_again_is_opened(by):
    campaign = CampaignFactory()
    PostFactory(campaign=campaign)  # on YouTube
    services.set_platforms(campaign=campaign, by=by, platforms=terms("x", per_click=Decimal(2)))
    assert standing(campaign) == {"x": (None, 2), "youtube": (TODAY, Decimal("0.5"))}
    with clock.at(TODAY.replace(hour=14)):
        services.set_platforms(campaign=campaign, by=by, platforms=terms("reddit"))
    assert standing(campaign) == {"reddit": (None, None), "youtube": (TODAY, Decimal("0.5"))}  # closed since then
    services.set_platforms(campaign=campaign, by=by, platforms=terms("youtube", per_click=Decimal(3)))
    assert standing(campaign) == {"youtube": (None, 3)}
    assert actions(campaign) == ["campaign.platforms_set"] * 3


def test_only_a_draft_may_run_on_nothing(by):
    draft, active = CampaignFactory(status="draft"), CampaignFactory()
    services.set_platforms(campaign=draft, by=by, platforms=[])
    assert standing(draft) == {}
    with pytest.raises(CampaignStateError) as refused:
        services.set_platforms(campaign=active, by=by, platforms=[])
    assert refused.value.code == "no_platform"
    assert len(standing(active)) == len(ADAPTER_CLASSES)


def test_a_platform_that_is_listed_twice_changes_nothing(by):
    campaign = CampaignFactory()
    with pytest.raises(CampaignRefusedError):
        services.set_platforms(campaign=campaign, by=by, platforms=terms("x", "x"))
    assert (len(standing(campaign)), actions(campaign)) == (len(ADAPTER_CLASSES), [])


# --- Brands and markets


def test_brands_and_markets_are_made_with_clean_codes(by):
    brand = services.create_brand(by=by, advertiser=AdvertiserFactory(), code=" dis ", name="Disney")
    market = services.create_market(by=by, code="us", country="United States")
    assert (brand.code, market.code, market.region) == ("DIS", "US", "")
    assert (actions(brand), actions(market)) == (["brand.created"], ["market.created"])


@pytest.mark.parametrize(("code", "why"), [("A", "invalid"), ("A_B", "invalid"), ("dis", "duplicate_code")])
def test_a_code_that_is_none_or_taken_is_refused(by, code, why):
    BrandFactory(code="DIS")
    MarketFactory(code="DIS")
    for refused_service, given in (
        (services.create_brand, {"advertiser": AdvertiserFactory(), "name": "X"}),
        (services.create_market, {"country": "X"}),
    ):
        with pytest.raises(CampaignRefusedError) as refused:
            refused_service(by=by, code=code, **given)
        assert (refused.value.field, refused.value.code) == ("code", why)
