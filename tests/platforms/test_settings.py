"""What staff set for a platform: figures within bounds, and credentials that nobody reads again."""

import json

import pytest
from cryptography.fernet import Fernet

from affiliates.models import AuditEvent
from config import clock
from platforms.adapters import adapter_of
from platforms.errors import SettingRefusedError
from platforms.metrics import Metric
from platforms.models import Connection, Platform
from platforms.services.lanes import hold_connection, park_connection
from platforms.services.settings import (
    SETTINGS,
    checked,
    configure,
    credential_sources,
    default_figures,
    figures,
    set_credentials,
)
from tests.factories import TODAY, UserFactory
from tests.staff import lane

pytestmark = pytest.mark.django_db

SECRET = "AIza-very-secret"


@pytest.fixture
def staff():
    return UserFactory(is_staff=True)


@pytest.fixture
def youtube() -> Platform:
    return Platform.objects.get(slug="youtube")


@pytest.fixture
def in_environment(settings):
    """Let the environment hold this as YouTube's key."""

    def put(key: str) -> None:
        youtube = settings.PLATFORMS["youtube"] | {"credentials": {"api_key": key}}
        settings.PLATFORMS = settings.PLATFORMS | {"youtube": youtube}

    return put


@pytest.fixture
def reddit() -> Platform:
    return Platform.objects.get(slug="reddit")


def own(platform: Platform) -> Connection:
    lane: Connection = Connection.objects.select_related("platform").get(
        platform=platform, affiliate=None, livemode=True
    )
    return lane


# --- Figures


def test_every_platform_has_defaults_within_the_bounds_of_its_settings(db):
    for platform in Platform.objects.all():
        found = default_figures(platform)
        assert set(found) == set(SETTINGS)
        assert checked(platform, found) == {name: value for name, value in found.items() if value is not None}


def test_what_is_set_holds_and_the_rest_stays_by_default(youtube, staff):
    changed = configure(
        platform=youtube,
        by=staff,
        changes={"views_lag_h": 48, "rate_calls": 10, "daily_quota": 99, "breaker_open_s": 20},
    )
    assert figures(changed) == default_figures(youtube) | {
        "views_lag_h": 48,
        "rate_calls": 10,
        "daily_quota": 99,
        "breaker_open_s": 20,
    }
    assert changed.lags()[Metric.VIEWS].hours == 48
    assert (changed.budget.rate_calls, changed.budget.quota_zone) == (10, "America/Los_Angeles")
    assert (changed.breaker_limits.open_s, changed.breaker_limits.open_max_s) == (20, 300)


def test_null_is_the_default_again(youtube, staff):
    configure(platform=youtube, by=staff, changes={"views_lag_h": 48, "rate_calls": 10})
    changed = configure(platform=youtube, by=staff, changes={"views_lag_h": None, "daily_quota": None})
    assert changed.config == {"rate_calls": 10}
    assert figures(changed)["views_lag_h"] == 24


def test_a_change_is_recorded_with_the_old_and_the_new_figure(youtube, staff):
    configure(platform=youtube, by=staff, changes={"rate_calls": 10})
    configure(platform=youtube, by=staff, changes={"rate_calls": 20, "views_lag_h": 0})
    configure(platform=youtube, by=staff, changes={"rate_calls": 20})
    events = AuditEvent.objects.filter(action="platform.configured", object_id=youtube.pk, actor=staff).order_by("id")
    assert list(events.values_list("changes", flat=True)) == [
        {"rate_calls": [None, 10]},
        {"rate_calls": [10, 20], "views_lag_h": [None, 0]},
    ]


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_takes_whole_numbers_within_its_bounds_and_nothing_else(youtube, staff, name):
    setting = SETTINGS[name]
    for value in (setting.least, setting.most):
        others = {"breaker_open_s": 1, "breaker_open_max_s": 900} if name.startswith("breaker_open") else {}
        others = {other: bound for other, bound in others.items() if other != name}
        assert configure(platform=youtube, by=staff, changes=others | {name: value}).config[name] == value
    for value in (setting.least - 1, setting.most + 1, "5", 5.0, True, [], {}, float("nan")):
        with pytest.raises(SettingRefusedError) as refused:
            configure(platform=youtube, by=staff, changes={name: value})
        assert (refused.value.field, refused.value.code, refused.value.status) == (name, "invalid_setting", 400)
    youtube.refresh_from_db()
    assert youtube.config[name] == setting.most


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"breaker_open_s": 300}, False),
        ({"breaker_open_s": 301}, True),
        ({"breaker_open_max_s": 14}, True),
        ({"breaker_open_max_s": 15}, False),
        ({"breaker_open_s": 900, "breaker_open_max_s": 900}, False),
        ({"breaker_open_s": 20, "breaker_open_max_s": None}, False),
    ],
)
def test_a_breaker_is_never_to_stay_open_for_less_than_the_first_time(youtube, staff, changes, refused):
    if not refused:
        configure(platform=youtube, by=staff, changes=changes)
        return
    with pytest.raises(SettingRefusedError) as error:
        configure(platform=youtube, by=staff, changes=changes)
    assert error.value.field == "breaker_open_max_s"


@pytest.mark.parametrize("name", ["base_url", "token_url", "host", "credentials", "quota_zone", "slug", "", "x" * 500])
def test_hosts_and_whatever_else_is_no_setting_are_refused(youtube, staff, name):
    with pytest.raises(SettingRefusedError) as refused:
        configure(platform=youtube, by=staff, changes={name: 1})
    assert refused.value.field == name


