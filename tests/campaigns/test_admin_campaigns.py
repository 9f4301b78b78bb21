"""Staff make campaigns and what they stand on, by the services that the dashboard uses too."""

from decimal import Decimal

import pytest
from django.urls import reverse

from affiliates.models import AuditEvent
from campaigns.models import Advertiser, Brand, Campaign, CampaignPlatform, Enrolment, Market, Membership
from platforms.models import Platform
from tests.factories import (
    AdvertiserFactory,
    AffiliateFactory,
    BrandFactory,
    CampaignFactory,
    EnrolmentFactory,
    MarketFactory,
    PostFactory,
    UserFactory,
)
from tests.staff import client_for, superuser, told, with_permissions

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

ADD = "admin:campaigns_campaign_add"
LIST = "admin:campaigns_campaign_changelist"


@pytest.fixture
def staff():
    return superuser()


@pytest.fixture
def client(staff):
    return client_for(staff)


def page(row) -> str:
    return reverse(f"admin:campaigns_{row._meta.model_name}_change", args=[row.pk])


def settings(**changes: object) -> dict[str, object]:
    """What the form of a campaign always sends."""
    return {
        "starts_on": "2026-11-01",
        "ends_on": "2026-12-31",
        "claim_window_days": 14,
        "currency": "USD",
        "budget": "",
        "conversion_lag_h": 72,
        "click_window_min": 30,
        "attribution_days": 30,
    } | changes


def platforms(*rows: dict[str, object], initial: int = 0) -> dict[str, object]:
    """The platforms below the form, as the client sends them."""
    sent: dict[str, object] = {"campaign_platforms-TOTAL_FORMS": len(rows), "campaign_platforms-INITIAL_FORMS": initial}
    for n, row in enumerate(rows):
        sent |= {f"campaign_platforms-{n}-{name}": value for name, value in row.items()}
    return sent


def new_campaign(**changes: object) -> dict[str, object]:
    advertiser = AdvertiserFactory()
    return settings(
        advertiser=advertiser.pk,
        brand=BrandFactory(advertiser=advertiser, code="DIS").pk,
        market=MarketFactory(code="US").pk,
        campaign_name="Moana Launch",
        **changes,
    )


def test_a_campaign_is_made_with_its_system_name_and_platforms(client, staff):
    youtube = Platform.objects.get(slug="youtube")
    client.post(reverse(ADD), new_campaign() | platforms({"platform": youtube.pk, "rate_per_click": "0.5"}))
    campaign = Campaign.objects.get()
    assert campaign.name == "DIS_US_MULTI_2026_MoanaLaunch"
    assert (campaign.status, campaign.created_by, campaign.livemode) == ("draft", staff, True)
    row = campaign.campaign_platforms.get()
    assert (row.platform, row.rate_per_click, row.rate_per_conversion) == (youtube, Decimal("0.5"), None)
    assert set(AuditEvent.objects.values_list("action", "actor")) == {
        ("campaign.created", staff.pk),
        ("campaign.platforms_set", staff.pk),
    }


def test_what_the_service_refuses_comes_back_at_its_field(client):
    other = BrandFactory()
    form = new_campaign()
    cases = [
        ({"brand": other.pk}, "brand", "This advertiser has no such brand."),
        (
            {"campaign_name": "???"},
            "campaign_name",
            "needs at least one letter A to Z or digit.",
        ),
        ({"ends_on": "2026-10-01"}, "ends_on", "The end can&#x27;t be before the start."),
        ({"budget": "-1"}, "budget", "greater than or equal to 0"),
    ]
    for change, field, sentence in cases:
        response = client.post(reverse(ADD), form | change | platforms())
        assert sentence in response.content.decode()
        assert field in response.context["adminform"].form.errors
    assert not Campaign.objects.exists()


def test_a_name_that_is_taken_is_refused(client):
    form = new_campaign() | platforms()
    client.post(reverse(ADD), form)
    response = client.post(reverse(ADD), form)
    assert "There is a campaign DIS_US_MULTI_2026_MoanaLaunch already." in response.content.decode()
    assert Campaign.objects.count() == 1


def test_a_campaigns_names_and_owner_never_change(client):
    campaign = CampaignFactory(platforms=[])
    before = (campaign.campaign_name, campaign.name, campaign.brand, campaign.advertiser)
    client.post(page(campaign), new_campaign(budget="500") | platforms())
    campaign.refresh_from_db()
    assert (campaign.campaign_name, campaign.name, campaign.brand, campaign.advertiser) == before
    assert campaign.budget == Decimal(500)
    changes = AuditEvent.objects.get(action="campaign.updated").changes
    assert changes["budget"] == [None, "500"]


