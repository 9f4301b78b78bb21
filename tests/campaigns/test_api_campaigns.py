"""Campaigns over the API. Alice manages their advertiser, Bob reads for it, Charlie is another advertiser's manager."""

from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from affiliates.models import AuditEvent
from campaigns.models import Brand, Campaign, Market
from config import clock
from tests.factories import (
    TODAY,
    AdvertiserFactory,
    AffiliateFactory,
    BrandFactory,
    CampaignFactory,
    EnrolmentFactory,
    MarketFactory,
    MembershipFactory,
    PostFactory,
    UserFactory,
)
from tests.hostile import assert_problem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

LIST = "/api/v1/campaigns/"


def at(campaign, *rest):
    return "/".join(["/api/v1/campaigns", str(campaign.pk), *rest])


@pytest.fixture
def people(client_of):
    """Clients of everybody there is, and the advertiser that is Alice's and Bob's."""
    advertiser = AdvertiserFactory(name="Disney")
    BrandFactory(advertiser=advertiser, code="DIS")
    MarketFactory(code="US")
    return SimpleNamespace(
        advertiser=advertiser,
        alice=client_of(MembershipFactory(advertiser=advertiser, role="manager").user),
        bob=client_of(MembershipFactory(advertiser=advertiser, role="viewer").user),
        analyst=client_of(MembershipFactory(advertiser=advertiser, role="analyst").user),
        charlie=client_of(MembershipFactory(role="manager").user),
        staff=client_of(UserFactory(is_staff=True)),
        affiliate=client_of(AffiliateFactory(name="Ann").user),
    )


NEW = {
    "brand": "dis",
    "market": "us",
    "campaign_name": "Moana Launch",
    "starts_on": "2026-12-01",
    "ends_on": "2026-12-31",
}


# --- Making one


def test_a_manager_makes_a_campaign_for_the_own_advertiser(people):
    platforms = [{"platform": "youtube", "rate_per_1000_views": "12.5"}, {"platform": "x", "rate_per_click": 0.25}]
    response = people.alice.post(LIST, NEW | {"budget": "1000", "platforms": platforms, "is_open": True})
    assert response.status_code == 201
    campaign = Campaign.objects.get()
    assert response["Location"] == at(campaign)
    stamp = TODAY.isoformat().replace("+00:00", "Z")
    unpaid = {"rate_per_1000_views": None, "rate_per_click": None, "rate_per_conversion": None, "closed_at": None}
    unpaid["recheck_plan"] = ""
    assert response.json() == {
        "id": str(campaign.pk),
        "name": "DIS_US_MULTI_2026_MoanaLaunch",
        "campaign_name": "Moana Launch",
        "status": "draft",
        "advertiser": str(people.advertiser.pk),
        "brand": "DIS",
        "market": "US",
        "starts_on": "2026-12-01",
        "ends_on": "2026-12-31",
        "claim_window_days": 14,
        "last_claim_day": "2027-01-14",
        "currency": "USD",
        "budget": "1000.00",
        "conversion_lag_h": 72,
        "is_open": True,
        "allows_shared_content": False,
        "requires_proof": False,
        "landing_url": "",
        "click_window_min": 30,
        "attribution_days": 30,
        "allows_get_postbacks": False,
        "postback_url": f"http://testserver/postback/{campaign.postback_token}",
        "platforms": [
            unpaid | {"platform": "x", "rate_per_click": "0.2500"},
            unpaid | {"platform": "youtube", "rate_per_1000_views": "12.5000"},
        ],
        "created_at": stamp,
        "updated_at": stamp,
    }
    assert people.alice.get(response["Location"]).json() == response.json()
    assert AuditEvent.objects.filter(object_id=campaign.pk, action="campaign.created").exists()


def test_staff_say_for_which_advertiser(people):
    document = assert_problem(people.staff.post(LIST, NEW), 422)
    assert document["errors"][0]["field"] == "advertiser"
    answer = people.staff.post(LIST, NEW | {"advertiser": str(people.advertiser.pk)})
    assert (answer.status_code, answer.json()["name"]) == (201, "DIS_US_MULTI_2026_MoanaLaunch")


