"""Connections and accounts over the API: what is answered, to whom, and what is never said."""

import pytest
import structlog

from platforms.models import Account, Connection
from platforms.sandbox.wire import FaultKind
from platforms.services.lanes import park_connection
from platforms.tasks import check_account
from tests.factories import TODAY, AffiliateFactory, ConnectionFactory, UserFactory
from tests.platforms.support import connected, everything_stored, handle
from tests.reconciliation.support import queries, unchanged

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today", "sandbox")]

CONNECTIONS = "/api/v1/affiliates/me/connections"
ACCOUNTS = "/api/v1/affiliates/me/accounts"
TOKEN = "sb.x.3.1.0"


@pytest.fixture
def mila():
    return AffiliateFactory(name="Mila Ortega")


@pytest.fixture
def api(mila, client_of):
    return client_of(mila.user)


# --- Connecting


def test_a_token_is_tried_out_and_stored(api, mila):
    answer = api.post(CONNECTIONS, {"platform": "x", "token": f"  {TOKEN} "})
    connection = Connection.objects.get(affiliate=mila)
    assert answer.status_code == 201
    assert answer["Location"] == f"{CONNECTIONS}/{connection.pk}"
    assert answer["Cache-Control"] == "no-store"
    assert answer.json() == api.get(answer["Location"]).json()
    assert answer.json() == {
        "id": str(connection.pk),
        "platform": "x",
        "livemode": True,
        "state": "active",
        "method": "token",
        "handle": handle("x").lower(),
        "scopes": [],
        "connected_at": "2026-11-20T12:00:00Z",
        "last_read_at": None,
        "waits_until": None,
        "ends_at": None,
        "expires_soon": False,
        "parked_at": None,
        "problem": "",
    }


def test_without_a_token_the_answer_names_the_page_where_it_is_allowed(api, mila, client_of):
    answer = api.post(CONNECTIONS, {"platform": "tiktok"})
    assert answer.status_code == 202
    assert answer.json() == {
        "platform": "tiktok",
        "authorize_url": "http://testserver/connections/tiktok/connect/",
    }
    test = client_of(mila.user, livemode=False).post(CONNECTIONS, {"platform": "meta"})
    assert test.json() == {
        "platform": "facebook",
        "authorize_url": "http://testserver/connections/facebook/connect/?mode=test",
    }
    assert not Connection.objects.filter(affiliate=mila).exists()


@pytest.mark.parametrize(
    ("body", "status", "field", "code"),
    [
        ({"platform": "x", "token": "sb.x.3.r1.0"}, 422, "token", "token_refused"),
        ({"platform": "youtube", "token": "AIza-an-api-key"}, 422, "token", "token_refused"),
        ({"platform": "tiktok", "token": "sb.tiktok.3.1.0"}, 422, "token", "not_connectable"),
        ({"platform": "reddit", "token": "a"}, 422, "token", "not_connectable"),
        ({"platform": "reddit"}, 422, "platform", "not_connectable"),
        ({"platform": "myspace"}, 400, "platform", "unknown_platform"),
        ({}, 400, "platform", "required"),
        ({"platform": "x", "token": ""}, 400, "token", "blank"),
        ({"platform": "x", "scopes": "all"}, 400, "scopes", "unknown_field"),
    ],
)
def test_what_cannot_be_connected_is_refused_and_leaves_nothing(api, body, status, field, code):
    document = unchanged(status, api.post, CONNECTIONS, body, field=field, code=code)
    assert "sb." not in str(document)
    assert "AIza" not in str(document)


def test_where_we_are_no_application_the_platform_is_not_connectable(api, settings):
    settings.OAUTH = settings.OAUTH | {"x": settings.OAUTH["x"] | {"client_id": ""}}
    unchanged(422, api.post, CONNECTIONS, {"platform": "x"}, field="platform", code="not_connectable")
    assert api.post(CONNECTIONS, {"platform": "x", "token": TOKEN}).status_code == 201  # a token does still


def test_a_platform_that_is_away_is_503_and_nothing_is_stored(api, sandbox):
    sandbox.state.set_fault("x", FaultKind.RESET, 1, 600)
    assert unchanged(503, api.post, CONNECTIONS, {"platform": "x", "token": TOKEN})["code"] == "platform_unavailable"


def test_an_account_of_somebody_elses_is_409_and_not_by_whom(api):
    other = AffiliateFactory(name="Anders Vik")
    connected("x", other)
    document = unchanged(409, api.post, CONNECTIONS, {"platform": "x", "token": TOKEN})
    assert document["code"] == "account_taken"
    assert "Anders" not in str(document)
    document = unchanged(409, api.post, ACCOUNTS, {"platform": "x", "handle": handle("x")})
    assert document["code"] == "account_taken"


# --- How it fares


def test_health_is_said_in_words(api, mila):
    connection = connected("tiktok", mila)
    park_connection(connection_id=connection.pk, reason="auth: access_token_invalid")
    (row,) = api.get(CONNECTIONS).json()["results"]
    assert (row["state"], row["parked_at"]) == ("parked", "2026-11-20T12:00:00Z")
    assert row["problem"] == ("TikTok no longer accepts what you allowed us: it was withdrawn, or it has ended.")
    assert row["ends_at"] == "2027-11-20T12:00:00Z"


@pytest.mark.parametrize(
    ("reason", "words"), [("permission: 10", "does not cover"), ("quota: 4", "allowance"), ("odd", "refused our last")]
)
def test_every_reason_has_words(reason, words):
    connection = ConnectionFactory(state="parked", parked_at=TODAY, parked_reason=reason)
    assert words in connection.trouble