def test_rates_change_and_a_platform_with_posts_is_closed_one_without_goes(client):
    youtube, reddit = (Platform.objects.get(slug=slug) for slug in ("youtube", "reddit"))
    campaign = CampaignFactory(platforms=[youtube, reddit])
    PostFactory(campaign=campaign, platform=youtube)
    rows = {row.platform: row for row in campaign.campaign_platforms.all()}
    sent = platforms(
        {"id": rows[reddit].pk, "campaign": campaign.pk, "platform": reddit.pk, "closed": "on"},
        {"id": rows[youtube].pk, "campaign": campaign.pk, "platform": youtube.pk, "closed": "on"},
        {"campaign": campaign.pk, "platform": Platform.objects.get(slug="x").pk, "rate_per_conversion": "3"},
        initial=2,
    )
    assert client.post(page(campaign), settings() | sent).status_code == 302
    left = {row.platform.slug: row for row in CampaignPlatform.objects.filter(campaign=campaign)}
    assert set(left) == {"youtube", "x"}
    assert left["youtube"].closed_at is not None
    assert left["x"].rate_per_conversion == 3
    reopened = platforms(
        {"id": left["x"].pk, "campaign": campaign.pk, "platform": left["x"].platform_id, "rate_per_conversion": "3"},
        {"id": left["youtube"].pk, "campaign": campaign.pk, "platform": youtube.pk, "rate_per_click": "1"},
        initial=2,
    )
    assert client.post(page(campaign), settings() | reopened).status_code == 302
    row = CampaignPlatform.objects.get(campaign=campaign, platform=youtube)
    assert (row.closed_at, row.rate_per_click) == (None, Decimal(1))


def test_a_running_campaign_keeps_a_platform(client):
    youtube = Platform.objects.get(slug="youtube")
    campaign = CampaignFactory(platforms=[youtube])
    row = campaign.campaign_platforms.get()
    sent = platforms({"id": row.pk, "campaign": campaign.pk, "platform": youtube.pk, "closed": "on"}, initial=1)
    response = client.post(page(campaign), settings() | sent)
    assert "Only a draft may be without platforms." in response.content.decode()
    row.refresh_from_db()
    assert row.closed_at is None


def test_saving_nothing_new_records_nothing(client):
    campaign = CampaignFactory(platforms=[])
    dates = {"starts_on": campaign.starts_on, "ends_on": campaign.ends_on, "is_open": "on"}
    client.post(page(campaign), settings(**dates) | platforms())
    assert not AuditEvent.objects.exists()


def test_campaigns_are_activated_paused_and_completed_each_with_its_answer(client, staff):
    ready = CampaignFactory(status="draft")
    empty = CampaignFactory(status="draft", platforms=[])
    ids = [str(ready.pk), str(empty.pk)]
    response = client.post(reverse(LIST), {"action": "activate", "_selected_action": ids}, follow=True)
    assert set(told(response)) == {
        f"{empty}: A campaign needs at least one platform first.",
        "1 campaign activated.",
    }
    for action, status in (("pause", "paused"), ("complete", "completed")):
        client.post(page(ready), {"action": action})
        ready.refresh_from_db()
        assert ready.status == status
    assert b'name="action"' not in client.get(page(ready)).content
    assert AuditEvent.objects.filter(actor=staff, object_id=ready.pk).count() == 3


def test_who_may_only_look_cannot_move_a_campaign():
    campaign = CampaignFactory()
    client = client_for(with_permissions("campaigns.view_campaign"))
    assert client.get(page(campaign)).status_code == 200
    assert client.post(page(campaign), {"action": "pause"}).status_code == 403
    assert client.post(page(campaign), settings() | platforms()).status_code == 403
    campaign.refresh_from_db()
    assert campaign.status == "active"


@pytest.mark.parametrize("factory", [CampaignFactory, AdvertiserFactory, EnrolmentFactory])
def test_what_is_archived_instead_cannot_be_deleted(client, factory):
    row = factory()
    url = reverse(f"admin:campaigns_{row._meta.model_name}_delete", args=[row.pk])
    assert client.post(url, {"post": "yes"}).status_code == 403
    assert b"deletelink" not in client.get(page(row)).content