def test_who_manages_several_says_for_which(people, client_of):
    user = MembershipFactory(advertiser=people.advertiser).user
    MembershipFactory(user=user)
    assert_problem(client_of(user).post(LIST, NEW), 422)
    assert client_of(user).post(LIST, NEW | {"advertiser": str(people.advertiser.pk)}).status_code == 201


def test_who_manages_one_and_reads_for_another_need_not_say(people, client_of):
    user = MembershipFactory(advertiser=people.advertiser).user
    MembershipFactory(user=user, role="viewer")
    assert client_of(user).post(LIST, NEW).json()["advertiser"] == str(people.advertiser.pk)


@pytest.mark.parametrize(
    ("given", "status", "code", "field"),
    [
        ({"brand": "NOPE"}, 422, "unknown", "brand"),
        ({"brand": "no such code!"}, 422, "unknown", "brand"),
        ({"brand": "OTHERS"}, 422, "unknown", "brand"),
        ({"market": "NOPE"}, 422, "unknown", "market"),
        ({"advertiser": "018f0000-0000-7000-8000-000000000000"}, 422, "unknown", "advertiser"),
        ({"campaign_name": "Taken!"}, 400, "duplicate_name", "campaign_name"),
        ({"campaign_name": "夏"}, 400, "invalid", "campaign_name"),
        ({"ends_on": "2026-11-30"}, 400, "invalid", "ends_on"),
        ({"starts_on": "0001-01-01"}, 400, "invalid", "starts_on"),
        ({"ends_on": "9999-12-31"}, 400, "invalid", "ends_on"),
        ({"currency": "usd"}, 400, "invalid", "currency"),
        ({"currency": "Dollar"}, 400, "invalid", "currency"),
        ({"budget": "-1"}, 400, "invalid", "budget"),
        ({"budget": "0.001"}, 400, "invalid", "budget"),
        ({"budget": "1000000000000"}, 400, "invalid", "budget"),
        ({"claim_window_days": 367}, 400, "invalid", "claim_window_days"),
        ({"conversion_lag_h": 1441}, 400, "invalid", "conversion_lag_h"),
        ({"is_open": "yes"}, 400, "invalid", "is_open"),
        ({"year": "2026"}, 400, "invalid", "year"),
        ({"year": 1999}, 400, "invalid", "year"),
        ({"platforms": "x"}, 400, "invalid", "platforms"),
        ({"platforms": ["x"]}, 400, "invalid", "platforms[0]"),
        ({"platforms": [{}]}, 400, "invalid", "platforms[0].platform"),
        ({"platforms": [{"platform": "myspace"}]}, 400, "invalid", "platforms[0].platform"),
        ({"platforms": [{"platform": ["x"]}]}, 400, "invalid", "platforms[0].platform"),
        ({"platforms": [{"platform": "x", "rate_per_click": "-0.1"}]}, 400, "invalid", "platforms[0].rate_per_click"),
        ({"platforms": [{"platform": "x", "closed_at": None}]}, 400, "invalid", "platforms[0].closed_at"),
        ({"platforms": [{"platform": "x"}, {"platform": "x"}]}, 400, "duplicate_platform", "platforms"),
        ({"platforms": [{"platform": "x"}] * 21}, 400, "invalid", "platforms"),
        ({"name": "MINE"}, 400, "invalid", "name"),
        ({"status": "active"}, 400, "invalid", "status"),
        ({"livemode": False}, 400, "invalid", "livemode"),
        ({"created_by": "me"}, 400, "invalid", "created_by"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_made(people, given, status, code, field):
    BrandFactory(code="OTHERS")
    assert people.alice.post(LIST, NEW | {"campaign_name": "Taken"}).status_code == 201
    document = assert_problem(people.alice.post(LIST, NEW | given), status)
    assert (document["code"], document["errors"][0]["field"]) == (code, field)
    assert Campaign.objects.count() == 1


@pytest.mark.parametrize("missing", NEW)
def test_what_is_missing_is_named(people, missing):
    document = assert_problem(people.alice.post(LIST, {k: v for k, v in NEW.items() if k != missing}), 400)
    assert [(error["field"], error["code"]) for error in document["errors"]] == [(missing, "required")]


@pytest.mark.parametrize("who", ["bob", "analyst", "affiliate"])
def test_who_manages_nothing_makes_nothing(people, who):
    assert assert_problem(getattr(people, who).post(LIST, NEW), 403)["code"] == "permission_denied"
    assert not Campaign.objects.exists()


def test_charlie_makes_none_for_the_advertiser_of_others(people):
    document = assert_problem(people.charlie.post(LIST, NEW | {"advertiser": str(people.advertiser.pk)}), 422)
    assert document["errors"][0]["detail"] == "There is no such advertiser."
    assert_problem(people.charlie.post(LIST, NEW), 422)  # nor with their brand


def test_meta_is_another_word_for_facebook(people):
    assert people.alice.post(LIST, NEW | {"platforms": [{"platform": "meta"}]}).status_code == 201
    assert Campaign.objects.get().campaign_platforms.get().platform.slug == "facebook"
    assert len(people.staff.get(f"{LIST}?platform=meta").json()["results"]) == 1


# --- Reading


def test_everybody_sees_theirs_and_charlie_nothing(people, client_of):
    mine = CampaignFactory(advertiser=people.advertiser, is_open=False, status="draft")
    for client in (people.alice, people.bob, people.analyst, people.staff):
        assert [row["id"] for row in client.get(LIST).json()["results"]] == [str(mine.pk)]
        assert client.get(at(mine)).json()["budget"] is None
    nobody = client_of(UserFactory())
    for client in (people.charlie, people.affiliate, nobody):
        assert client.get(LIST).json()["results"] == []
        assert_problem(client.get(at(mine)), 404)


@pytest.mark.parametrize(
    ("facts", "enrolment", "seen"),
    [
        ({"is_open": True, "status": "active"}, None, True),
        ({"is_open": True, "status": "completed"}, None, True),
        ({"is_open": True, "status": "draft"}, None, False),
        ({"is_open": True, "status": "paused"}, None, False),
        ({"is_open": False, "status": "active"}, None, False),
        ({"is_open": False, "status": "active"}, "invited", True),
        ({"is_open": False, "status": "paused"}, "active", True),
        ({"is_open": False, "status": "active"}, "removed", False),
    ],
)
def test_an_affiliate_sees_what_it_is_in_or_may_join(client_of, facts, enrolment, seen):
    ann, campaign = AffiliateFactory(), CampaignFactory(**facts)
    if enrolment:
        EnrolmentFactory(campaign=campaign, affiliate=ann, status=enrolment)
    client = client_of(ann.user)
    assert len(client.get(LIST).json()["results"]) == seen
    assert client.get(at(campaign)).status_code == (200 if seen else 404)


def test_an_affiliate_sees_what_it_earns_and_neither_budget_nor_rules(people, client_of):
    campaign = CampaignFactory(advertiser=people.advertiser, budget=Decimal(5000))
    both = AffiliateFactory()
    MembershipFactory(advertiser=people.advertiser, user=both.user, role="viewer")
    theirs, ours = people.affiliate.get(at(campaign)).json(), people.bob.get(at(campaign)).json()
    assert set(ours) - set(theirs) == {
        *("budget", "conversion_lag_h", "attribution_days", "allows_get_postbacks", "postback_url"),
    }
    assert people.affiliate.get(LIST).json()["results"] == [theirs]
    assert theirs["platforms"][0]["rate_per_1000_views"] == "10.0000"
    assert theirs["currency"] == "USD"
    assert client_of(both.user).get(at(campaign)).json()["budget"] == "5000.00"


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", {"A", "B", "C"}),
        ("status=active", {"A", "C"}),
        ("status=draft", {"B"}),
        ("platform=youtube", {"A", "B", "C"}),
        ("platform=x", {"B", "C"}),  # A's is closed
        ("platform=meta", {"A", "B", "C"}),  # another word for facebook
        ("brand=dis", {"A"}),
        ("market=us&status=active", {"A"}),
        ("brand=NOPE", set()),
        ("advertiser=018f0000-0000-7000-8000-000000000000", set()),
    ],
)
def test_the_list_can_be_narrowed(people, query, titles):
    dis, us = Brand.objects.get(code="DIS"), Market.objects.get(code="US")
    a = CampaignFactory(campaign_name="A", advertiser=people.advertiser, brand=dis, market=us)
    a.campaign_platforms.filter(platform__slug="x").update(closed_at=TODAY)
    CampaignFactory(campaign_name="B", status="draft")
    CampaignFactory(campaign_name="C")
    rows = people.staff.get(f"{LIST}?{query}").json()["results"]
    assert {row["campaign_name"] for row in rows} == titles


def test_the_list_can_be_narrowed_to_an_advertiser(people):
    campaign = CampaignFactory(advertiser=people.advertiser)
    CampaignFactory()
    rows = people.staff.get(f"{LIST}?advertiser={people.advertiser.pk}").json()["results"]
    assert [row["id"] for row in rows] == [str(campaign.pk)]


@pytest.mark.parametrize(
    "query", ["status=gone", "status=ACTIVE", "platform=myspace", "advertiser=1", "brand=%00", "name=x", "state=active"]
)
def test_a_filter_that_is_not_known_or_no_value_is_refused(people, query):
    document = assert_problem(people.staff.get(f"{LIST}?{query}"), 400)
    assert document["errors"][0]["field"] == query.split("=")[0]


def test_lists_take_the_same_few_queries_however_long(people, django_assert_num_queries):
    CampaignFactory.create_batch(5, advertiser=people.advertiser)
    for client in (people.bob, people.affiliate):
        client.get(LIST)
        with django_assert_num_queries(4):  # the key, the advertisers, the page, its platforms
            assert len(client.get(LIST).json()["results"]) == 5
    one = at(Campaign.objects.all()[0])
    with django_assert_num_queries(4):
        people.bob.get(one)


# --- Changing


def test_alice_changes_a_campaign(people):
    campaign = CampaignFactory(advertiser=people.advertiser)
    answer = people.alice.put(at(campaign), {"budget": "99.90", "ends_on": "2027-01-31"})
    assert (answer.status_code, answer.json()["budget"], answer.json()["last_claim_day"]) == (
        200,
        "99.90",
        "2027-02-14",
    )
    answer = people.alice.patch(at(campaign), {"budget": None, "is_open": False}).json()
    assert (answer["budget"], answer["is_open"], answer["ends_on"]) == (None, False, "2027-01-31")


@pytest.mark.parametrize(
    "field",
    ["name", "campaign_name", "brand", "market", "advertiser", "status", "id", "platforms", "livemode", "created_by"],
)
def test_names_and_what_they_are_made_of_never_change(people, field):
    campaign = CampaignFactory(advertiser=people.advertiser)
    document = assert_problem(people.alice.patch(at(campaign), {field: "x", "budget": "1"}), 400)
    assert [error["field"] for error in document["errors"]] == [field]
    campaign.refresh_from_db()
    assert campaign.budget is None


def test_the_currency_stays_once_there_are_posts(people):
    campaign = PostFactory(campaign=CampaignFactory(advertiser=people.advertiser)).campaign
    assert_problem(people.alice.patch(at(campaign), {"currency": "EUR"}), 409)


def test_a_campaign_goes_from_draft_to_completed(people):
    campaign = CampaignFactory(advertiser=people.advertiser, status="draft")
    for step, status in (
        ("activate", "active"),
        ("pause", "paused"),
        ("activate", "active"),
        ("complete", "completed"),
    ):
        answer = people.alice.post(at(campaign, step))
        assert (answer.status_code, answer.json()["status"]) == (200, status)
    document = assert_problem(people.alice.post(at(campaign, "activate")), 409)
    assert document["detail"] == "This campaign is completed: it can't become active."
    assert_problem(people.alice.post(at(campaign, "activate"), {"force": True}), 400)
    assert AuditEvent.objects.filter(object_id=campaign.pk).count() == 4


def test_platforms_are_replaced_closed_and_opened_again(people):
    campaign = CampaignFactory(advertiser=people.advertiser)
    PostFactory(campaign=campaign)

    def put(*listed):
        answer = people.alice.put(at(campaign, "platforms"), {"platforms": [{"platform": slug} for slug in listed]})
        return {row["platform"]: row["closed_at"] for row in answer.json()["platforms"]}

    with clock.at(TODAY + timedelta(hours=1)):
        assert put("x") == {"x": None, "youtube": "2026-11-20T13:00:00Z"}
    assert put("youtube", "reddit") == {"reddit": None, "youtube": None}
    assert_problem(people.alice.put(at(campaign, "platforms"), {"platforms": []}), 409)
    assert_problem(people.alice.put(at(campaign, "platforms"), {}), 400)


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("put", [], {"budget": "1"}),
        ("patch", [], {"budget": "1"}),
        ("post", ["activate"], {}),
        ("post", ["pause"], {}),
        ("post", ["complete"], {}),
        ("put", ["platforms"], {"platforms": [{"platform": "x"}]}),
    ],
)
def test_only_alice_and_staff_decide_and_charlie_learns_nothing(people, method, rest, body):
    def status(client, facts):
        campaign = CampaignFactory(advertiser=people.advertiser, is_open=False, **facts)
        response = getattr(client, method)(at(campaign, *rest), body)
        if response.status_code != 200:
            assert_problem(response, response.status_code)
            assert not AuditEvent.objects.filter(object_id=campaign.pk).exists()
        return response.status_code

    start = {"status": "paused" if rest == ["activate"] else "active"}
    assert [status(client, start) for client in (people.alice, people.staff)] == [200, 200]
    assert [status(client, start) for client in (people.bob, people.analyst)] == [403, 403]
    assert [status(client, start) for client in (people.charlie, people.affiliate)] == [404, 404]


