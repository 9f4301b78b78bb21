"""Submitting through the API, and looking up how it went."""

from datetime import timedelta

import pytest
from django.urls import set_script_prefix
from rest_framework.test import APIClient

from affiliates.models import ApiKey, AuditEvent
from config import clock
from reconciliation.api import views
from reconciliation.models import AffiliateReport, Job, ReconciliationLog
from tests import hostile
from tests.factories import TODAY, AdvertiserFactory, AffiliateFactory, CampaignFactory, MembershipFactory, UserFactory
from tests.reconciliation.support import NEVER_THERE, queries, rows, unchanged

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

SPELLINGS = ("/api/v1/submissions", "/api/v1/affiliates/submissions")


@pytest.fixture
def affiliate():
    return AffiliateFactory()


@pytest.fixture
def api(client_of, affiliate):
    return client_of(affiliate.user)


@pytest.fixture
def campaign():
    return CampaignFactory()


@pytest.fixture
def body(campaign, world_post):
    """A whole and truthful claim."""
    post = world_post()
    views = post.figures_at(TODAY).views
    return {"campaign": str(campaign.pk), "platform": "youtube", "url": post.url, "claimed_views": views}


@pytest.fixture
def submitted(api, body):
    """A claim that was taken: the answer."""
    answer = api.post("/api/v1/submissions/", body)
    assert answer.status_code == 202, answer.content
    return answer


# --- Submitting


@pytest.mark.parametrize("address", [spelling + slash for spelling in SPELLINGS for slash in ("", "/")])
def test_a_new_post_is_accepted_and_its_verdict_found_where_the_answer_says(api, body, drain_all, address):
    answer = api.post(address, body | {"title": "Hello", "claimed_clicks": None})
    assert answer.status_code == 202
    claim = AffiliateReport.objects.get()
    taken = answer.json()
    assert taken == {
        "id": str(claim.post_id),
        "url": body["url"],
        "platform": "youtube",
        "outcome": "new_post",
        "claim": {
            "id": str(claim.pk),
            "claimed_views": body["claimed_views"],
            "claimed_clicks": None,
            "claimed_conversions": None,
            "submission_method": "api",
            "claimed_at": "2026-11-20T12:00:00Z",
        },
        "links": {
            "self": f"http://testserver/api/v1/submissions/{claim.post_id}",
            "metrics": f"http://testserver/api/v1/submissions/{claim.post_id}/metrics",
        },
    }
    assert answer["Location"] == taken["links"]["self"]
    assert claim.request_id == answer["X-Request-ID"]
    pending = api.get(answer["Location"]).json()
    assert (pending["state"], pending["verdict"], pending["truth"]) == ("pending", None, None)
    assert (pending["claim"], pending["links"], pending["title"]) == (taken["claim"], taken["links"], "Hello")
    drain_all()
    assert api.get(answer["Location"]).json()["state"] == "final"


def test_how_a_post_stands_says_what_was_claimed_counted_and_concluded(api, body, drain_all, campaign, affiliate):
    truth = body["claimed_views"]
    where = api.post("/api/v1/submissions", body | {"claimed_views": truth * 2, "claimed_clicks": 3})["Location"]
    drain_all()
    found = api.get(where).json()
    verdict = ReconciliationLog.objects.get()
    assert found["campaign"] == {"id": str(campaign.pk), "name": campaign.campaign_name}
    assert found["affiliate"] == {"id": str(affiliate.pk), "name": affiliate.name}
    assert (found["state"], found["next_look_at"], found["as_of"]) == ("final", None, "2026-11-20T12:00:00Z")
    assert (found["title"], found["description"]) == ("", "")
    assert found["posted_at"].endswith("Z")
    assert found["truth"]["views"] == truth
    assert found["truth"]["provenance"]["views"] == "public_api"
    assert found["truth"]["availability"] == "live"
    shown = found["verdict"]
    assert shown["id"] == str(verdict.pk)
    assert (shown["status"], shown["discrepancy_level"], shown["counted"]) == ("DISCREPANCY", "HIGH", True)
    assert shown["explanation"] == verdict.explanation
    assert shown["confidence"] == "0.500"
    assert shown["metrics"]["views"] == {
        "claimed": truth * 2,
        "truth": truth,
        "difference": truth,
        "percentage": "100.00",
        "provenance": "public_api",
        "definition": verdict.platform_report.definitions["views"],
        "gap": {"rounding": 50, "definition": 0, "lag": 0, "unexplained": 15_650},
    }
    assert shown["metrics"]["clicks"]["claimed"] == 3
    assert shown["metrics"]["clicks"]["truth"] is None
    assert set(shown["metrics"]["conversions"].values()) == {None}


