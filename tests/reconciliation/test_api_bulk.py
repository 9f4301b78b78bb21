"""Claims for many posts in one request: each comes to what it would have come to alone."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from affiliates.models import AuditEvent
from campaigns.models import Post
from reconciliation.models import AffiliateReport, Job, PostState
from reconciliation.services import submission
from tests.factories import AffiliateFactory, CampaignFactory
from tests.hostile import assert_problem
from tests.reconciliation.support import unchanged

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

BULK = "/api/v1/submissions/bulk"


@pytest.fixture
def affiliate():
    return AffiliateFactory()


@pytest.fixture
def api(client_of, affiliate):
    return client_of(affiliate.user)


@pytest.fixture
def item():
    """A claim for the n-th of many posts."""
    campaign = CampaignFactory()

    def make(number, **fields):
        url = f"https://www.youtube.com/watch?v={number:011d}"
        return {"campaign": str(campaign.pk), "platform": "youtube", "url": url, "claimed_views": 5} | fields

    return make


def results(answer):
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def without_request_id(problem):
    return {name: value for name, value in problem.items() if name != "request_id"}


def test_each_item_is_answered_as_it_would_have_been_alone(api, client_of, item):
    other = client_of(AffiliateFactory().user)
    assert other.post("/api/v1/submissions", item(1)).status_code == 202
    assert api.post("/api/v1/submissions", item(2)).status_code == 202
    refused = [
        item(1),
        item(3, campaign="018f0000-0000-7000-8000-000000000000"),
        item(3, platform="nowhere"),
        item(3, platform="x"),
        item(3, url="https://example.com/"),
        item(3, claimed_views="5"),
        item(3, claimed_views=None),
        item(3, trust_score=1),
        item(3, tracking_link="none"),
        {},
        7,
        None,
        [],
    ]
    items = [item(5), *refused, item(2), item(2, claimed_views=6), item(5), item(6, platform="youtube", title="Hello")]
    found = results(api.post(BULK, {"items": items}))
    assert len(found) == len(items)
    for sent, result in zip(refused, found[1:], strict=False):
        assert result["submission"] is None
        if isinstance(sent, dict):
            alone = assert_problem(api.post("/api/v1/submissions", sent), result["status"])
            assert without_request_id(result["problem"]) == without_request_id(alone)
        assert result["problem"]["status"] == result["status"] >= 400
    taken = found[:1] + found[1 + len(refused) :]
    assert [(one["status"], one["submission"]["outcome"]) for one in taken] == [
        (202, "new_post"),
        (200, "unchanged"),
        (202, "new_claim"),
        (200, "unchanged"),
        (202, "new_post"),
    ]
    for one in taken:
        alone = api.get(one["submission"]["links"]["self"]).json()
        assert (alone["id"], alone["url"]) == (one["submission"]["id"], one["submission"]["url"])
        assert one["problem"] is None
    assert AuditEvent.objects.filter(action="claim.refused_second_claimant").count() == 2  # together, and alone
    assert (Post.objects.count(), AffiliateReport.objects.count(), Job.objects.count()) == (4, 5, 4)


@pytest.mark.parametrize("items", [None, "x", {}, 1, [], [{}] * 501], ids=lambda items: repr(items)[:12])
def test_what_is_no_list_of_1_to_500_is_refused(api, items):
    unchanged(400, api.post, BULK, {"items": items}, field="items")
    assert unchanged(400, api.post, BULK, {}, field="items")


def test_500_with_all_that_can_be_said_of_them_are_taken_in_as_many_statements_as_ten(api, item):
    words = {"title": "T" * 300, "description": "D" * 5_000}
    with CaptureQueriesContext(connection) as few:
        assert {
            each["status"] for each in results(api.post(BULK, {"items": [item(n, **words) for n in range(10)]}))
        } == {202}
    with CaptureQueriesContext(connection) as many:
        found = results(api.post(BULK, {"items": [item(n, **words) for n in range(1_000, 1_500)]}))
    assert {each["status"] for each in found} == {202}
    assert [each["submission"]["url"][-4:] for each in found] == [str(n) for n in range(1_000, 1_500)]
    assert len(many) <= len(few) + 8  # rows are written some hundred at a time


@pytest.mark.parametrize(("size_mb", "status"), [(3, 400), (4, 413), (64, 413)])
def test_a_body_is_of_4_mb_at_most(api, size_mb, status):
    body = json.dumps({"a": "x" * size_mb * 2**20})
    document = unchanged(status, api.generic, "POST", BULK, body, content_type="application/json")
    assert status != 413 or "4096 KB" in document["detail"]


def test_json_is_for_affiliates_and_files_are_for_those_who_manage(api, client_of, affiliate, item):
    assert_problem(api.post(BULK, {"file": "x"}, format="multipart"), 403)
    assert_problem(client_of(affiliate.user, ("campaigns", "read")).post(BULK, {"items": [item(1)]}), 403)
    assert results(client_of(affiliate.user, ("submit",)).post(BULK, {"items": [item(1)]}))
    for content_type in ("text/csv", "text/plain", "application/x-www-form-urlencoded", "multipart"):
        unchanged(415, api.generic, "POST", BULK, "x", content_type=content_type)


def test_the_answer_is_replayed_with_what_was_refused_in_it(api, item):
    body, headers = {"items": [item(1), item(2, url="no")]}, {"Idempotency-Key": "one"}
    first, again = (api.post(BULK, body, headers=headers) for _ in range(2))
    assert [each["status"] for each in results(first)] == [202, 422]
    assert (again.content, again["Idempotent-Replayed"]) == (first.content, "true")


@pytest.fixture
def trap():
    """The database refuses a post that turns out to break a constraint, as it would one that somebody else has just
    written."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE FUNCTION trip() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE unique_violation USING CONSTRAINT = 'trap'; END $$;
            CREATE TRIGGER trap BEFORE INSERT ON campaigns_post
                FOR EACH ROW WHEN (NEW.external_id = '00000000002') EXECUTE FUNCTION trip();
            """
        )


def test_where_one_trips_the_database_the_others_are_taken_all_the_same(api, item, trap):
    found = results(api.post(BULK, {"items": [item(1), item(2), item(3), item(3, claimed_views=6)]}))
    assert [each["status"] for each in found] == [202, 409, 202, 202]
    assert found[1]["problem"]["code"] == "conflict"
    assert (Post.objects.count(), PostState.objects.count(), AffiliateReport.objects.count()) == (2, 2, 3)


def test_a_fault_leaves_nothing_of_any(api, item, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr(submission, "_follow", fail)  # the posts are written already
    with pytest.raises(RuntimeError):
        api.post(BULK, {"items": [item(1), item(2)]})
    assert not Post.objects.exists()
