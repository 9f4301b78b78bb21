"""Links and keys over the API, and the documentation's own examples, run as they stand."""

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from affiliates.models import AuditEvent
from campaigns.models import Conversion, TrackingLink
from campaigns.tracking import keys, links
from platforms.models import Platform
from tests.campaigns.shop import Shop
from tests.campaigns.test_clicks import click_of, visit
from tests.config.api_world import DOCS
from tests.factories import (
    AdvertiserFactory,
    AffiliateFactory,
    CampaignFactory,
    EnrolmentFactory,
    MembershipFactory,
    TrackingLinkFactory,
    UserFactory,
)
from tests.hostile import assert_problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign(today):
    return CampaignFactory(landing_url="https://shop.example/bowls")


@pytest.fixture
def mila():
    return AffiliateFactory(name="Mila")


@pytest.fixture
def api(client_of, mila):
    return client_of(mila.user)


def of(campaign, what="links"):
    return f"/api/v1/campaigns/{campaign.pk}/{what}"


def test_a_link_is_made_once_and_given_again(api, campaign):
    first = api.post(of(campaign), {"platform": "youtube", "label": "Bio"})
    again = api.post(of(campaign), {"platform": "youtube"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    assert re.fullmatch(r"http://testserver/t/[0-9A-Za-z]{10}", first.json()["url"])
    assert first.json()["figures"]["clicks"] == 0
    for other in ({"label": "Story"}, {"destination": "/sale"}):  # it is not as asked: to give it would ignore that
        refused = assert_problem(api.post(of(campaign), {"platform": "youtube"} | other), 422)
        assert (refused["code"], refused["errors"][0]["field"]) == ("link_exists", "another")
    more = api.post(of(campaign), {"platform": "youtube", "another": True, "destination": "/sale"})
    assert (more.status_code, more.json()["destination"]) == (201, "/sale")
    assert api.post(of(campaign), {"platform": "x"}).status_code == 201
    assert TrackingLink.objects.count() == 3


def test_what_came_through_is_listed(api, campaign, mila):
    link = links.make_link(affiliate=mila, campaign=campaign, platform=Platform.objects.get(slug="x"))[0]
    shop = Shop(campaign, keys.create_postback_key(campaign=campaign, by=UserFactory())[1])
    click = click_of(visit(link))
    visit(link)
    visit(link, "curl/8.0")
    shop.send(click_id=click)
    shop.send(click_id=click, transaction_id="T-2", status="reversed")
    (row,) = api.get(of(campaign)).json()["results"]
    assert row["figures"] == {"clicks": 1, "clicks_set_apart": 2, "conversions": 1, "conversions_reversed": 1}


def test_affiliates_see_their_own_links_and_members_their_campaigns(client_of, api, campaign, mila):
    for affiliate in (mila, AffiliateFactory()):
        TrackingLinkFactory(campaign=campaign, affiliate=affiliate)
    alice = MembershipFactory(advertiser=campaign.advertiser).user
    charlie = MembershipFactory(advertiser=AdvertiserFactory()).user
    assert len(api.get(of(campaign)).json()["results"]) == 1
    assert len(client_of(alice).get(of(campaign)).json()["results"]) == 2
    assert len(client_of(UserFactory(is_staff=True)).get(of(campaign)).json()["results"]) == 2
    assert_problem(client_of(charlie).get(of(campaign)), 404)
    assert_problem(client_of(alice).post(of(campaign), {"platform": "x"}), 403)


@pytest.mark.parametrize(
    ("campaign_is", "body", "status", "code"),
    [
        ({"landing_url": ""}, {}, 409, "no_landing_page"),
        ({"status": "completed"}, {}, 409, "campaign_state"),
        ({"platforms": []}, {}, 422, "platform_not_assigned"),
        ({}, {"destination": "https://evil.example/"}, 422, "destination_refused"),
        ({}, {"destination": "//evil.example/"}, 422, "destination_refused"),
    ],
)
def test_a_link_that_makes_no_sense_is_refused(api, today, campaign_is, body, status, code):
    campaign = CampaignFactory(**{"landing_url": "https://shop.example/"} | campaign_is)
    assert assert_problem(api.post(of(campaign), {"platform": "x"} | body), status)["code"] == code
    assert not TrackingLink.objects.exists()


def test_who_was_removed_gets_no_link(api, campaign, mila):
    EnrolmentFactory(campaign=campaign, affiliate=mila, status="removed")
    assert assert_problem(api.post(of(campaign), {"platform": "x"}), 422)["code"] == "not_enrolled"


def test_there_is_an_end_to_making_more(api, campaign, monkeypatch):
    monkeypatch.setattr(links, "MAX_LINKS", 2)
    for _ in range(2):
        api.post(of(campaign), {"platform": "x", "another": True})
    refused = api.post(of(campaign), {"platform": "x", "another": True})
    assert assert_problem(refused, 422)["code"] == "too_many_links"


@pytest.mark.django_db(transaction=True)
def test_of_many_who_ask_at_once_one_makes_the_link(campaign, mila):
    def ask(_):
        try:
            return links.make_link(affiliate=mila, campaign=campaign, platform=Platform.objects.get(slug="x"))[1]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(ask, range(8))) == [False] * 7 + [True]


def test_a_test_key_sees_test_campaigns_links_only(client_of, campaign, mila):
    test_campaign = CampaignFactory(advertiser__livemode=False, landing_url="https://shop.example/")
    client = client_of(mila.user, livemode=False)
    assert client.post(of(campaign), {"platform": "x"}).status_code == 404
    link = TrackingLink.objects.get(code=client.post(of(test_campaign), {"platform": "x"}).json()["code"])
    assert visit(link).status_code == 302
    assert client.get(of(test_campaign)).json()["results"][0]["figures"]["clicks"] == 1


def test_a_key_is_shown_once_and_revoked_for_good(client_of, campaign):
    alice = client_of(MembershipFactory(advertiser=campaign.advertiser).user)
    made = alice.post(of(campaign, "postback-keys"))
    assert made.status_code == 201
    secret = made.json()["secret"]
    (listed,) = alice.get(of(campaign, "postback-keys")).json()["results"]
    assert "secret" not in listed
    assert (listed["prefix"], listed["last4"]) == (secret[:8], secret[-4:])
    alice.post(of(campaign, "postback-keys"))
    assert assert_problem(alice.post(of(campaign, "postback-keys")), 409)["code"] == "too_many_keys"
    assert alice.delete(f"{of(campaign, 'postback-keys')}/{listed['id']}").status_code == 204
    assert alice.delete(f"{of(campaign, 'postback-keys')}/{listed['id']}").status_code == 204
    assert alice.post(of(campaign, "postback-keys")).status_code == 201
    actions = AuditEvent.objects.filter(action__startswith="postback_key").values_list("action", flat=True)
    assert sorted(actions) == ["postback_key.created"] * 3 + ["postback_key.revoked"]
    assert secret not in str(list(AuditEvent.objects.values_list("changes", flat=True)))


def test_another_campaigns_key_is_not_revoked_from_here(client_of, campaign):
    key, _ = keys.create_postback_key(campaign=CampaignFactory(), by=UserFactory())
    alice = client_of(MembershipFactory(advertiser=campaign.advertiser).user)
    assert_problem(alice.delete(f"{of(campaign, 'postback-keys')}/{key.pk}"), 404)


# --- The documentation's examples


@pytest.fixture
def shop_of_the_docs(live_server, db):
    """The names that the examples begin with, for a campaign that is there."""
    link = TrackingLinkFactory()
    secret = keys.create_postback_key(campaign=link.campaign, by=UserFactory())[1]
    return {
        "ADDRESS": f"{live_server.url}/postback/{link.campaign.postback_token}",
        "SECRET": secret,
        "CLICK": click_of(visit(link)),
    }


def example(language):
    section = DOCS.read_text().partition("## Postbacks")[2]
    return re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)[1]


@pytest.mark.django_db(transaction=True)
def test_the_python_example_runs(shop_of_the_docs):
    first = re.compile(r"^ADDRESS, SECRET, CLICK = .*$", re.MULTILINE)
    code, replaced = first.subn("", example("python"))
    assert replaced == 1
    exec(compile(code, str(DOCS), "exec"), dict(shop_of_the_docs))  # noqa: S102 (our own documentation)
    assert Conversion.objects.get().transaction_id == "T-1002"


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="needs curl and openssl")
def test_the_shell_example_runs(shop_of_the_docs):
    _, _, commands = example("sh").partition("\n")
    subprocess.run(["sh", "-ec", commands], env=shop_of_the_docs | {"PATH": "/usr/bin:/bin"}, check=True)
    assert Conversion.objects.get().transaction_id == "T-1001"
