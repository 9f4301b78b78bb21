"""Signing up, one's own details, and staff's list."""

import json
import logging
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from rest_framework.test import APIClient

from affiliates.errors import AlreadyTakenError
from affiliates.models import Affiliate, ApiKey, AuditEvent, Invitation, User
from affiliates.services import invite, sign_up, update_affiliate
from config import clock
from tests.factories import PASSWORD, TODAY, AffiliateFactory, MembershipFactory, UserFactory
from tests.hostile import assert_problem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

SIGN_UP = "/api/v1/affiliates/"
ME = "/api/v1/affiliates/me"
ANN = {"name": "Ann", "email": "ann@example.com"}


@pytest.fixture
def open_to_all(settings):
    settings.OPEN_SIGNUP = True


@pytest.fixture
def staff(client_of):
    return client_of(UserFactory(is_staff=True))


# --- Signing up


@pytest.mark.usefixtures("open_to_all")
def test_a_stranger_signs_up_and_comes_in_with_the_key():
    response = APIClient().post(SIGN_UP, ANN | {"discord_user_id": "123456789012345678"})
    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    answer = response.json()
    affiliate = Affiliate.objects.get()
    key = answer.pop("api_key")
    assert answer == {
        "id": str(affiliate.pk),
        "name": "Ann",
        "email": "ann@example.com",
        "discord_user_id": "123456789012345678",
        "discord_linked_at": None,
        "is_active": True,
        "created_at": TODAY.isoformat().replace("+00:00", "Z"),
    }
    me = APIClient().get(ME, headers={"authorization": f"Bearer {key}"})
    assert me.json() == answer
    assert ApiKey.objects.get().scopes == ["submit", "read"]
    assert not affiliate.user.has_usable_password()
    assert AuditEvent.objects.filter(action="affiliate.signed_up", object_id=affiliate.pk, actor=None).count() == 1


@pytest.mark.usefixtures("open_to_all")
def test_an_email_has_one_spelling_and_a_password_opens_the_pages():
    answer = APIClient().post(SIGN_UP, {"name": " Ann  ", "email": "Ann@Example.COM", "password": PASSWORD}).json()
    assert (answer["name"], answer["email"]) == ("Ann", "ann@example.com")
    assert APIClient().login(email="ANN@example.com", password=PASSWORD)


def test_a_stranger_needs_an_invitation_where_sign_up_is_closed():
    assert assert_problem(APIClient().post(SIGN_UP, ANN), 403)["code"] == "sign_up_closed"
    assert not User.objects.exists()


def test_an_invitation_lets_one_in_once():
    _, code = invite(by=UserFactory(is_staff=True))
    assert APIClient().post(SIGN_UP, ANN | {"invitation": code}).status_code == 201
    again = APIClient().post(SIGN_UP, {"name": "Bob", "email": "bob@example.com", "invitation": code})
    assert assert_problem(again, 400)["errors"][0]["field"] == "invitation"
    assert Affiliate.objects.count() == 1


def test_an_invitation_runs_out_and_is_not_used_up_by_a_failure():
    invitation, code = invite(by=UserFactory(is_staff=True))
    AffiliateFactory(name="ANN")
    assert_problem(APIClient().post(SIGN_UP, ANN | {"invitation": code}), 409)
    with clock.at(invitation.expires_at):
        assert_problem(APIClient().post(SIGN_UP, ANN | {"invitation": code}), 400)
    assert Invitation.objects.get().accepted_at is None


def test_staff_sign_up_whom_they_like_and_as_often(staff, monkeypatch):
    monkeypatch.setattr("config.api.throttling.SignUpThrottle.rate", "1/hour", raising=False)
    for n in range(3):
        assert staff.post(SIGN_UP, {"name": f"A{n}", "email": f"a{n}@example.com"}).status_code == 201


def test_a_member_is_no_staff(client_of):
    client = client_of(MembershipFactory().user)
    assert assert_problem(client.post(SIGN_UP, ANN), 403)["code"] == "sign_up_closed"