def test_money_and_rules_are_for_the_advertisers_side(client_of, api, submitted, drain_all, campaign):
    drain_all()
    hidden = {"money_at_risk", "currency", "ruleset_version"}
    member = MembershipFactory(advertiser=campaign.advertiser, role="viewer").user
    address = f"/api/v1/submissions/{submitted.json()['id']}"
    for path in (address, f"{address}/metrics", "/api/v1/submissions/history"):
        assert hidden.isdisjoint(_names_in(api.get(path).json()))
        for user in (member, UserFactory(is_staff=True)):
            assert hidden <= _names_in(client_of(user).get(path).json())


def _names_in(value):
    if isinstance(value, list):
        return set().union(*map(_names_in, value))
    return set(value).union(*map(_names_in, value.values())) if isinstance(value, dict) else set()


def test_an_identical_repeat_answers_200_and_adds_nothing(api, body, submitted):
    before = rows()
    again = api.post("/api/v1/submissions/", body)
    put = api.put(f"/api/v1/submissions/{submitted.json()['id']}/metrics", {"claimed_views": body["claimed_views"]})
    for answer in (again, put):
        assert (answer.status_code, answer.json()["outcome"]) == (200, "unchanged")
        assert answer["Location"] == submitted["Location"]
        assert answer.json()["claim"] == submitted.json()["claim"]
    assert rows() == before


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_new_figures_replace_the_claim_as_a_whole(api, submitted, spelling):
    post_id = submitted.json()["id"]
    answer = api.put(f"{spelling}/{post_id}/metrics", {"claimed_clicks": 5})
    assert (answer.status_code, answer.json()["outcome"]) == (202, "new_claim")
    assert answer["Location"] == submitted["Location"]
    assert answer.json()["claim"]["claimed_views"] is None
    assert answer.json()["claim"]["claimed_clicks"] == 5
    assert AffiliateReport.objects.count() == 2
    assert Job.objects.count() == 1


def test_the_largest_count_is_taken_and_one_that_no_post_can_have_is_invalid(api, body, drain_all):
    where = api.post("/api/v1/submissions", body | {"claimed_views": 2**53 - 1})["Location"]
    drain_all()
    assert api.get(where).json()["verdict"]["status"] == "INVALID_CLAIM"


# --- What is refused


@pytest.mark.parametrize(
    ("change", "status", "field", "code"),
    [
        ({"campaign": "018f0000-0000-7000-8000-000000000000"}, 422, "campaign", "unknown_campaign"),
        ({"campaign": "nonsense"}, 400, "campaign", "invalid"),
        ({"campaign": None}, 400, "campaign", "null"),
        ({"platform": "myspace"}, 422, "platform", "unknown_platform"),
        ({"platform": "x"}, 422, "url", "platform_mismatch"),
        ({"platform": ["youtube"]}, 400, "platform", "invalid"),
        ({"url": "https://vm.tiktok.com/ZMabcdef1"}, 422, "url", "platform_mismatch"),
        ({"url": "https://www.youtube.com/"}, 422, "url", "not_a_post"),
        ({"claimed_views": None}, 422, "claimed_views", "nothing_claimed"),
        ({"claimed_views": -1}, 400, "claimed_views", "min_value"),
        ({"claimed_clicks": 2**53}, 400, "claimed_clicks", "max_value"),
        ({"claimed_conversions": 1.5}, 400, "claimed_conversions", "not_an_integer"),
        ({"views": 5}, 400, "views", "unknown_field"),
        ({"affiliate": "018f0000-0000-7000-8000-000000000000"}, 400, "affiliate", "unknown_field"),
        ({"title": "x" * 301}, 400, "title", "max_length"),
        ({"description": "x" * 5001}, 400, "description", "max_length"),
    ],
)
def test_a_refusal_names_the_field_and_the_reason(api, body, change, status, field, code):
    unchanged(status, api.post, "/api/v1/submissions", body | change, field=field, code=code)


