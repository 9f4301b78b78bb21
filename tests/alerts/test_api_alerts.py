"""Alerts through the API: who sees them, who decides, and what a decision leaves behind."""

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from affiliates.models import AuditEvent
from alerts.models import Alert
from alerts.services import NOTE_MAX_LENGTH, open_for_refused_claim, open_for_verdicts
from config import clock
from reconciliation.errors import SecondClaimantError
from reconciliation.models import ReconciliationLog
from tests import hostile
from tests.factories import TODAY, AdvertiserFactory, AffiliateFactory, CampaignFactory, MembershipFactory, UserFactory
from tests.reconciliation.support import queries, unchanged

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

ALERTS = "/api/v1/alerts"


@pytest.fixture
def ours():
    """Our campaign."""
    return CampaignFactory()


@pytest.fixture
def manager(client_of, ours):
    return client_of(MembershipFactory(advertiser=ours.advertiser, user__name="Mona").user)


@pytest.fixture
def staff(client_of):
    return client_of(UserFactory(is_staff=True, name="Stan"))


@pytest.fixture
def raised(claim, drain_all, world_post, ours):
    """Three alerts: a HIGH and a MEDIUM over-claim in our campaign, and a HIGH one in a campaign of strangers."""
    found = {}
    for hours, (name, campaign, index, times) in enumerate(
        [("high", ours, 0, 2), ("medium", ours, 1, 1.1), ("strange", CampaignFactory(), 2, 3)]
    ):
        with clock.at(TODAY + timedelta(hours=hours)):
            post = world_post("youtube", index)
            claimed = claim(AffiliateFactory(), campaign, post, int(post.figures_at(TODAY).views * times))
            drain_all()
            open_for_verdicts(verdict_ids=list(ReconciliationLog.objects.values_list("pk", flat=True)))
            found[name] = Alert.objects.get(post=claimed.post)
    return found


def _ids(answer):
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def _named(raised, *names):
    return [str(raised[name].pk) for name in names]


# --- Reading


def test_an_alert_says_what_happened_where_and_by_whom(manager, raised, ours):
    alert = raised["high"]
    found = manager.get(f"{ALERTS}/{alert.pk}").json()
    assert found == {
        "id": str(alert.pk),
        "kind": "over_claim",
        "severity": "high",
        "status": "open",
        "summary": alert.verdict.explanation,
        "campaign": {"id": str(ours.pk), "name": ours.campaign_name},
        "affiliate": {"id": str(alert.affiliate_id), "name": alert.affiliate.name},
        "post": {"id": str(alert.post_id), "url": alert.post.url, "platform": "youtube"},
        "result": str(alert.verdict_id),
        "created_at": "2026-11-20T12:00:00Z",
        "acknowledged_at": None,
        "acknowledged_by": None,
        "resolved_at": None,
        "resolved_by": None,
        "resolution_note": "",
        "updated_at": "2026-11-20T12:00:00Z",
    }
    assert manager.get(ALERTS).json()["results"][-1] == found


@pytest.mark.parametrize("slash", ["", "/"])
def test_staff_see_all_and_members_those_of_their_campaigns(client_of, staff, raised, ours, slash):
    assert _ids(staff.get(ALERTS + slash)) == _named(raised, "strange", "medium", "high")
    for role in ("manager", "analyst", "viewer"):
        api = client_of(MembershipFactory(advertiser=ours.advertiser, role=role).user)
        assert _ids(api.get(ALERTS + slash)) == _named(raised, "medium", "high")
        hostile.assert_problem(api.get(f"{ALERTS}/{raised['strange'].pk}"), 404)


