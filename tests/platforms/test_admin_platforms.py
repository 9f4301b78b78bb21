"""Staff see how the lanes are, let them go on, close breakers, and set figures for a platform."""

import pytest
from django.urls import reverse

from affiliates.models import AuditEvent
from platforms.breaker import Circuit
from platforms.metrics import Metric
from platforms.models import Account, Breaker, Connection, Platform
from platforms.services.lanes import Purse, hold_connection, note_failure, park_connection
from platforms.services.settings import set_credentials
from tests.factories import AffiliateFactory
from tests.staff import client_for, lane, superuser, told, with_permissions

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff():
    return superuser()


@pytest.fixture
def client(staff):
    return client_for(staff)


@pytest.fixture
def parked() -> Connection:
    connection = lane()
    park_connection(connection_id=connection.pk, reason="auth: 401")
    return connection


def page(row) -> str:
    return reverse(f"admin:platforms_{row._meta.model_name}_change", args=[row.pk])


def test_a_parked_connection_is_resumed(client, staff, parked):
    url = reverse("admin:platforms_connection_changelist")
    ids = [str(pk) for pk in Connection.objects.values_list("pk", flat=True)]
    response = client.post(url, {"action": "resume", "_selected_action": ids}, follow=True)
    assert told(response) == ["YouTube · application works again; what waits for it goes on."]
    parked.refresh_from_db()
    assert (parked.state, parked.parked_at, parked.parked_reason) == ("active", None, "")
    event = AuditEvent.objects.get(action="connection.resumed")
    assert (event.actor, event.object_id) == (staff, parked.pk)
    again = client.post(url, {"action": "resume", "_selected_action": ids}, follow=True)
    assert told(again) == ["None of these was parked."]
    assert AuditEvent.objects.filter(action="connection.resumed").count() == 1


def test_only_a_parked_connections_page_offers_to_resume_it(client, parked):
    assert b'value="resume"' in client.get(page(parked)).content
    client.post(page(parked), {"action": "resume"})
    assert b'value="resume"' not in client.get(page(parked)).content


def test_who_may_only_look_cannot_resume(parked):
    client = client_for(with_permissions("platforms.view_connection"))
    assert client.post(page(parked), {"action": "resume"}).status_code == 403
    parked.refresh_from_db()
    assert parked.state == "parked"


def set_config(client, platform: Platform, config: str, **more: str):
    form = {"name": platform.name, "is_active": "on", "config": config} | more
    return client.post(page(platform), form, follow=True)


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ('{"views_lag_h": 48}', ""),
        ("{}", ""),
        ("", ""),
        ("null", ""),
        ('{"views_lag_h": null}', ""),
        ('{"views_lag_h": "48"}', "views_lag_h: A whole number from 0 to 1,440."),
        ('{"views_lag_h": true}', "views_lag_h: A whole number from 0 to 1,440."),
        ('{"views_lag_h": -1}', "views_lag_h: A whole number from 0 to 1,440."),
        ('{"views_lag_h": 1441}', "views_lag_h: A whole number from 0 to 1,440."),
        ('{"breaker_open_s": 301}', "breaker_open_max_s: Not below breaker_open_s: 300 is shorter than 301."),
        ('{"base_url": "https://example.com"}', "base_url: There is no such setting"),
        ("[1]", "An object of these settings"),
        ("{", "Enter a valid JSON."),
        ('{"rate_calls": ' + "9" * 5_000 + "}", "Enter a valid JSON."),
        ("[" * 100_000, "Enter a valid JSON."),
    ],
    ids=lambda text: text[:50],
)
def test_a_platforms_settings_hold_nothing_that_we_could_stumble_over(client, config, error):
    platform = Platform.objects.get(slug="youtube")
    response = set_config(client, platform, config)
    platform.refresh_from_db()
    if error:
        assert error in response.content.decode()
        assert platform.config == {}
    else:
        assert platform.lags()[Metric.VIEWS].hours == platform.config.get("views_lag_h", 24)
        assert None not in platform.config.values()


def test_what_staff_set_is_recorded_with_its_figures(client, staff):
    platform = Platform.objects.get(slug="youtube")
    set_config(client, platform, '{"views_lag_h": 48, "rate_calls": 10}')
    set_config(client, platform, '{"rate_calls": 20}', name="Tube")
    set_config(client, platform, '{"rate_calls": 20}', name="Tube")
    platform.refresh_from_db()
    assert (platform.name, platform.config) == ("Tube", {"rate_calls": 20})
    events = AuditEvent.objects.filter(object_id=platform.pk, actor=staff).order_by("id")
    assert list(events.values_list("action", "changes")) == [
        ("platform.configured", {"views_lag_h": [None, 48], "rate_calls": [None, 10]}),
        ("platform.updated", {"fields": ["name"]}),
        ("platform.configured", {"views_lag_h": [48, None], "rate_calls": [10, 20]}),
    ]