@pytest.mark.parametrize("name", ["campaign", "platform", "url"])
def test_what_is_missing_is_named(api, body, name):
    del body[name]
    unchanged(400, api.post, "/api/v1/submissions", body, field=name, code="required")


def test_meta_is_another_word_for_facebook(api, body):
    for word in ("meta", "facebook"):
        claim = body | {"platform": word}
        unchanged(422, api.post, "/api/v1/submissions", claim, field="url", code="platform_mismatch")


@pytest.mark.parametrize(
    "settings_of_campaign",
    [{"is_open": False}, {"status": "draft"}, {"advertiser__livemode": False}],
    ids=["by invitation", "a draft", "a test campaign"],
)
def test_a_campaign_the_affiliate_may_not_see_does_not_exist(api, body, settings_of_campaign):
    unseen = CampaignFactory(**settings_of_campaign)
    claim = body | {"campaign": str(unseen.pk)}
    unchanged(422, api.post, "/api/v1/submissions", claim, field="campaign", code="unknown_campaign")


def test_a_second_claimant_gets_409_and_only_the_attempt_is_recorded(client_of, body, submitted, affiliate):
    before = rows()
    second = client_of(AffiliateFactory().user)
    before = rows()
    document = hostile.assert_problem(second.post("/api/v1/submissions", body), 409)
    assert document["code"] == "already_claimed"
    assert affiliate.name not in str(document)
    added = {table: n - before[table] for table, n in rows().items() if n != before[table]}
    assert added == {"affiliates.AuditEvent": 1, "django_q.OrmQ": 1}
    assert AuditEvent.objects.filter(action="claim.refused_second_claimant").count() == 1


def _writes(api, body, submitted):
    post_id = submitted.json()["id"]
    return [(api.post, "/api/v1/submissions", body), (api.put, f"/api/v1/submissions/{post_id}/metrics", {})]


@pytest.mark.parametrize("raw", hostile.BODIES, ids=str)
def test_no_hostile_body_does_anything(api, body, submitted, raw):
    for send, address, _ in _writes(api, body, submitted):
        unchanged(raw.status, send, address, data=raw.body, content_type=raw.content_type)


def test_no_hostile_value_does_anything(api, body, submitted):
    values = [(f"claimed_{name}", value) for name in ("views", "clicks", "conversions") for value in hostile.COUNTS]
    for send, address, whole in _writes(api, body, submitted):
        for name, value in values:
            unchanged(400, send, address, whole | {name: value}, field=name)
    for url in hostile.URLS:
        unchanged(range(400, 423), api.post, "/api/v1/submissions", body | {"url": url}, field="url")


@pytest.mark.parametrize("text", [text for text in hostile.TEXTS if not (isinstance(text, str) and not text.strip())])
def test_no_hostile_title_does_anything(api, body, text):
    unchanged(400, api.post, "/api/v1/submissions", body | {"title": text}, field="title")


# --- Who may do what


def test_only_active_affiliates_submit_with_a_key_for_it(client_of, body, campaign, affiliate):
    manager = MembershipFactory(advertiser=campaign.advertiser).user
    inactive = AffiliateFactory(is_active=False).user
    cases = [
        (APIClient(), 401),
        (client_of(manager), 403),
        (client_of(UserFactory(is_staff=True)), 403),
        (client_of(inactive), 403),
        (client_of(affiliate.user, ("read",)), 403),
    ]
    revoked = client_of(affiliate.user)
    ApiKey.objects.filter(user=affiliate.user, scopes__contains=["submit"]).update(revoked_at=TODAY)
    for api, status in [*cases, (revoked, 401)]:
        unchanged(status, api.post, "/api/v1/submissions", body)


def test_a_post_of_somebody_else_does_not_exist(client_of, submitted, campaign):
    address = f"/api/v1/submissions/{submitted.json()['id']}"
    strangers = [AffiliateFactory().user, MembershipFactory().user]
    for user in strangers:
        api = client_of(user)
        assert api.get(address).status_code == api.get(f"{address}/metrics").status_code == 404
        assert api.get("/api/v1/submissions/history").json()["results"] == []
    another = client_of(strangers[0])
    unchanged(404, another.put, f"{address}/metrics", {"claimed_views": 1})


