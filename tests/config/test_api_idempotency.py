"""`Idempotency-Key`: sent again, a request is answered again and not done again; a refusal is not kept."""

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from affiliates import services
from affiliates.api.idempotency import idempotent
from affiliates.models import ApiKey, AuditEvent, IdempotencyKey
from affiliates.querysets import IdempotencyKeyQuerySet
from affiliates.tasks import forget_idempotency_keys
from config import clock
from config.api.schema import MadeOnce
from reconciliation.models import Import, PostState
from tests.config.api_world import documented
from tests.factories import TODAY, AffiliateFactory, EnrolmentFactory
from tests.hostile import assert_problem
from tests.reconciliation.support import rows

POSTS = [row for row in documented() if row.method == "POST"]
SPEAKS_TO_A_PLATFORM = {"/api/v1/affiliates/me/connections"}
"""No transaction may be open meanwhile. Connecting again replaces what was stored, so that a repeat is harmless."""
SHOWS_A_SECRET = {
    "/api/v1/affiliates",
    "/api/v1/affiliates/me/discord-code",
    "/api/v1/campaigns/{campaign_id}/postback-keys",
}
SUBMISSIONS = "/api/v1/submissions"
URL = "https://www.youtube.com/watch?v=abcdefghijk"


@pytest.fixture
def submit(world):
    """Claim views for the world's post, under a key or none."""

    def send(views, key=None, client=None, address=SUBMISSIONS, **more):
        body = {"campaign": world.ids["campaign_id"], "platform": "youtube", "url": URL, "claimed_views": views}
        headers = {"Idempotency-Key": key} if key is not None else {}
        return (client or world.clients["affiliate"]).post(address, body | more, headers=headers)

    return send


def assert_replayed(answer, first):
    assert (answer.status_code, answer.content) == (first.status_code, first.content)
    assert answer["Idempotent-Replayed"] == "true"
    for header in ("Content-Type", "Location"):
        assert answer.get(header) == first.get(header)


# --- Every address


@pytest.mark.parametrize(
    "row", [row for row in POSTS if row.path not in SPEAKS_TO_A_PLATFORM], ids=lambda row: f"{row.path}"
)
def test_every_post_is_done_once_under_a_key(world, row):
    client, headers = world.client_for(row), {"Idempotency-Key": "one"}
    first = world.send(client, row, headers=headers)
    before = rows()
    again = world.send(client, row, headers=headers)
    assert rows() == before
    if first.status_code == 409:  # the world's own state does not admit it, and a refusal is not kept
        assert assert_problem(again, 409)["code"] == first.json()["code"]
    elif row.path in SHOWS_A_SECRET:
        assert assert_problem(again, 409)["code"] == "shown_once"
        assert IdempotencyKey.objects.get().body is None
    else:
        assert first.status_code in (200, 201, 202)
        assert_replayed(again, first)
        assert "Idempotent-Replayed" not in first


def test_the_schema_names_the_header_where_it_is_heeded():
    paths = MadeOnce().get_schema()["paths"]
    heeding = {
        path
        for path, methods in paths.items()
        for parameter in methods.get("post", {}).get("parameters", [])
        if parameter["name"] == "Idempotency-Key" and parameter["in"] == "header"
    }
    assert heeding == {row.path for row in POSTS} - SPEAKS_TO_A_PLATFORM


# --- What is the same request


def test_a_replay_needs_neither_the_same_spelling_nor_the_same_state(world, submit):
    first = submit(5, "one")
    submit(6)
    assert_replayed(submit(5, "one", address=f"{SUBMISSIONS}/"), first)
    assert PostState.objects.get(post=first.json()["id"]).current_claim.claimed_views == 6


@pytest.mark.parametrize(
    "other",
    [{"views": 6}, {"views": 5, "title": "Hello"}, {"views": 5, "address": "/api/v1/affiliates/submissions"}],
    ids=str,
)
def test_another_request_under_a_key_that_is_taken_is_refused(submit, other):
    submit(5, "one")
    before = rows()
    problem = assert_problem(submit(other.pop("views"), "one", **other), 422)
    assert (problem["code"], problem["errors"][0]["field"]) == ("idempotency_key_reused", "Idempotency-Key")
    assert rows() == before