def test_staffs_key_needs_the_scope(client_of):
    assert_problem(client_of(UserFactory(is_staff=True), ("read", "campaigns")).post(SIGN_UP, ANN), 403)


@pytest.mark.usefixtures("open_to_all")
def test_strangers_sign_up_a_few_times_an_hour(monkeypatch):
    monkeypatch.setattr("config.api.throttling.SignUpThrottle.rate", "2/hour", raising=False)
    codes = [APIClient().post(SIGN_UP, {}).status_code for _ in range(3)]
    assert codes == [400, 400, 429]


@pytest.mark.usefixtures("open_to_all")
@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "aNN", "email": "new@example.com"}, "name"),
        ({"name": "New", "email": "ANN@example.com"}, "email"),
        ({"name": "New", "email": "new@example.com", "discord_user_id": "123456789012345678"}, "discord_user_id"),
    ],
)
def test_what_is_taken_is_a_conflict(given, field):
    AffiliateFactory(name="Ann", user__email="ann@example.com", discord_user_id="123456789012345678")
    document = assert_problem(APIClient().post(SIGN_UP, given), 409)
    assert (document["code"], document["errors"][0]["field"]) == ("already_taken", field)
    assert Affiliate.objects.count() == User.objects.count() == 1


@pytest.mark.usefixtures("open_to_all")
@pytest.mark.parametrize("whose", [{"is_staff": True}, {"is_active": False}, {}])
def test_whose_email_it_is_is_not_told(whose):
    UserFactory(email="ann@example.com", **whose)
    document = assert_problem(APIClient().post(SIGN_UP, ANN), 409)
    assert document["errors"] == [{"field": "email", "code": "already_taken", "detail": "This is taken already."}]


def test_two_who_sign_up_at_once_are_told_apart_by_the_database(monkeypatch):
    AffiliateFactory(name="Ann")
    monkeypatch.setattr("django.db.models.QuerySet.exists", lambda self: False)  # the other one came after the look
    with pytest.raises(AlreadyTakenError):
        sign_up(name="ann", email="new@example.com", by=AnonymousUser(), open_to_all=True)
    assert User.objects.count() == 1