def test_a_refusal_changes_nothing(youtube, staff):
    for changes, credentials in [({"rate_calls": 10, "nonsense": 1}, None), ({"rate_calls": 10}, {"nonsense": "x"})]:
        with pytest.raises(SettingRefusedError):
            configure(platform=youtube, by=staff, changes=changes, credentials=credentials)
    youtube.refresh_from_db()
    assert youtube.config == {}
    assert not AuditEvent.objects.exists()


# --- Credentials


def test_a_stored_credential_goes_before_the_environments_and_is_kept_encrypted(youtube, staff, in_environment):
    in_environment("from-the-environment")
    assert credential_sources(youtube) == {"api_key": {"set": True, "source": "environment"}}
    set_credentials(platform=youtube, by=staff, secrets={"api_key": SECRET})
    assert credential_sources(youtube) == {"api_key": {"set": True, "source": "stored"}}
    assert adapter_of(own(youtube)).credential("api_key") == SECRET
    assert SECRET not in own(youtube).locked
    set_credentials(platform=youtube, by=staff, secrets={"api_key": None})
    assert own(youtube).locked == ""
    assert adapter_of(own(youtube)).credential("api_key") == "from-the-environment"


def test_credentials_are_merged_by_name(reddit, staff):
    set_credentials(platform=reddit, by=staff, secrets={"client_id": "one", "client_secret": "two"})
    set_credentials(platform=reddit, by=staff, secrets={"client_secret": "three"})
    assert own(reddit).secrets == {"client_id": "one", "client_secret": "three"}
    set_credentials(platform=reddit, by=staff, secrets={"client_id": None})
    assert own(reddit).secrets == {"client_secret": "three"}
    assert {name: each["source"] for name, each in credential_sources(reddit).items()} == {
        "client_id": "environment",
        "client_secret": "stored",
    }


def test_the_record_has_names_and_no_secret(reddit, staff):
    set_credentials(platform=reddit, by=staff, secrets={"client_id": SECRET, "client_secret": None})
    event = AuditEvent.objects.get(action="connection.credentials_set")
    assert (event.actor, event.object_id) == (staff, own(reddit).pk)
    assert event.changes == {"set": ["client_id"], "removed": ["client_secret"]}
    assert SECRET not in json.dumps(list(AuditEvent.objects.values()), default=str)


def test_new_credentials_let_a_parked_lane_work_again(youtube, staff):
    park_connection(connection_id=own(youtube).pk, reason="auth: keyInvalid")
    hold_connection(connection_id=own(youtube).pk, wait_s=3600)
    set_credentials(platform=youtube, by=staff, secrets={"api_key": SECRET})
    connection = own(youtube)
    assert (connection.state, connection.parked_reason, connection.not_before) == ("active", "", None)
    assert AuditEvent.objects.filter(action="connection.resumed", actor=staff).exists()


@pytest.mark.parametrize(
    "secrets",
    [
        {"access_token": SECRET},
        {"base_url": "https://example.com"},
        {"api_key": ""},
        {"api_key": "line\nbreak"},
        {"api_key": "ünïcode"},
        {"api_key": "x" * 4_001},
    ],
    ids=lambda secrets: str(secrets)[:40],
)
def test_what_is_no_credential_is_refused_and_never_repeated(youtube, staff, secrets):
    ((name, secret),) = secrets.items()
    with pytest.raises(SettingRefusedError) as refused:
        set_credentials(platform=youtube, by=staff, secrets=secrets)
    assert refused.value.field == f"credentials.{name}"
    assert not secret or secret not in refused.value.message
    assert own(youtube).locked == ""


def test_a_platform_without_credentials_of_the_applications_takes_none(staff):
    tiktok = Platform.objects.get(slug="tiktok")
    assert credential_sources(tiktok) == {}
    with pytest.raises(SettingRefusedError, match="it has none"):
        set_credentials(platform=tiktok, by=staff, secrets={"api_key": SECRET})


def test_a_credential_whose_key_was_lost_is_not_set_and_can_be_replaced(reddit, staff, settings):
    set_credentials(platform=reddit, by=staff, secrets={"client_id": "one", "client_secret": "two"})
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert credential_sources(reddit)["client_id"] == {"set": False, "source": "stored"}
    set_credentials(platform=reddit, by=staff, secrets={"client_id": "three"})
    assert own(reddit).secrets == {"client_id": "three"}


def test_one_that_is_nowhere_is_said_to_be_missing(youtube, in_environment):
    in_environment("")
    assert credential_sources(youtube) == {"api_key": {"set": False, "source": None}}


# --- What a connection says of itself


def test_a_lane_may_call_once_the_platform_and_the_budget_let_it(youtube, staff):
    with clock.at(TODAY):
        assert lane().free_at == TODAY
        hold_connection(connection_id=lane().pk, wait_s=60)
        assert (lane().free_at - TODAY).total_seconds() == 60
        configure(platform=youtube, by=staff, changes={"daily_quota": 1})
        Connection.objects.filter(pk=lane().pk).update(quota_day=TODAY.date(), quota_used=1)
        assert lane().free_at == lane().quota_resets_at == youtube.budget.next_day(TODAY)
        assert lane().free_now == 0