# --- Brands and markets


def test_codes_can_be_found(people, django_assert_num_queries):
    BrandFactory(code="OTHER")
    assert people.alice.get("/api/v1/brands").json()["results"] == [
        {"code": "DIS", "name": Brand.objects.get(code="DIS").name, "advertiser": str(people.advertiser.pk)}
    ]
    people.staff.get("/api/v1/brands")
    with django_assert_num_queries(2):
        assert len(people.staff.get("/api/v1/brands").json()["results"]) == 2
    rows = people.staff.get(f"/api/v1/brands?advertiser={people.advertiser.pk}").json()["results"]
    assert [row["code"] for row in rows] == ["DIS"]
    for client in (people.affiliate, people.charlie):
        assert client.get("/api/v1/brands").json()["results"] == []
        assert client.get("/api/v1/markets").json()["results"] == [
            {"code": "US", "country": "United States", "region": "North America"}
        ]


def test_managers_make_brands_for_their_own_and_staff_for_all(people):
    answer = people.alice.post("/api/v1/brands", {"code": "mar", "name": "Marvel"})
    assert (answer.status_code, answer.json()["code"], answer.json()["advertiser"]) == (
        201,
        "MAR",
        str(people.advertiser.pk),
    )
    named = {"code": "PIX", "name": "Pixar", "advertiser": str(people.advertiser.pk)}
    assert_problem(people.charlie.post("/api/v1/brands", named), 422)
    assert_problem(people.bob.post("/api/v1/brands", named), 403)
    assert_problem(people.staff.post("/api/v1/brands", {"code": "PIX", "name": "Pixar"}), 422)
    assert people.staff.post("/api/v1/brands", named).status_code == 201
    assert_problem(people.alice.post("/api/v1/brands", {"code": "P-X", "name": "Pixar"}), 400)
    assert (
        assert_problem(people.charlie.post("/api/v1/brands", {"code": "pix", "name": "P"}), 400)["code"]
        == "duplicate_code"
    )


def test_staff_make_markets(people):
    answer = people.staff.post("/api/v1/markets", {"code": "de", "country": "Germany"})
    assert (answer.status_code, answer.json()) == (201, {"code": "DE", "country": "Germany", "region": ""})
    assert_problem(people.alice.post("/api/v1/markets", {"code": "FR", "country": "France"}), 403)