def test_affiliates_see_none(client_of, raised):
    api = client_of(raised["high"].affiliate.user)
    assert _ids(api.get(ALERTS)) == []
    for rest in ("", "/acknowledge", "/resolve"):
        send = api.put if rest else api.get
        request = ({"note": "Never mind"},) if rest else ()
        assert send(f"{ALERTS}/{raised['high'].pk}{rest}", *request).status_code in (403, 404)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["strange", "medium"]),
        ("status=all", ["strange", "medium", "high"]),
        ("status=open", ["strange"]),
        ("status=acknowledged", ["medium"]),
        ("status=resolved", ["high"]),
        ("severity=high", ["strange"]),
        ("severity=high&status=all", ["strange", "high"]),
        ("kind=over_claim", ["strange", "medium"]),
        ("kind=second_claimant&status=all", []),
        ("page_size=1&status=all", ["strange"]),
    ],
)
def test_the_active_ones_unless_asked_otherwise(staff, raised, query, names):
    staff.put(f"{ALERTS}/{raised['medium'].pk}/acknowledge")
    staff.put(f"{ALERTS}/{raised['high'].pk}/resolve", {"note": "Paid back."})
    assert _ids(staff.get(f"{ALERTS}?{query}")) == _named(raised, *names)


def test_those_of_a_campaign_and_of_an_affiliate(staff, raised, ours):
    assert _ids(staff.get(f"{ALERTS}?campaign={ours.pk}")) == _named(raised, "medium", "high")
    assert _ids(staff.get(f"{ALERTS}?affiliate={raised['high'].affiliate_id}")) == _named(raised, "high")


@pytest.mark.parametrize(
    "query", ["status=closed", "severity=9", "kind=x", "campaign=1", "affiliate=%00", "cursor=x", "limit=1", "x=1"]
)
def test_a_query_that_makes_no_sense_is_refused(staff, query):
    hostile.assert_problem(staff.get(f"{ALERTS}?{query}"), 400)


def test_a_refused_second_claimant_shows_as_an_alert_once(claim, manager, world_post, ours):
    first, second = AffiliateFactory(), AffiliateFactory()
    claim(first, ours, world_post(), 1)
    for _ in range(2):
        with pytest.raises(SecondClaimantError):
            claim(second, ours, world_post(), 2)
    for event in AuditEvent.objects.filter(action="claim.refused_second_claimant"):
        open_for_refused_claim(event_id=event.pk)
    (found,) = manager.get(f"{ALERTS}?kind=second_claimant").json()["results"]
    assert (found["affiliate"]["id"], found["result"], found["severity"]) == (str(second.pk), None, "medium")


def test_a_key_sees_its_own_mode(client_of, raised, claim, drain_all, world_post):
    post = world_post("youtube", 5)
    campaign = CampaignFactory(advertiser=AdvertiserFactory(livemode=False))
    claim(AffiliateFactory(), campaign, post, post.figures_at(TODAY).views * 2)
    drain_all()
    open_for_verdicts(verdict_ids=list(ReconciliationLog.objects.values_list("pk", flat=True)))
    api = client_of(UserFactory(is_staff=True), livemode=False)
    (found,) = api.get(ALERTS).json()["results"]
    assert found["campaign"]["id"] == str(campaign.pk)
    assert api.put(f"{ALERTS}/{raised['high'].pk}/acknowledge").status_code == 404


# --- Deciding


def test_a_manager_acknowledges_and_resolves(manager, raised):
    address = f"{ALERTS}/{raised['high'].pk}"
    taken = manager.put(f"{address}/acknowledge").json()
    assert (taken["status"], taken["acknowledged_at"]) == ("acknowledged", "2026-11-20T12:00:00Z")
    assert taken["acknowledged_by"]["name"] == "Mona"
    closed = manager.put(f"{address}/resolve/", {"note": "  Talked to them.\nThey mended it. "}).json()
    assert (closed["status"], closed["resolved_by"]["name"]) == ("resolved", "Mona")
    assert closed["resolution_note"] == "Talked to them.\nThey mended it."
    assert closed["acknowledged_at"] == taken["acknowledged_at"]
    events = AuditEvent.objects.filter(object_id=raised["high"].pk).order_by("created_at", "action")
    assert [event.action for event in events] == ["alert.acknowledged", "alert.resolved"]
    assert all(event.request_id for event in events)