def test_the_advertisers_people_and_staff_read_and_do_not_claim(client_of, submitted, campaign):
    address = f"/api/v1/submissions/{submitted.json()['id']}"
    for user in (MembershipFactory(advertiser=campaign.advertiser).user, UserFactory(is_staff=True)):
        api = client_of(user)
        assert api.get(address).status_code == api.get(f"{address}/metrics").status_code == 200
        assert len(api.get("/api/v1/submissions/history").json()["results"]) == 1
        assert api.put(f"{address}/metrics", {"claimed_views": 1}).status_code == 403


def test_staff_who_are_affiliates_too_claim_for_their_own_posts_only(client_of, submitted):
    person = AffiliateFactory(user__is_staff=True)
    answer = client_of(person.user).put(f"/api/v1/submissions/{submitted.json()['id']}/metrics", {"claimed_views": 1})
    assert answer.status_code == 404


def test_a_key_sees_its_own_mode(client_of, affiliate, submitted, world_post):
    test_campaign = CampaignFactory(advertiser=AdvertiserFactory(livemode=False))
    api = client_of(affiliate.user, livemode=False)
    assert api.get(submitted["Location"]).status_code == 404
    claim = {"campaign": str(test_campaign.pk), "platform": "youtube", "url": world_post().url, "claimed_views": 1}
    where = api.post("/api/v1/submissions", claim)["Location"]
    assert api.get(where).status_code == 200
    assert [row["post"]["id"] in where for row in api.get("/api/v1/submissions/history").json()["results"]] == [True]
    assert client_of(affiliate.user).get(where).status_code == 404


@pytest.mark.parametrize("segment", hostile.IDS)
def test_what_is_no_identifier_is_no_address(api, segment):
    for rest in ("", "/metrics"):
        hostile.assert_problem(api.get(f"/api/v1/submissions/{segment}{rest}"), 404)


# --- Looking up


def test_a_look_that_was_given_up_shows_as_failed(api, submitted):
    Job.objects.update(state="dead", finished_at=TODAY)
    assert api.get(submitted["Location"]).json()["state"] == "failed"


def test_a_verdict_that_is_not_the_last_word_is_provisional(api, body, drain_all):
    where = api.post("/api/v1/submissions", body | {"url": NEVER_THERE})["Location"]
    drain_all()
    found = api.get(where).json()
    assert (found["state"], found["verdict"]["status"]) == ("provisional", "POST_MISSING")
    assert found["next_look_at"] == found["verdict"]["next_look_at"] == "2026-11-21T12:00:00Z"
    assert found["truth"]["views"] is None


def test_the_evolution_shows_claims_with_their_verdicts_and_snapshots(api, body, submitted, drain_all, monkeypatch):
    drain_all()
    address = f"/api/v1/submissions/{submitted.json()['id']}/metrics"
    views_counted = body["claimed_views"]
    for hours in (1, 2):
        with clock.at(TODAY + timedelta(hours=hours)):
            api.put(address, {"claimed_views": views_counted * (1 + hours)})
            drain_all()
    with clock.at(TODAY + timedelta(hours=3)):
        api.put(address, {"claimed_views": 1})
    found = api.get(address).json()
    assert [(row["claimed_views"], row["status"], len(row["verdicts"])) for row in found["claims"]] == [
        (1, "PENDING", 0),
        (views_counted * 3, "DISCREPANCY", 1),
        (views_counted * 2, "DISCREPANCY", 1),
        (views_counted, "MATCHED", 1),
    ]
    assert [row["fetched_at"] for row in found["snapshots"]] == [f"2026-11-20T{hour}:00:00Z" for hour in (14, 13, 12)]
    assert {row["views"] for row in found["snapshots"]} == {views_counted}
    assert found["truncated"] is False
    monkeypatch.setattr(views, "EVOLUTION_LIMIT", 2)
    shorter = api.get(address).json()
    assert (shorter["claims"], shorter["snapshots"]) == (found["claims"][:2], found["snapshots"][:2])
    assert shorter["truncated"] is True