def test_a_platforms_page_says_what_holds_and_where_credentials_come_from(client, settings):
    platform = Platform.objects.get(slug="youtube")
    set_config(client, platform, '{"rate_calls": 1234}')
    shown = client.get(page(platform)).content.decode()
    for text in ("1,234 (set)", "1,800", "10,000", "api_key: environment", "A whole number from 1 to 900."):
        assert text in shown
    tiktok = client.get(page(Platform.objects.get(slug="tiktok"))).content.decode()
    assert "no end" in tiktok
    assert "None: it is read with" in tiktok


# --- Breakers


@pytest.fixture
def tripped() -> Breaker:
    """YouTube's live breaker, open."""
    connection = lane()
    for _ in range(connection.platform.breaker_limits.failures):
        note_failure(connection=connection, error="unavailable: http_503")
    return Breaker.objects.get(platform=connection.platform, livemode=True)


def test_an_open_breaker_is_closed_by_hand(client, staff, tripped):
    url = reverse("admin:platforms_breaker_changelist")
    shown = client.get(url).content.decode()
    assert "unavailable: http_503" in shown
    assert "Open</span>" in shown
    ids = [str(pk) for pk in Breaker.objects.values_list("pk", flat=True)]
    response = client.post(url, {"action": "close", "_selected_action": ids}, follow=True)
    assert told(response) == ["Breaker of YouTube: closed, and its failures forgotten."]
    tripped.refresh_from_db()
    assert tripped.circuit == Circuit()
    event = AuditEvent.objects.get(action="breaker.reset")
    assert (event.actor, event.object_id, event.changes) == (staff, tripped.pk, {"state": "open", "failures": 5})
    again = client.post(url, {"action": "close", "_selected_action": ids}, follow=True)
    assert told(again) == ["Closed already: calls go out."]
    assert AuditEvent.objects.filter(action="breaker.reset").count() == 1


def test_only_a_breaker_with_failures_offers_to_be_closed(client, tripped):
    assert b'value="close"' in client.get(page(tripped)).content
    client.post(page(tripped), {"action": "close"})
    assert b'value="close"' not in client.get(page(tripped)).content
    other = Breaker.objects.get(platform__slug="x", livemode=False)
    assert b'value="close"' not in client.get(page(other)).content


def test_who_may_only_look_cannot_close_a_breaker(tripped):
    client = client_for(with_permissions("platforms.view_breaker"))
    assert client.post(page(tripped), {"action": "close"}).status_code == 403
    tripped.refresh_from_db()
    assert tripped.state == "open"


# --- Connections


def test_a_lane_that_waits_may_be_let_go_on(client, staff):
    hold_connection(connection_id=lane().pk, wait_s=3600)
    waiting = lane()
    assert b'value="clear_wait"' in client.get(page(waiting)).content
    response = client.post(page(waiting), {"action": "clear_wait"}, follow=True)
    assert told(response) == ["YouTube · application may call again."]
    assert lane().not_before is None
    event = AuditEvent.objects.get(action="connection.wait_cleared")
    assert (event.actor, event.changes) == (staff, {"not_before": waiting.not_before.isoformat()})
    again = client.post(page(waiting), {"action": "clear_wait"}, follow=True)
    assert told(again) == ["None of these was told to wait."]
    assert b'value="clear_wait"' not in client.get(page(waiting)).content


def test_a_connection_shows_its_budget_and_never_what_it_holds(client):
    connection = lane()
    Purse(connection.pk).pay(12)
    set_credentials(platform=connection.platform, by=superuser(), secrets={"api_key": "very-secret"})
    listed = client.get(reverse("admin:platforms_connection_changelist")).content.decode()
    shown = client.get(page(connection)).content.decode()
    for text in (listed, shown):
        assert "12 of 10,000" in text
        assert "1,800 in 60 s" in text
        assert lane().locked not in text
        assert "very-secret" not in text


# --- Platforms and accounts


def test_platforms_come_with_their_adapters(client):
    assert client.get(reverse("admin:platforms_platform_add")).status_code == 403


def test_an_account_is_said_by_staff_and_proven_by_its_owner(client, staff):
    form = {"platform": lane().platform_id, "handle": "@ann", "affiliate": AffiliateFactory().pk, "proven_at": "now"}
    client.post(reverse("admin:platforms_account_add"), form)
    account = Account.objects.get()
    assert (account.handle, account.proven_at) == ("@ann", None)
    event = AuditEvent.objects.get(action="account.created")
    assert (event.actor, event.object_id) == (staff, account.pk)
