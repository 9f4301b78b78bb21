"""Pages about tracking: what came through a campaign's links, how its shop reports, and an affiliate's own links."""

import html
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.models import Conversion, PostbackKey, TrackingLink
from campaigns.tracking import keys, rows
from campaigns.tracking.totals import Sales, Totals
from config import clock
from tests.campaigns.shop import Shop
from tests.campaigns.test_clicks import click_of, visit
from tests.factories import (
    TODAY,
    AffiliateFactory,
    CampaignFactory,
    EnrolmentFactory,
    MembershipFactory,
    TrackingLinkFactory,
    UserFactory,
)
from tests.staff import client_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]


@pytest.fixture
def link():
    return TrackingLinkFactory(label="In the bio")


@pytest.fixture
def campaign(link):
    return link.campaign


@pytest.fixture
def alice(campaign):
    return client_for(MembershipFactory(advertiser=campaign.advertiser).user)


@pytest.fixture
def bob(campaign):
    return client_for(MembershipFactory(advertiser=campaign.advertiser, role="viewer").user)


@pytest.fixture
def charlie():
    return client_for(MembershipFactory().user)


def tracking(campaign, name="campaign-tracking", *more):
    return reverse(name, args=[campaign.pk, *more])


def words(response):
    """What a page says, without its markup."""
    assert response.status_code == 200
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", response.content.decode())))


def test_the_page_says_what_came_through(alice, link, campaign):
    shop = Shop(campaign, keys.create_postback_key(campaign=campaign, by=UserFactory())[1])
    click = click_of(visit(link))
    for agent in ("curl/8.0", "Googlebot/2.1"):
        visit(link, agent)
    visit(link)
    for number, status in enumerate(("pending", "approved", "approved", "reversed")):
        shop.send(transaction_id=f"T-{number}", click_id=click, status=status, amount=f"1{number}.50")
    shop.send(transaction_id="T-9", code=TrackingLinkFactory(campaign=campaign).code)
    with clock.at(TODAY + timedelta(hours=3)):
        page, panel = (
            words(alice.get(tracking(campaign, name))) for name in ("campaign-tracking", "campaign-tracking-panel")
        )
    for said in (
        "Clicks 1 the last one 3\xa0h ago",
        "Set apart 3 2 by robots, 1 by the same visitor again",
        "Sales 3 2 approved, 1 pending",
        "Sold for $34.50",
        "Reversed 1 $13.50, taken back by the shop",
    ):
        assert re.sub(r"\s+", " ", said) in page
        assert re.sub(r"\s+", " ", said) in panel
    assert "count for nobody: 1 without a click on the link before it." in page
    assert f"http://testserver/t/{link.code} In the bio" in page
    assert "1 pending, 1 reversed" in page


def test_currencies_are_never_mixed():
    found = Totals(sales=[Sales("approved", "USD", 2, Decimal(5)), Sales("pending", "EUR", 1, Decimal("0.5"))])
    assert rows.worth(found.amounts(is_reversed=False)) == "€0.50 + $5.00"
    assert rows.worth(found.amounts(is_reversed=True)) == "—"  # unknown to nobody, but no sale is no 0 of a currency


def test_where_nothing_is_yet_it_says_what_to_do(alice, bob, campaign):
    bare = CampaignFactory(advertiser=campaign.advertiser)
    assert "Set the landing page" in words(alice.get(tracking(bare)))
    assert "Set its landing page" in words(alice.get(tracking(bare, "campaign-tracking-panel")))
    assert "Once a manager has said where they lead" in words(bob.get(tracking(bare)))
    fresh = CampaignFactory(advertiser=campaign.advertiser, landing_url="https://shop.example/")
    page = words(alice.get(tracking(fresh)))
    assert "Your affiliates get theirs on their page" in page
    assert "Make a key" in page


def test_the_campaigns_page_fetches_the_panel(alice, campaign):
    page = alice.get(reverse("dashboard:campaign", args=[campaign.pk])).content.decode()
    assert f'hx-get="{tracking(campaign, "campaign-tracking-panel")}"' in page
    assert f'href="{tracking(campaign)}"' in page  # without a script


def test_a_key_is_made_shown_once_and_revoked(alice, campaign):
    made = alice.post(tracking(campaign, "campaign-postback-keys"))
    secret = re.search(r"ckp_[0-9a-f]{64}", words(made))[0]
    assert "no-store" in made["Cache-Control"]
    assert keys.live_secrets(campaign) == [secret]
    assert secret not in alice.get(tracking(campaign)).content.decode()
    alice.post(tracking(campaign, "campaign-postback-keys"))
    refused = alice.post(tracking(campaign, "campaign-postback-keys"), follow=True)
    assert "2 keys are live already" in words(refused)
    key = PostbackKey.objects.earliest("created_at")
    revoked = alice.post(tracking(campaign, "campaign-postback-key-revoke", key.pk), follow=True)
    assert "is revoked" in words(revoked)
    assert secret not in keys.live_secrets(campaign)
    assert PostbackKey.objects.count() == 2