def test_a_list_takes_as_many_queries_for_many_as_for_one(api, mila):
    connected("x", mila)
    one = queries(api, CONNECTIONS)
    for slug in ("tiktok", "youtube", "instagram"):
        connected(slug, mila)
    assert queries(api, CONNECTIONS) == one
    assert len(api.get(CONNECTIONS).json()["results"]) == 4


def test_disconnecting_erases_and_may_be_repeated(api, mila):
    connection = connected("x", mila)
    for _ in range(2):
        answer = api.delete(f"{CONNECTIONS}/{connection.pk}")
        assert (answer.status_code, answer.json()["state"]) == (200, "disconnected")
    connection.refresh_from_db()
    assert connection.locked == ""
    assert api.delete(f"{CONNECTIONS}/{connection.pk}", {"really": True}).status_code == 400


# --- Whose they are


def test_strangers_and_other_modes_find_nothing(mila, client_of):
    connection = connected("x", mila)
    account = Account.objects.get()
    stranger, test = client_of(AffiliateFactory().user), client_of(mila.user, livemode=False)
    for client in (stranger, test):
        assert client.get(CONNECTIONS).json()["results"] == client.get(ACCOUNTS).json()["results"] == []
        for path in (f"{CONNECTIONS}/{connection.pk}", f"{ACCOUNTS}/{account.pk}"):
            assert client.get(path).status_code == client.delete(path).status_code == 404
        assert client.post(f"{ACCOUNTS}/{account.pk}/check").status_code == 404
    connection.refresh_from_db()
    assert connection.state == "active"


def test_the_applications_own_connections_are_nobodys(client_of):
    staff = UserFactory(is_staff=True)
    own = Connection.objects.own().first()
    assert client_of(staff).get(CONNECTIONS).status_code == 403
    assert client_of(AffiliateFactory().user).get(f"{CONNECTIONS}/{own.pk}").status_code == 404
    assert client_of(AffiliateFactory().user).delete(f"{CONNECTIONS}/{own.pk}").status_code == 404


def test_a_test_key_makes_connections_of_test_mode(mila, client_of):
    test = client_of(mila.user, livemode=False)
    row = test.post(CONNECTIONS, {"platform": "x", "token": TOKEN}).json()
    assert row["livemode"] is False
    account = test.post(ACCOUNTS, {"platform": "reddit", "handle": "ann"}).json()
    assert account["livemode"] is False
    assert not Connection.objects.filter(affiliate=mila, livemode=True).exists()
    assert client_of(mila.user).get(CONNECTIONS).json()["results"] == []


def test_an_affiliate_that_was_switched_off_connects_nothing(api, mila):
    mila.is_active = False
    mila.save()
    unchanged(403, api.post, CONNECTIONS, {"platform": "x", "token": TOKEN})


def test_no_answer_and_no_log_holds_a_token(api, mila, caplog):
    with structlog.testing.capture_logs() as logs:
        bodies = [
            api.post(CONNECTIONS, {"platform": "x", "token": TOKEN}).content.decode(),
            api.post(CONNECTIONS, {"platform": "x", "token": "sb.x.3.r77.0"}).content.decode(),
            api.get(CONNECTIONS).content.decode(),
            api.get(ACCOUNTS).content.decode(),
        ]
    written = "".join(bodies) + str(logs) + caplog.text + everything_stored()
    assert TOKEN not in written
    assert "sb.x.3.r77.0" not in written


# --- Accounts


def test_an_account_is_said_checked_and_proven(api, mila, sandbox):
    answer = api.post(ACCOUNTS, {"platform": "x", "handle": f"@{handle('x')}"})
    account = Account.objects.get()
    assert answer.status_code == 201
    assert answer["Location"] == f"{ACCOUNTS}/{account.pk}"
    row = answer.json()
    assert (row["state"], row["handle"], row["code"]) == ("said", handle("x").lower(), account.code)
    assert row["code_expires_at"] == "2026-11-27T12:00:00Z"
    answer = api.post(f"{answer['Location']}/check")
    assert (answer.status_code, answer.json()["state"]) == (202, "checking")
    sandbox.state.notes.bios["x", 3] = account.code
    check_account(str(account.pk))
    row = api.get(f"{ACCOUNTS}/{account.pk}").json()
    assert (row["state"], row["code"], row["proven_at"]) == ("proven", "", "2026-11-20T12:00:00Z")
    assert row["check_result"] == "The code stands in the bio."
    assert unchanged(409, api.post, f"{ACCOUNTS}/{account.pk}/check")["code"] == "account_state"
    assert api.delete(f"{ACCOUNTS}/{account.pk}").status_code == 204
    assert api.get(f"{ACCOUNTS}/{account.pk}").status_code == 404


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"platform": "tiktok", "handle": "ann"}, "platform", "connection_needed"),
        ({"platform": "facebook", "handle": "ann"}, "platform", "connection_needed"),
        ({"platform": "x", "handle": "two words"}, "handle", "malformed_handle"),
    ],
)
def test_what_no_code_can_prove_is_refused(api, body, field, code):
    unchanged(422, api.post, ACCOUNTS, body, field=field, code=code)


def test_a_connected_account_is_not_withdrawn(api, mila):
    connected("x", mila)
    unchanged(409, api.delete, f"{ACCOUNTS}/{Account.objects.get().pk}")
