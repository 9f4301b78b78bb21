"""What staff set for a platform, through the API."""

import pytest

from affiliates.models import AuditEvent
from platforms.models import Connection, Platform
from platforms.services.lanes import park_connection
from tests.factories import UserFactory
from tests.reconciliation.support import unchanged
from tests.staff import lane

pytestmark = pytest.mark.django_db

CONFIG = "/api/v1/platforms/youtube/config"
DEFAULTS = {
    "views_lag_h": 24,
    "rate_calls": 1_800,
    "rate_window_s": 60,
    "daily_quota": 10_000,
    "breaker_failures": 5,
    "breaker_open_s": 15,
    "breaker_open_max_s": 300,
}
SECRET = "AIza-very-secret"


@pytest.fixture
def person():
    return UserFactory(is_staff=True)


@pytest.fixture
def staff(client_of, person):
    return client_of(person, ("platforms",))


def test_it_shows_what_holds_what_would_by_default_and_where_credentials_come_from(staff):
    assert staff.get(CONFIG).json() == {
        "platform": "youtube",
        **DEFAULTS,
        "defaults": DEFAULTS,
        "overridden": [],
        "credentials": {"api_key": {"set": True, "source": "environment"}},
    }


@pytest.mark.parametrize("method", ["put", "patch"])
def test_what_is_given_is_set_and_the_rest_stays(staff, person, method):
    send = getattr(staff, method)
    assert send(CONFIG, {"views_lag_h": 48, "rate_calls": 900}).status_code == 200
    shown = send(CONFIG, {"breaker_failures": 3, "views_lag_h": None}).json()
    assert {name: shown[name] for name in DEFAULTS} == DEFAULTS | {"rate_calls": 900, "breaker_failures": 3}
    assert shown["overridden"] == ["rate_calls", "breaker_failures"]
    assert shown["defaults"] == DEFAULTS
    assert staff.get(CONFIG).json() == shown
    events = AuditEvent.objects.filter(action="platform.configured").order_by("id")
    assert [(event.actor, event.changes) for event in events] == [
        (person, {"views_lag_h": [None, 48], "rate_calls": [None, 900]}),
        (person, {"views_lag_h": [48, None], "breaker_failures": [None, 3]}),
    ]
    assert all(event.request_id for event in events)


def test_nothing_given_changes_nothing(staff):
    assert staff.put(CONFIG, {}).json()["overridden"] == []
    assert not AuditEvent.objects.filter(action__startswith="platform").exists()


def test_secrets_go_in_and_never_come_out(staff, caplog):
    park_connection(connection_id=lane().pk, reason="auth: keyInvalid")
    answer = staff.put(CONFIG, {"credentials": {"api_key": SECRET}})
    assert answer.json()["credentials"] == {"api_key": {"set": True, "source": "stored"}}
    assert (lane().secrets, lane().state) == ({"api_key": SECRET}, "active")
    for text in (answer.content.decode(), staff.get(CONFIG).content.decode(), caplog.text):
        assert SECRET not in text
    assert SECRET not in str(list(AuditEvent.objects.values()))
    removed = staff.put(CONFIG, {"credentials": {"api_key": None}})
    assert removed.json()["credentials"] == {"api_key": {"set": True, "source": "environment"}}


@pytest.mark.parametrize(
    "name", ["base_url", "token_url", "host", "oauth_url", "quota_zone", "slug", "is_active", "id"]
)
def test_hosts_and_whatever_else_is_no_setting_are_unknown(staff, name):
    unchanged(400, staff.put, CONFIG, {name: "https://example.com", "rate_calls": 5}, field=name, code="unknown_field")
    assert Platform.objects.get(slug="youtube").config == {}


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"rate_calls": 0}, "rate_calls", "min_value"),
        ({"rate_calls": 1_000_001}, "rate_calls", "max_value"),
        ({"breaker_open_s": 301}, "breaker_open_max_s", "invalid_setting"),
        ({"credentials": {"base_url": "https://example.com"}}, "credentials.base_url", "invalid_setting"),
        ({"credentials": {"api_key": 5}}, "credentials.api_key", "not_text"),
        ({"credentials": {"api_key": "a b\n"}}, "credentials.api_key", "invalid_setting"),
        ({"credentials": None}, "credentials", "null"),
        ({"credentials": [SECRET]}, "credentials", "not_a_dict"),
    ],
    ids=str,
)
def test_a_refusal_names_the_field_and_sets_nothing(staff, body, field, code):
    problem = unchanged(400, staff.put, CONFIG, {"views_lag_h": 1} | body, field=field, code=code)
    assert SECRET not in str(problem)
    assert Platform.objects.get(slug="youtube").config == {}
    assert not Connection.objects.exclude(locked="").exists()


@pytest.mark.parametrize("slug", ["nonsense", "YouTube", "youtube2", "you%00tube", "%2e%2e"])
def test_an_unknown_platform_is_not_there(staff, slug):
    unchanged(404, staff.put, f"/api/v1/platforms/{slug}/config", {})


def test_a_platform_that_is_switched_off_is_not_there(staff):
    Platform.objects.filter(slug="youtube").update(is_active=False)
    unchanged(404, staff.get, CONFIG)


def test_meta_is_another_word_for_facebook(staff):
    assert staff.put("/api/v1/platforms/meta/config", {"rate_calls": 7}).json()["platform"] == "facebook"
    assert Platform.objects.get(slug="facebook").config == {"rate_calls": 7}


def test_a_test_key_reads_and_changes_nothing(client_of, person):
    test_key = client_of(person, ("platforms",), livemode=False)
    assert test_key.get(CONFIG).status_code == 200
    assert unchanged(403, test_key.put, CONFIG, {"rate_calls": 5})["code"] == "not_allowed"