def test_brands_and_markets_are_made_with_a_clean_code_that_stays(client, staff):
    advertiser = AdvertiserFactory()
    client.post(reverse("admin:campaigns_brand_add"), {"advertiser": advertiser.pk, "code": "DIS", "name": "Disney"})
    client.post(reverse("admin:campaigns_market_add"), {"code": "US", "country": "United States", "region": ""})
    brand, market = Brand.objects.get(), Market.objects.get()
    client.post(page(brand), {"code": "XX", "advertiser": AdvertiserFactory().pk, "name": "Walt Disney"})
    client.post(page(market), {"code": "XX", "country": "USA"})
    brand.refresh_from_db()
    market.refresh_from_db()
    assert (brand.code, brand.advertiser, brand.name) == ("DIS", advertiser, "Walt Disney")
    assert (market.code, market.country) == ("US", "USA")
    actions = set(AuditEvent.objects.filter(actor=staff).values_list("action", flat=True))
    assert actions == {"brand.created", "market.created", "brand.updated", "market.updated"}
    taken = client.post(reverse("admin:campaigns_market_add"), {"code": "US", "country": "Again"})
    assert "already exists" in taken.content.decode()


def test_a_brand_may_go_while_no_campaign_bears_it(client):
    used, unused = CampaignFactory().brand, BrandFactory()
    for brand in (used, unused):
        client.post(reverse("admin:campaigns_brand_delete", args=[brand.pk]), {"post": "yes"})
    both = {"action": "delete_selected", "_selected_action": [str(used.pk)], "post": "yes"}
    client.post(reverse("admin:campaigns_brand_changelist"), both)
    assert list(Brand.objects.all()) == [used]
    assert AuditEvent.objects.get(action="brand.deleted").object_id == unused.pk
    MarketFactory()
    chosen = {"action": "delete_selected", "_selected_action": [str(pk) for pk in Market.objects.filter(
        campaigns=None).values_list("pk", flat=True)], "post": "yes"}  # fmt: skip
    client.post(reverse("admin:campaigns_market_changelist"), chosen)
    assert AuditEvent.objects.filter(action="market.deleted").count() == 1


def test_an_advertisers_people_are_kept_on_its_page(client, staff):
    advertiser: Advertiser = AdvertiserFactory()
    form = {"name": advertiser.name, "time_zone": "Europe/Berlin", "is_active": "on", "livemode": "on"}
    person = UserFactory()

    def people(*rows: dict[str, object], initial: int) -> dict[str, object]:
        sent: dict[str, object] = {"memberships-TOTAL_FORMS": len(rows), "memberships-INITIAL_FORMS": initial}
        for n, row in enumerate(rows):
            sent |= {f"memberships-{n}-{k}": v for k, v in row.items()} | {f"memberships-{n}-advertiser": advertiser.pk}
        return sent

    client.post(page(advertiser), form | people({"user": person.pk, "role": "viewer"}, initial=0))
    membership = Membership.objects.get()
    row = {"id": membership.pk, "user": person.pk}
    client.post(page(advertiser), form | people(row | {"role": "manager"}, initial=1))
    membership.refresh_from_db()
    assert membership.role == "manager"
    client.post(page(advertiser), form | people(row | {"role": "manager", "DELETE": "on"}, initial=1))
    assert not Membership.objects.exists()
    events = AuditEvent.objects.filter(object_id=membership.pk, actor=staff)
    changes = dict(events.values_list("action", "changes"))
    assert changes == {"membership.created": {}, "membership.updated": {"fields": ["role"]}, "membership.deleted": {}}
    advertiser.refresh_from_db()
    assert advertiser.time_zone == "Europe/Berlin"
    assert AuditEvent.objects.filter(object_id=advertiser.pk, changes={"fields": ["time_zone"]}).exists()


def test_a_time_zone_that_is_none_is_refused(client):
    response = client.post(
        reverse("admin:campaigns_advertiser_add"),
        {"name": "A", "time_zone": "Mars/Base", "memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0},
    )
    assert "is no time zone" in response.content.decode()


def test_an_enrolment_is_made_and_ended_by_its_status(client):
    campaign, affiliate = CampaignFactory(), AffiliateFactory()
    form = {"campaign": campaign.pk, "affiliate": affiliate.pk, "status": "invited"}
    client.post(reverse("admin:campaigns_enrolment_add"), form)
    enrolment = Enrolment.objects.get()
    client.post(page(enrolment), {"campaign": CampaignFactory().pk, "status": "removed"})
    enrolment.refresh_from_db()
    assert (enrolment.campaign, enrolment.status) == (campaign, "removed")
