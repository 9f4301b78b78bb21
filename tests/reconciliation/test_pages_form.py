"""Making and changing a campaign: all of it is saved, or nothing, and every error stands beside its field."""

import re
from datetime import date
from decimal import Decimal

import pytest
from django.urls import reverse

from campaigns.models import Brand, Campaign, CampaignPlatform
from platforms.adapters import ADAPTER_CLASSES
from reconciliation.models import RuleSet
from reconciliation.services import rulesets
from tests.factories import TODAY, CampaignFactory, PostFactory
from tests.scene import empty_scene

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]


@pytest.fixture
def scene():
    return empty_scene()


@pytest.fixture
def given(scene):
    """A form filled in as it should be."""
    return {
        "campaign_name": "Winter Soups",
        "brand": str(scene.campaign.brand_id),
        "market": str(scene.campaign.market_id),
        "starts_on": "2026-12-01",
        "ends_on": "2026-12-31",
        "claim_window_days": "7",
        "currency": "EUR",
        "budget": "12000.50",
        "conversion_lag_h": "48",
        "landing_url": "https://shop.example/soups?from=creators",
        "click_window_min": "60",
        "attribution_days": "14",
        "allows_get_postbacks": "on",
        "is_open": "on",
        "youtube-runs": "on",
        "youtube-rate_per_1000_views": "9.5",
        "x-rate_per_click": "1",  # not chosen, so its rate is nobody's
    }


def _post(client, user, data, campaign: Campaign | None = None):
    client.force_login(user)
    name = reverse("dashboard:campaign-edit", args=[campaign.pk]) if campaign else reverse("dashboard:campaign-new")
    return client.post(name, data)


def _errors(answer) -> dict[str, str]:
    """The fields that are marked, with what is said beside them."""
    assert answer.status_code == 422
    found = re.findall(r'<ul class="errors" id="id_([\w-]+)_error">\s*<li>(.*?)</li>', answer.content.decode(), re.S)
    return dict(found)


def test_a_campaign_is_made_with_all_that_was_said(client, scene, given):
    answer = _post(client, scene.manager, given)
    made = Campaign.objects.get(campaign_name="Winter Soups")
    assert answer.url == reverse("dashboard:campaign", args=[made.pk])
    assert (made.name, made.status, made.advertiser) == ("NWB_US_MULTI_2026_WinterSoups", "draft", scene.advertiser)
    assert (made.starts_on, made.ends_on, made.claim_window_days) == (date(2026, 12, 1), date(2026, 12, 31), 7)
    assert (made.currency, made.budget, made.conversion_lag_h) == ("EUR", Decimal("12000.50"), 48)
    assert made.landing_url == "https://shop.example/soups?from=creators"
    assert (made.click_window_min, made.attribution_days, made.allows_get_postbacks) == (60, 14, True)
    assert (made.is_open, made.allows_shared_content, made.created_by) == (True, False, scene.manager)
    [runs_on] = made.campaign_platforms.all()
    assert (runs_on.platform.slug, runs_on.rate_per_1000_views, runs_on.rate_per_click) == (
        "youtube",
        Decimal("9.5"),
        None,
    )
    assert RuleSet.objects.count() == 1  # nothing was said of limits, so there is no new version


def test_a_new_brand_can_be_typed_in(client, scene, given):
    _post(client, scene.manager, given | {"brand": "", "new_brand_name": "Soups", "new_brand_code": "nws"})
    assert Campaign.objects.get(campaign_name="Winter Soups").brand == Brand.objects.get(
        code="NWS", name="Soups", advertiser=scene.advertiser
    )