@pytest.fixture
def history(api, campaign, world_post):
    """Five claims: three for one YouTube post, hour by hour, and one for each of two posts on X."""
    posts = [world_post("youtube"), world_post("x", 0), world_post("x", 1)]
    for hour, (post, figure) in enumerate([(posts[0], 1), (posts[0], 2), (posts[1], 3), (posts[0], 4), (posts[2], 5)]):
        with clock.at(TODAY + timedelta(hours=hour)):
            claim = {"campaign": str(campaign.pk), "platform": post.platform, "url": post.url, "claimed_views": figure}
            assert api.post("/api/v1/submissions", claim).status_code == 202


def _figures(answer):
    assert answer.status_code == 200, answer.content
    return [row["claimed_views"] for row in answer.json()["results"]]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_history_has_every_claim_newest_first(api, history, drain_all, spelling):
    assert _figures(api.get(f"{spelling}/history")) == _figures(api.get(f"{spelling}/history/")) == [5, 4, 3, 2, 1]
    with clock.at(TODAY + timedelta(hours=5)):
        drain_all()
    newest = api.get(f"{spelling}/history").json()["results"][0]
    assert newest["status"] == newest["verdicts"][0]["status"] == "MATCHED"
    assert newest["post"]["platform"] == "x"


@pytest.mark.parametrize(
    ("query", "figures"),
    [
        ("platform=x", [5, 3]),
        ("platform=meta", []),
        ("from=2026-11-20T13:00:00Z&to=2026-11-20T15:00:00Z", [3, 2]),
        ("from=2026-11-20T16:00:00%2B01:00", [5, 4]),
        ("campaign=018f0000-0000-7000-8000-000000000000", []),
        ("limit=2", [5, 4]),
        ("limit=2&offset=3", [2, 1]),
        ("offset=4", [1]),
        ("from=0001-01-01T00:00:00%2B14:00&to=9999-12-31T23:59:59-14:00", [5, 4, 3, 2, 1]),
    ],
)
def test_the_history_can_be_narrowed_and_leafed_through(api, history, query, figures):
    assert _figures(api.get(f"/api/v1/submissions/history?{query}")) == figures


def test_the_history_of_one_post(api, history):
    post_id = api.get("/api/v1/submissions/history?platform=youtube").json()["results"][0]["post"]["id"]
    assert _figures(api.get(f"/api/v1/submissions/history?post={post_id}")) == [4, 2, 1]


def test_a_claim_made_meanwhile_neither_shifts_nor_repeats_a_page(api, history, body):
    first = api.get("/api/v1/submissions/history?page_size=2")
    with clock.at(TODAY + timedelta(hours=6)):
        api.post("/api/v1/submissions", body | {"claimed_views": 6})
    second = api.get(first.json()["next"])
    assert _figures(first) + _figures(second) == [5, 4, 3, 2]
    assert api.get("/api/v1/submissions/history?limit=2").json()["count"] == 6


@pytest.mark.parametrize(
    "query",
    [*hostile.QUERIES, "platform=myspace", "post=1", "campaign=x", "from=yesterday", "to=%00", "limit=0", "limit=201",
     "limit=1e3", "offset=-1", "offset=99999999999", "status=MATCHED"],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused(api, query):
    hostile.assert_problem(api.get(f"/api/v1/submissions/history?{query}"), 400)


def test_reading_takes_few_queries_however_much_there_is(api, body, submitted, drain_all, history):
    """Key, own advertisers, which rows, the rows; and verdicts, or snapshots and claims with theirs."""
    post = f"/api/v1/submissions/{submitted.json()['id']}"
    for _ in range(2):
        assert queries(api, post) == 4
        assert queries(api, f"{post}/metrics") == 9
        assert queries(api, "/api/v1/submissions/history") == 5
        assert queries(api, "/api/v1/submissions/history?limit=50") == 6
        with clock.at(TODAY + timedelta(hours=7)):
            drain_all()


def test_links_follow_the_address_that_was_asked_and_unknown_filters_are_refused(client_of, claim, world_post):
    someone = AffiliateFactory()
    post = claim(someone, CampaignFactory(), world_post("youtube"), 1).post
    client, address = client_of(someone.user), f"/api/v1/submissions/{post.pk}"
    for prefix in ("/beneath/", "/"):
        set_script_prefix(prefix)
        found = client.get(address).json()
        assert found["links"]["self"] == f"http://testserver{prefix}{address[1:]}"
    assert client.get(f"{address}?luck=1").status_code == 400
