"""Staff resume parked connections and set how far a platform's figures lag."""

import pytest
from django.urls import reverse

from affiliates.models import AuditEvent
from platforms.metrics import Metric
from platforms.models import Account, Connection, Platform
from platforms.services import park_connection
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


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ('{"views_lag_h": 48}', ""),
        ("{}", ""),
        ('{"views_lag_h": "48"}', "A lag is a whole number of hours"),
        ('{"views_lag_h": true}', "A lag is a whole number of hours"),
        ('{"views_lag_h": -1}', "A lag is a whole number of hours"),
        ('{"views_lag_h": 1441}', "A lag is a whole number of hours"),
        ('{"base_url": "https://example.com"}', "An object of these settings"),
        ("[1]", "An object of these settings"),
    ],
)
def test_a_platforms_settings_hold_nothing_that_judging_could_stumble_over(client, config, error):
    platform = Platform.objects.get(slug="youtube")
    response = client.post(page(platform), {"name": "YouTube", "is_active": "on", "config": config}, follow=True)
    platform.refresh_from_db()
    if error:
        assert error in response.content.decode()
        assert platform.config == {}
    else:
        assert platform.lags()[Metric.VIEWS].hours == platform.config.get("views_lag_h", 24)


def test_platforms_come_with_their_adapters(client):
    assert client.get(reverse("admin:platforms_platform_add")).status_code == 403


def test_an_account_is_said_by_staff_and_proven_by_its_owner(client, staff):
    form = {"platform": lane().platform_id, "handle": "@ann", "affiliate": AffiliateFactory().pk, "proven_at": "now"}
    client.post(reverse("admin:platforms_account_add"), form)
    account = Account.objects.get()
    assert (account.handle, account.proven_at) == ("@ann", None)
    event = AuditEvent.objects.get(action="account.created")
    assert (event.actor, event.object_id) == (staff, account.pk)
