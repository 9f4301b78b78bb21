"""Pages that show test advertisers' data say so."""

import pytest
from django.urls import reverse

from alerts.models import Alert
from campaigns.models import Campaign
from tests.factories import AdvertiserFactory, CampaignFactory
from tests.staff import client_for, superuser

BANNER = 'id="test-mode"'
ALL, SOME = "figures come from the sandbox.", "the figures of Northwind Foods come from the sandbox."


@pytest.fixture
def test_world(scene):
    """The scene as one of a test advertiser's, with its alerts."""
    scene.open_alerts()
    scene.advertiser.livemode = False
    scene.advertiser.save()
    Campaign.objects.filter(pk=scene.campaign.pk).update(livemode=False)
    return scene


def pages(scene):
    """Every page that shows the scene's data, by who looks at it."""
    campaign, post, alert = scene.campaign.pk, scene.posts["high"].pk, scene.open_alerts()[0].pk
    return [
        *(
            (scene.manager, address)
            for address in (
                "/",
                "/discrepancies/",
                "/alerts/",
                reverse("dashboard:campaign", args=[campaign]),
                reverse("dashboard:campaign-edit", args=[campaign]),
                reverse("dashboard:post", args=[post]),
                reverse("alerts:alert", args=[alert]),
            )
        ),
        (scene.mila.user, "/"),
        (scene.mila.user, reverse("dashboard:post", args=[post])),
    ]


def test_every_page_of_test_data_carries_the_banner(test_world):
    for user, address in pages(test_world):
        text = client_for(user).get(address).content.decode()
        assert BANNER in text, address
        assert ALL in text, address


def test_no_page_of_live_data_does(scene):
    for user, address in pages(scene):
        assert BANNER not in client_for(user).get(address).content.decode(), address


def test_where_both_are_shown_the_banner_says_whose_and_each_row_too(test_world):
    CampaignFactory(advertiser=AdvertiserFactory(name="Live one"), campaign_name="Live campaign")
    client = client_for(test_world.staff)
    text = client.get("/").content.decode()
    assert SOME in text
    assert text.count("· test mode") == 1
    assert "· test mode" in client.get("/alerts/").content.decode()
    assert "· test mode" in client.get("/discrepancies/").content.decode()


@pytest.mark.parametrize(
    "table",
    ["campaigns_advertiser", "campaigns_campaign", "campaigns_post", "alerts_alert"]
    + [f"reconciliation_{name}" for name in ("affiliatereport", "platformreport", "reconciliationlog", "job")],
)
def test_staffs_pages_say_so_too(test_world, table):
    client = client_for(superuser())
    shown = client.get(reverse(f"admin:{table}_changelist")).context["cl"]
    row = next(iter(shown.result_list)) if table != "campaigns_advertiser" else test_world.advertiser
    assert BANNER in client.get(reverse(f"admin:{table}_change", args=[row.pk])).content.decode()


def test_money_and_alerts_of_the_two_modes_are_never_mixed(test_world):
    Alert.objects.update(affiliate=test_world.mila)
    one, other = Alert.objects.order_by("id")[:2]
    assert other in Alert.objects.beside(one)
    Alert.objects.filter(pk=other.pk).update(campaign=CampaignFactory())
    assert other not in Alert.objects.beside(one)
    same = Alert.objects.filter(pk__in=[one.pk, other.pk])
    same.update(kind=one.kind)
    assert sorted(group["campaign__livemode"] for group in same.grouped()) == [False, True]