def test_names_in_another_order_are_the_same_request(world, submit):
    first = submit(5, "one")
    body = {"claimed_views": 5, "url": URL, "platform": "youtube", "campaign": world.ids["campaign_id"]}
    assert_replayed(world.clients["affiliate"].post(SUBMISSIONS, body, headers={"Idempotency-Key": "one"}), first)


def test_a_file_is_the_same_by_its_name_and_contents(world):
    def send(contents, name="rows.csv"):
        form = {"file": SimpleUploadedFile(name, contents)}
        headers = {"Idempotency-Key": "one"}
        return world.clients["staff"].post("/api/v1/affiliates/bulk", form, format="multipart", headers=headers)

    contents = b"name,email\n" + b"Ann,ann@example.com\n" * 10_000
    first = send(contents)
    assert first.status_code == 202, first.content
    assert Import.objects.get(pk=first.json()["id"]).size_bytes == len(contents)
    assert_replayed(send(contents), first)
    assert_problem(send(contents + b"Bob,bob@example.com\n"), 422)
    assert_problem(send(contents, "other.csv"), 422)


def open_savepoints(file, *, name):
    """A scanner that finds fault with a transaction that is open, besides that of the test."""
    return ", ".join(connection.savepoint_ids)


@pytest.mark.parametrize("address", ["submissions/bulk", "affiliates/bulk", "campaigns/bulk"])
def test_a_file_is_scanned_before_its_key_is_taken(world, settings, address):
    settings.UPLOAD_SCANNER = f"{__name__}.open_savepoints"
    form = {"file": SimpleUploadedFile("rows.csv", b"name,email\nAnn,ann@example.com\n")}
    headers = {"Idempotency-Key": "one"}
    answer = world.clients["staff"].post(f"/api/v1/{address}", form, format="multipart", headers=headers)
    # The scanner passes it: of the columns, which only one of the three kinds has, less is said than of infected files.
    assert answer.json().get("code") in (None, "unknown_column")


class EchoView(APIView):
    """Says what a form holds."""

    parser_classes = [MultiPartParser]

    @idempotent
    def post(self, request):
        return Response(request.data.getlist("tag"))


def test_a_form_is_the_same_by_all_values_of_its_fields(world):
    def send(*tags):
        request = APIRequestFactory().post("/", {"tag": tags}, format="multipart", headers={"Idempotency-Key": "one"})
        force_authenticate(request, world.people["affiliate"])
        return EchoView.as_view()(request)

    first = send("red", "blue")
    assert first.data == ["red", "blue"]
    assert_replayed(send("red", "blue"), first)
    assert send("green", "blue").status_code == 422


# --- Whose key it is


def test_a_key_is_its_users_through_all_their_api_keys_of_a_mode(world, submit, client_of):
    first = submit(5, "one")
    ApiKey.objects.filter(user=world.people["affiliate"]).update(revoked_at=TODAY)
    assert_replayed(submit(5, "one", client_of(world.people["affiliate"])), first)
    test_key = submit(5, "one", client_of(world.people["affiliate"], livemode=False))
    assert assert_problem(test_key, 422)["code"] == "unknown_campaign"  # not told what the live world answered
    assert submit(5, "one", client_of(AffiliateFactory().user)).json()["code"] == "unknown_campaign"


def test_a_session_has_keys_too(world, submit):
    browser = Client()
    browser.force_login(world.people["affiliate"])
    answers = [
        browser.post(
            SUBMISSIONS,
            {"campaign": world.ids["campaign_id"], "platform": "youtube", "url": URL, "claimed_views": 5},
            content_type="application/json",
            headers={"Idempotency-Key": "one"},
        )
        for _ in range(2)
    ]
    assert_replayed(answers[1], answers[0])
    assert IdempotencyKey.objects.get().livemode is None
    unchanged = submit(5, "one")  # the session's key is not the API key's: the claim stands already
    assert (unchanged.status_code, "Idempotent-Replayed" in unchanged) == (200, False)