@pytest.mark.usefixtures("open_to_all")
@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"email": "ann@example.com"}, "name"),
        ({"name": "Ann"}, "email"),
        ({"name": "", "email": "ann@example.com"}, "name"),
        ({"name": "x" * 121, "email": "ann@example.com"}, "name"),
        ({"name": "Ann", "email": "ann"}, "email"),
        ({"name": "Ann", "email": "ann@example.com\n.evil.com"}, "email"),
        ({"name": "Ann", "email": "a" * 250 + "@example.com"}, "email"),
        (ANN | {"discord_user_id": "ann#1234"}, "discord_user_id"),
        (ANN | {"discord_user_id": 123456789012345678}, "discord_user_id"),
        (ANN | {"password": "short"}, "password"),
        (ANN | {"password": "12345678901234"}, "password"),
        (ANN | {"password": "ann@example.com"}, "password"),
        (ANN | {"password": "x" * 129}, "password"),
        (ANN | {"is_staff": True}, "is_staff"),
        (ANN | {"trust_score": 1}, "trust_score"),
        (ANN | {"is_active": True}, "is_active"),
        (ANN | {"api_key": "mine"}, "api_key"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(given, field):
    document = assert_problem(APIClient().post(SIGN_UP, given), 400)
    assert [error["field"] for error in document["errors"]] == [field]
    assert not User.objects.exists()


@pytest.mark.usefixtures("open_to_all")
def test_no_log_line_holds_the_email_the_password_or_the_key(caplog):
    with caplog.at_level(logging.DEBUG):
        key = APIClient().post(SIGN_UP, ANN | {"password": PASSWORD}).json()["api_key"]
    lines = "\n".join(str(record.__dict__) for record in caplog.records if not record.name.startswith("django.db"))
    assert not [secret for secret in (ANN["email"], PASSWORD, key) if secret in lines]


# --- One's own details


def test_alice_changes_her_own_details(client_of):
    alice = AffiliateFactory(name="Alice")
    client = client_of(alice.user)
    assert client.put(ME, {"discord_user_id": "123456789012345678"}).json()["name"] == "Alice"
    assert client.patch(ME, {"name": "Alice B"}).json()["discord_user_id"] == "123456789012345678"
    assert client.patch(ME, {"discord_user_id": None}).json()["discord_user_id"] is None
    assert client.patch(ME, {}).json()["name"] == "Alice B"
    events = AuditEvent.objects.filter(action="affiliate.updated", actor=alice.user)
    recorded = sorted(json.dumps(event.changes) for event in events)  # which fields, never what people typed
    assert recorded == ['{"fields": ["discord_user_id"]}'] * 2 + ['{"fields": ["name"]}']


@pytest.mark.parametrize(
    "field", ["id", "email", "is_active", "created_at", "trust_score", "is_staff", "user", "livemode"]
)
def test_what_is_not_hers_to_set_is_refused(client_of, field):
    alice = AffiliateFactory()
    document = assert_problem(client_of(alice.user).patch(ME, {field: True, "name": "New"}), 400)
    assert [error["field"] for error in document["errors"]] == [field]
    assert Affiliate.objects.get().name == alice.name


@pytest.mark.parametrize("changes", [{"name": "bOB"}, {"discord_user_id": "123456789012345678"}])
def test_a_name_or_discord_user_of_somebody_else_is_a_conflict(client_of, changes):
    AffiliateFactory(name="Bob", discord_user_id="123456789012345678")
    assert_problem(client_of(AffiliateFactory(name="Alice").user).patch(ME, changes), 409)
    assert set(Affiliate.objects.values_list("name", flat=True)) == {"Alice", "Bob"}


def test_two_who_take_a_name_at_once_are_told_apart_by_the_database(monkeypatch):
    AffiliateFactory(name="Bob")
    alice = AffiliateFactory(name="Alice")
    monkeypatch.setattr("django.db.models.QuerySet.exists", lambda self: False)
    with pytest.raises(AlreadyTakenError):
        update_affiliate(affiliate=alice, by=alice.user, name="bob")


def test_who_is_no_active_affiliate_has_no_details(client_of):
    for user in (UserFactory(), MembershipFactory().user, AffiliateFactory(is_active=False).user):
        assert_problem(client_of(user).get(ME), 403)


# --- Staff's list


def test_staff_see_everybody_and_nobody_else_does(staff, client_of):
    alice = AffiliateFactory(name="Alice")
    with clock.at(TODAY + timedelta(seconds=1)):
        bob = AffiliateFactory(name="Bob", is_active=False)
    answer = staff.get(SIGN_UP).json()
    assert [row["id"] for row in answer["results"]] == [str(bob.pk), str(alice.pk)]
    assert answer["results"][0]["email"] == bob.user.email
    for user in (alice.user, MembershipFactory().user, UserFactory()):
        assert_problem(client_of(user).get(SIGN_UP), 403)


@pytest.mark.parametrize(
    ("query", "names"),
    [("name=ali", {"Alice"}), ("is_active=false", {"Bob"}), ("is_active=true&name=b", set()), ("", {"Bob", "Alice"})],
)
def test_the_list_can_be_narrowed(staff, query, names):
    AffiliateFactory(name="Alice")
    AffiliateFactory(name="Bob", is_active=False)
    assert {row["name"] for row in staff.get(f"{SIGN_UP}?{query}").json()["results"]} == names


@pytest.mark.parametrize("query", ["is_active=maybe", "is_active=1", "email=a", "name=%00", "offset=1", "limit=1"])
def test_a_filter_that_is_not_known_or_no_value_is_refused(staff, query):
    document = assert_problem(staff.get(f"{SIGN_UP}?{query}"), 400)
    assert document["errors"][0]["field"] == query.split("=")[0]


def test_the_list_takes_two_queries_however_long(staff, django_assert_num_queries):
    AffiliateFactory.create_batch(5)
    staff.get(SIGN_UP)
    with django_assert_num_queries(2):  # the key with its user, the page
        assert len(staff.get(SIGN_UP).json()["results"]) == 5