def test_limits_become_a_new_version_for_this_campaign_alone(client, scene, given):
    _post(client, scene.manager, given | {"medium_from_pct": "2.5", "high_above_pct": "10", "floor_views": "0"})
    made = Campaign.objects.get(campaign_name="Winter Soups")
    matrix = rulesets.matrix_of(rulesets.current())
    views = matrix.thresholds_for(str(made.pk), "youtube", "views")
    assert (views.medium_from_pct, views.high_above_pct, views.floor) == (Decimal("2.5"), Decimal(10), 0)
    assert matrix.thresholds_for(str(made.pk), "youtube", "clicks").floor == 5
    assert matrix.thresholds_for(str(scene.campaign.pk), "youtube", "views").floor == 50
    assert rulesets.current().created_by == scene.manager


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"campaign_name": ""}, "campaign_name"),
        ({"campaign_name": "!!!"}, "campaign_name"),
        ({"campaign_name": "Autumn Bowls"}, "campaign_name"),  # the same system name
        ({"campaign_name": "A\0B"}, "campaign_name"),
        ({"brand": "x"}, "brand"),
        ({"brand": "", "new_brand_code": "NWS"}, "new_brand_name"),
        ({"brand": "", "new_brand_name": "Soups"}, "new_brand_code"),
        ({"brand": "", "new_brand_name": "Soups", "new_brand_code": "N S"}, "new_brand_code"),
        ({"brand": "", "new_brand_name": "Soups", "new_brand_code": "NWB"}, "new_brand_code"),  # taken
        ({"market": ""}, "market"),
        ({"starts_on": "soon"}, "starts_on"),
        ({"starts_on": "1900-01-01"}, "starts_on"),
        ({"ends_on": "2026-11-30"}, "ends_on"),
        ({"claim_window_days": "367"}, "claim_window_days"),
        ({"currency": "XXX"}, "currency"),
        ({"budget": "-1"}, "budget"),
        ({"conversion_lag_h": "9999"}, "conversion_lag_h"),
        ({"landing_url": "javascript:alert(1)"}, "landing_url"),
        ({"landing_url": "https://bücher.example/"}, "landing_url"),
        ({"click_window_min": "0"}, "click_window_min"),
        ({"attribution_days": "367"}, "attribution_days"),
        ({"youtube-rate_per_1000_views": "-1"}, "youtube-rate_per_1000_views"),
        ({"youtube-rate_per_click": "NaN"}, "youtube-rate_per_click"),
        ({"medium_from_pct": "30"}, "medium_from_pct"),  # above High's default
        ({"medium_from_pct": "30", "high_above_pct": "25"}, "high_above_pct"),
        ({"high_above_pct": "1"}, "high_above_pct"),
        ({"high_above_pct": "1001"}, "high_above_pct"),
        ({"floor_views": "1.5"}, "floor_views"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_saved(client, scene, given, wrong, field):
    before = Campaign.objects.count(), Brand.objects.count(), RuleSet.objects.count()
    answer = _post(client, scene.manager, given | wrong)
    assert list(_errors(answer)) == [field]
    assert "Nothing is saved yet." in answer.content.decode()
    assert (Campaign.objects.count(), Brand.objects.count(), RuleSet.objects.count()) == before


def test_all_errors_are_said_at_once(client, scene, given):
    wrong = {"campaign_name": "", "budget": "x", "youtube-rate_per_click": "x", "floor_views": "x"}
    assert set(_errors(_post(client, scene.manager, given | wrong))) == set(wrong)


def test_another_advertisers_brand_is_no_choice(client, scene, given):
    other = CampaignFactory().brand
    assert list(_errors(_post(client, scene.manager, given | {"brand": str(other.pk)}))) == ["brand"]


def test_staff_say_whose_campaign_it_is(client, scene, given):
    helio = scene.charlie.memberships.get().advertiser
    brands = {"brand": "", "new_brand_name": "Glow", "new_brand_code": "GLW", "advertiser": str(helio.pk)}
    _post(client, scene.staff, given | brands)
    assert Campaign.objects.get(campaign_name="Winter Soups").advertiser == helio
    answer = _post(client, scene.staff, given | {"campaign_name": "More", "advertiser": str(helio.pk)})
    assert _errors(answer) == {"brand": "This is another advertiser&#x27;s brand."}


def test_a_manager_can_not_choose_another_advertiser(client, scene, given):
    helio = scene.charlie.memberships.get().advertiser
    _post(client, scene.manager, given | {"advertiser": str(helio.pk)})
    assert Campaign.objects.get(campaign_name="Winter Soups").advertiser == scene.advertiser


def _as_it_is(client, scene) -> dict[str, str]:
    """What the edit page holds, as a browser would send it back."""
    client.force_login(scene.manager)
    setup = client.get(reverse("dashboard:campaign-edit", args=[scene.campaign.pk])).context["setup"]
    fields = [field for form in (setup.details, *setup.platforms, setup.thresholds) for field in form]
    values = {field.html_name: field.value() for field in fields if field.value() not in (None, False)}
    return {name: "on" if value is True else str(value) for name, value in values.items()}


def test_saving_the_page_as_it_is_changes_nothing(client, scene):
    before = Campaign.objects.values().get(), list(CampaignPlatform.objects.values())
    assert _post(client, scene.manager, _as_it_is(client, scene), scene.campaign).status_code == 302
    assert (Campaign.objects.values().get(), list(CampaignPlatform.objects.values())) == before
    assert RuleSet.objects.count() == 1


def test_names_and_codes_stay_whatever_is_sent(client, scene, given):
    _post(client, scene.manager, _as_it_is(client, scene) | {"campaign_name": "Other", "name": "X"}, scene.campaign)
    scene.campaign.refresh_from_db()
    assert (scene.campaign.campaign_name, scene.campaign.name) == ("Autumn Bowls", "NWB_US_MULTI_2026_AutumnBowls")


def test_a_platform_with_posts_is_closed_and_one_without_removed(client, scene):
    PostFactory(campaign=scene.campaign)
    left = {key: value for key, value in _as_it_is(client, scene).items() if key not in ("youtube-runs", "x-runs")}
    _post(client, scene.manager, left, scene.campaign)
    rows = {row.platform.slug: row.closed_at for row in scene.campaign.campaign_platforms.all()}
    assert rows == dict.fromkeys(ADAPTER_CLASSES.keys() - {"x"}) | {"youtube": TODAY}
    page = client.get(reverse("dashboard:campaign-edit", args=[scene.campaign.pk])).content.decode()
    assert 'name="youtube-runs" id="id_youtube-runs"' in page  # still there, and not ticked


def test_an_active_campaign_keeps_a_platform(client, scene):
    none = {key: value for key, value in _as_it_is(client, scene).items() if not key.endswith("-runs")}
    answer = _post(client, scene.manager, none, scene.campaign)
    assert "Only a draft may be without platforms." in answer.content.decode()
    assert scene.campaign.campaign_platforms.count() == len(ADAPTER_CLASSES)


def test_the_currency_stays_once_there_are_posts(client, scene):
    PostFactory(campaign=scene.campaign)
    answer = _post(client, scene.manager, _as_it_is(client, scene) | {"currency": "EUR"}, scene.campaign)
    assert _errors(answer) == {"currency": "The currency stays, now that there are posts."}


def test_limits_that_are_taken_away_leave_the_defaults_and_what_the_page_does_not_show(client, scene):
    own = {"metric": None, "medium_from_pct": "3", "high_above_pct": None, "floor": None}
    clicks = {"metric": "clicks", "medium_from_pct": "1", "high_above_pct": None, "floor": 9}
    rulesets.set_campaign_thresholds(campaign_id=scene.campaign.pk, cells=[own, clicks], by=scene.staff)
    page = _as_it_is(client, scene)
    assert (page["medium_from_pct"], page["floor_clicks"]) == ("3", "9")
    _post(client, scene.manager, page | {"medium_from_pct": "", "floor_clicks": ""}, scene.campaign)
    matrix = rulesets.matrix_of(rulesets.current())
    limits = matrix.thresholds_for(str(scene.campaign.pk), "youtube", "clicks")
    assert (limits.medium_from_pct, limits.floor) == (Decimal(1), 5)
    assert matrix.thresholds_for(str(scene.campaign.pk), "youtube", "views").medium_from_pct == 5


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ({}, "BRAND_MARKET_MULTI_2026_Name"),
        ({"new_brand_code": "nws", "campaign_name": "Winter: soups!"}, "NWS_MARKET_MULTI_2026_Wintersoups"),
        ({"campaign_name": "!!!", "brand": "x", "market": "x"}, "BRAND_MARKET_MULTI_2026_Name"),
    ],
)
def test_the_system_name_shows_while_it_is_typed(client, scene, typed, name):
    client.force_login(scene.manager)
    assert f"<code>{name}</code>" in client.get(reverse("dashboard:system-name"), typed).content.decode()


@pytest.mark.parametrize(
    ("before", "move", "after", "says"),
    [
        ("draft", "activate", "active", "Autumn Bowls is active."),
        ("active", "pause", "paused", "is paused and takes no claims"),
        ("paused", "activate", "active", "is active"),
        ("paused", "complete", "completed", "is completed"),
        ("completed", "activate", "completed", "can&#x27;t become active"),
        ("draft", "pause", "draft", "can&#x27;t become paused"),
    ],
)
def test_a_manager_moves_a_campaign(client, scene, before, move, after, says):
    Campaign.objects.update(status=before)
    client.force_login(scene.manager)
    answer = client.post(reverse("dashboard:campaign-move", args=[scene.campaign.pk, move]), follow=True)
    assert says in answer.content.decode()
    assert Campaign.objects.get().status == after