def test_a_replay_is_for_those_who_may_do_it(world, submit, client_of):
    submit(5, "one")
    assert_problem(submit(5, "one", client_of(world.people["affiliate"], ("read",))), 403)


def test_a_strangers_sign_up_is_remembered_for_nobody(world):
    body = {"name": "New name", "email": "new@example.com"}
    answers = [
        world.clients["anonymous"].post("/api/v1/affiliates", body, headers={"Idempotency-Key": "one"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 409]
    assert answers[1].json()["code"] == "already_taken"


# --- What is kept, and for how long


def test_a_refusal_is_not_kept_and_the_mended_request_is_taken(submit):
    assert_problem(submit("many", "one"), 400)
    assert_problem(submit(None, "one"), 422)
    assert not IdempotencyKey.objects.exists()
    assert submit(5, "one").status_code == 202


def test_what_is_recorded_of_a_refusal_stays_on_record(world, submit, client_of):
    somebody = AffiliateFactory()
    EnrolmentFactory(campaign_id=world.ids["campaign_id"], affiliate=somebody)
    assert submit(5, client=client_of(somebody.user)).status_code == 202
    assert assert_problem(submit(5, "one"), 409)["code"] == "already_claimed"
    assert AuditEvent.objects.filter(action="claim.refused_second_claimant").count() == 1


def test_a_fault_undoes_the_work_and_leaves_no_key(submit, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError

    before = rows()
    with monkeypatch.context() as patch:
        patch.setattr(IdempotencyKeyQuerySet, "keep", fail)  # the work is done, its answer is not saved yet
        with pytest.raises(RuntimeError):
            submit(5, "one")
    assert rows() == before
    assert submit(5, "one").status_code == 202


def test_who_was_answered_between_look_and_lock_is_not_done_twice(submit, monkeypatch):
    submit(5, "one")
    before = rows()
    monkeypatch.setattr(IdempotencyKeyQuerySet, "take", lambda *args, **kwargs: (None, True))
    answer = submit(6, "one")
    assert assert_problem(answer, 409)["code"] == "idempotency_key_in_use"
    assert answer["Retry-After"]
    assert rows() == before


def test_a_key_is_forgotten_after_a_day(submit, monkeypatch):
    first = submit(5, "one")
    with clock.at(TODAY + timedelta(hours=23, minutes=59)):
        forget_idempotency_keys()
        assert_replayed(submit(5, "one"), first)
    with clock.at(TODAY + timedelta(hours=24)):
        assert submit(6, "one").status_code == 202  # though nothing has forgotten it yet
        assert submit(6, "one")["Idempotent-Replayed"]
        for number in range(5):
            submit(7 + number, f"key-{number}")
    with clock.at(TODAY + timedelta(hours=48)):
        monkeypatch.setattr(services, "FORGET_AT_ONCE", 2)
        forget_idempotency_keys()
    assert not IdempotencyKey.objects.exists()


# --- The header


@pytest.mark.parametrize(
    "key", ["", " ", "x" * 256, "two words", "\u00e9", "tab\there", "new\nline", "\x7f", "\u0665"], ids=ascii
)
def test_what_is_no_key_is_refused(submit, key):
    before = rows()
    problem = assert_problem(submit(5, key), 400)
    assert (problem["code"], problem["errors"][0]["field"]) == ("idempotency_key_malformed", "Idempotency-Key")
    assert rows() == before


@pytest.mark.parametrize("key", ["x", "~" * 255, '"018f-quoted"', "%00", "';DROP--", "<b>"])
def test_any_visible_ascii_is_a_key(submit, key):
    first = submit(5, key)
    assert_replayed(submit(5, key), first)


def test_a_key_costs_two_statements_and_none_costs_nothing(submit):
    def statements(views, key=None):
        with CaptureQueriesContext(connection) as captured:
            assert submit(views, key).status_code == 202
        return [query["sql"] for query in captured if not re.match("(RELEASE )?SAVEPOINT", query["sql"])]

    submit(4)
    without, with_key = statements(5), statements(6, "one")
    assert len(with_key) - len(without) == 2
    assert not any("idempotency" in sql for sql in without)