def test_the_second_to_decide_is_told_how_it_stands(manager, staff, raised):
    address = f"{ALERTS}/{raised['high'].pk}"
    manager.put(f"{address}/acknowledge")
    document = unchanged(409, staff.put, f"{address}/acknowledge")
    assert (document["code"], document["detail"]) == ("alert_state", "This alert is acknowledged already, by Mona.")
    staff.put(f"{address}/resolve", {"note": "Done"})
    for rest, body in (("resolve", {"note": "Mine"}), ("acknowledge", {})):
        document = unchanged(409, manager.put, f"{address}/{rest}", body)
        assert document["detail"] == "This alert is resolved already, by Stan."
    raised["high"].refresh_from_db()
    assert raised["high"].resolution_note == "Done"


@pytest.mark.parametrize("role", ["viewer", "analyst"])
def test_viewers_and_analysts_read_and_do_not_decide(client_of, raised, ours, role):
    api = client_of(MembershipFactory(advertiser=ours.advertiser, role=role).user)
    address = f"{ALERTS}/{raised['high'].pk}"
    assert api.get(address).status_code == 200
    unchanged(403, api.put, f"{address}/acknowledge")
    unchanged(403, api.put, f"{address}/resolve", {"note": "Done"})


def test_what_one_may_not_see_one_may_not_decide_on(client_of, manager, raised, ours):
    for rest in ("acknowledge", "resolve"):
        unchanged(404, manager.put, f"{ALERTS}/{raised['strange'].pk}/{rest}", {"note": "x"})
        unchanged(401, APIClient().put, f"{ALERTS}/{raised['high'].pk}/{rest}", {"note": "x"})
        reader = client_of(MembershipFactory(advertiser=ours.advertiser).user, ("read",))
        unchanged(403, reader.put, f"{ALERTS}/{raised['high'].pk}/{rest}", {"note": "x"})


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "note", "required"),
        ({"note": ""}, "note", "blank"),
        ({"note": " \n "}, "note", "blank"),
        ({"note": None}, "note", "null"),
        ({"note": 5}, "note", "not_text"),
        ({"note": "x" * (NOTE_MAX_LENGTH + 1)}, "note", "max_length"),
        ({"note": "a\u202eb"}, "note", "invisible_character"),
        ({"note": "Done", "status": "resolved"}, "status", "unknown_field"),
    ],
)
def test_a_decision_needs_its_reason_in_words(manager, raised, body, field, code):
    unchanged(400, manager.put, f"{ALERTS}/{raised['high'].pk}/resolve", body, field=field, code=code)


@pytest.mark.parametrize("raw", hostile.BODIES, ids=str)
def test_no_hostile_body_decides_anything(manager, raised, raw):
    for rest in ("acknowledge", "resolve"):
        address = f"{ALERTS}/{raised['high'].pk}/{rest}"
        unchanged(raw.status, manager.put, address, data=raw.body, content_type=raw.content_type)
    raised["high"].refresh_from_db()
    assert raised["high"].status == "open"


@pytest.mark.parametrize("segment", hostile.IDS)
def test_what_is_no_identifier_is_no_address(staff, segment):
    hostile.assert_problem(staff.get(f"{ALERTS}/{segment}"), 404)
    hostile.assert_problem(staff.put(f"{ALERTS}/{segment}/resolve", {"note": "x"}), 404)


def test_lists_take_few_queries_however_long_they_are(manager, staff, raised):
    """Key and rows."""
    for _ in range(2):
        for api, address in ((manager, ALERTS), (staff, ALERTS), (staff, f"{ALERTS}/{raised['high'].pk}")):
            assert queries(api, address) == 2
        for alert in raised.values():
            staff.put(f"{ALERTS}/{alert.pk}/acknowledge")