def test_who_may_see_and_decide(bob, charlie, campaign, link):
    key = keys.create_postback_key(campaign=campaign, by=UserFactory())[0]
    page = words(bob.get(tracking(campaign)))
    assert "In the bio" in page
    assert "Make a key" not in page
    assert campaign.postback_token not in page
    actions = [tracking(campaign, "campaign-postback-keys"), tracking(campaign, "campaign-postback-key-revoke", key.pk)]
    for address in (tracking(campaign), tracking(campaign, "campaign-tracking-panel")):
        assert charlie.get(address).status_code == 404
        assert client_for(link.affiliate.user).get(address).status_code == 404
        assert Client().get(address).url == f"/login/?next={address}"
    for address in actions:
        assert bob.post(address).status_code == 403
        assert charlie.post(address).status_code == 404
        assert Client().post(address).url.startswith("/login/")
        assert bob.get(address).status_code == 405
    key.refresh_from_db()
    assert key.revoked_at is None
    assert PostbackKey.objects.count() == 1


def test_another_campaigns_key_is_not_revoked_from_here(alice, campaign):
    key = keys.create_postback_key(campaign=CampaignFactory(), by=UserFactory())[0]
    assert alice.post(tracking(campaign, "campaign-postback-key-revoke", key.pk)).status_code == 404


def test_more_links_are_no_more_questions(alice, campaign):
    def questions():
        with CaptureQueriesContext(connection) as captured:
            assert alice.get(tracking(campaign)).status_code == 200
        return len(captured)

    before = questions()
    for _ in range(10):
        visit(TrackingLinkFactory(campaign=campaign))
    assert questions() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="needs curl and openssl")
def test_the_pages_example_runs(live_server, alice, link, campaign):
    secret = keys.create_postback_key(campaign=campaign, by=UserFactory())[1]
    page = alice.get(tracking(campaign)).content.decode()
    commands = html.unescape(re.search(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)[1])
    commands = commands.replace("http://testserver", live_server.url)
    with clock.at(datetime.now(UTC)):  # the shell knows no other
        commands = commands.replace("ckp_…", secret).replace("CLICK='…'", f"CLICK='{click_of(visit(link))}'")
        subprocess.run(["sh", "-ec", commands], env={"PATH": "/usr/bin:/bin"}, check=True)
    assert Conversion.objects.get().link == link


# --- The affiliate's side


@pytest.fixture
def mila():
    return AffiliateFactory(name="Mila")


def place(campaign, slug="youtube"):
    return campaign.campaign_platforms.get(platform__slug=slug).pk


def test_an_affiliate_gets_a_link_and_sees_its_own(mila, campaign):
    client = client_for(mila.user)
    assert "Each link that you get stands here" in words(client.get("/links/"))
    page = words(client.post("/links/", {"place": place(campaign), "label": "Story"}, follow=True))
    mine = TrackingLink.objects.get(affiliate=mila)
    assert f"Here is your link: http://testserver/t/{mine.code}" in page
    visit(mine)
    page = words(client.get("/links/"))
    assert f"http://testserver/t/{mine.code} Story" in page
    assert "In the bio" not in page  # somebody else's
    again = words(client.post("/links/", {"place": place(campaign)}, follow=True))
    assert f"You have a link there already: http://testserver/t/{mine.code}" in again
    more = client.post("/links/", {"place": place(campaign), "label": "Bio", "another": "on"})
    assert (more.status_code, TrackingLink.objects.filter(affiliate=mila).count()) == (302, 2)


def test_a_link_that_cant_be_made_is_refused_with_the_reason(mila, campaign):
    client = client_for(mila.user)
    client.post("/links/", {"place": place(campaign), "label": "Story"})
    refused = client.post("/links/", {"place": place(campaign), "label": "Bio"})
    assert (refused.status_code, "Ask for another one." in refused.content.decode()) == (422, True)
    closed = CampaignFactory(is_open=False, landing_url="https://shop.example/")
    bare = CampaignFactory()
    for foreign in (place(closed), place(bare), "nonsense", ""):
        assert client.post("/links/", {"place": foreign}).status_code == 422
    EnrolmentFactory(campaign=campaign, affiliate=mila, status="removed")
    refused = client.post("/links/", {"place": place(campaign, "x")})
    assert (refused.status_code, "not enrolled" in refused.content.decode()) == (422, True)
    assert TrackingLink.objects.filter(affiliate=mila).count() == 1


def test_the_page_is_for_affiliates(alice):
    assert alice.get("/links/").status_code == 403
    assert Client().get("/links/").url == "/login/?next=/links/"
