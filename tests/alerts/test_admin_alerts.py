"""Staff decide on alerts: from the list and from an alert's page, each with the evidence in sight."""

from typing import Any

import pytest
from django.urls import reverse

from affiliates.models import AuditEvent, User
from alerts import services
from alerts.admin import MOST_AT_ONCE
from alerts.models import Alert
from reconciliation.comparison import Figures
from reconciliation.errors import SecondClaimantError
from reconciliation.services import submission
from tests.factories import AffiliateFactory, UserFactory
from tests.staff import client_for, judged_posts, superuser, the_alert, told, with_permissions

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

LIST = "admin:alerts_alert_changelist"


def page(alert: Alert) -> str:
    return reverse("admin:alerts_alert_change", args=[alert.pk])


@pytest.fixture
def staff():
    return superuser()


@pytest.fixture
def client(staff):
    return client_for(staff)


def chosen(action: str, *alerts: Alert, **more: str) -> dict[str, object]:
    return {"action": action, "_selected_action": [str(alert.pk) for alert in alerts], **more}


def test_the_worst_come_first_and_what_is_resolved_last(client, staff):
    judged_posts(1, views=10_900)
    judged_posts(2, views=20_000)
    newest_high = Alert.objects.filter(severity="high").latest("id")
    services.resolve(alert_id=newest_high.pk, by=staff, note="Asked.")
    listed = client.get(reverse(LIST)).context["cl"].result_list
    assert [(alert.severity, alert.status) for alert in listed] == [
        ("high", "open"),
        ("medium", "open"),
        ("high", "resolved"),
    ]


def test_an_alerts_page_shows_claim_truth_explanation_trust_and_the_pairs_verdicts(client):
    judged_posts(1, views=12_345)
    alert = the_alert()
    content = client.get(page(alert)).content.decode()
    for text in ("12,345", "10,000", "2,345", "+23.4", "0 of 1 accurate", alert.summary, "Post 0", alert.post.url):
        assert text in content
    verdict: Any = alert.verdict
    for row in (verdict, verdict.affiliate_report, verdict.platform_report):
        name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
        assert reverse(name, args=[row.pk]) in content
    assert 'name="_save"' not in content


def test_a_second_claimants_alert_shows_the_post_and_its_claim(client):
    post = judged_posts(1, views=9_000)[0]
    with pytest.raises(SecondClaimantError):
        submission.submit(
            affiliate=AffiliateFactory(name="Late Comer"),
            campaign=post.campaign,
            platform=post.platform,
            url=post.url,
            figures=Figures(views=1),
        )
    services.open_for_refused_claim(event_id=AuditEvent.objects.get(action="claim.refused_second_claimant").pk)
    alert = Alert.objects.get(verdict=None)
    content = client.get(page(alert)).content.decode()
    assert "Late Comer in" in content
    assert "9,000" in content
    assert post.affiliate.name in content


def test_a_page_offers_what_the_alerts_state_admits(client, staff):
    judged_posts(1)
    alert = the_alert()
    assert b'value="acknowledge"' in client.get(page(alert)).content
    response = client.post(page(alert), {"action": "acknowledge"}, follow=True)
    assert told(response) == ["1 alert acknowledged."]
    assert b'value="acknowledge"' not in response.content
    assert b'value="resolve"' in response.content
    services.resolve(alert_id=alert.pk, by=staff, note="Asked.")
    assert b'name="action"' not in client.get(page(alert)).content


def test_acknowledging_many_says_how_many_and_of_the_others_why_not(client, staff):
    judged_posts(3)
    first, *others = Alert.objects.order_by("id")
    services.acknowledge(alert_id=first.pk, by=UserFactory(name="Bea"))
    response = client.post(reverse(LIST), chosen("acknowledge", first, *others), follow=True)
    assert told(response) == [f"{first}: This alert is acknowledged already, by Bea.", "2 alerts acknowledged."]
    assert set(Alert.objects.filter(acknowledged_by=staff)) == set(others)
    assert AuditEvent.objects.filter(action="alert.acknowledged", actor=staff).count() == 2


def test_resolving_asks_for_a_note_and_lists_what_was_chosen(client):
    judged_posts(2)
    alerts = list(Alert.objects.all())
    response = client.post(reverse(LIST), chosen("resolve", *alerts))
    assert response.status_code == 200
    for alert in alerts:
        assert alert.summary in response.content.decode()
    for note in ("", "   "):
        response = client.post(reverse(LIST), chosen("resolve", *alerts, note=note))
        assert "This field is required." in response.content.decode()
    too_long = client.post(reverse(LIST), chosen("resolve", *alerts, note="x" * (services.NOTE_MAX_LENGTH + 1)))
    assert "at most 2000 characters" in too_long.content.decode()
    assert not Alert.objects.filter(status="resolved").exists()


def test_resolving_reports_each_row_even_what_the_lists_filter_no_longer_shows(client, staff):
    judged_posts(3)
    taken, *others = Alert.objects.order_by("id")
    services.resolve(alert_id=taken.pk, by=UserFactory(name="Bea"), note="Done.")
    url = reverse(LIST) + "?status__exact=open"
    response = client.post(url, chosen("resolve", taken, *others, note="Asked; a slip."), follow=True)
    assert told(response) == [f"{taken}: This alert is resolved already, by Bea.", "2 alerts resolved."]
    for alert in Alert.objects.filter(pk__in=[other.pk for other in others]):
        assert (alert.status, alert.resolved_by, alert.resolution_note) == ("resolved", staff, "Asked; a slip.")
    assert AuditEvent.objects.filter(action="alert.resolved", actor=staff).count() == 2


def test_resolving_from_the_alerts_own_page_comes_back_to_it(client):
    judged_posts(1)
    alert = the_alert()
    asked = client.post(page(alert), {"action": "resolve"})
    assert alert.summary in asked.content.decode()
    done = client.post(page(alert), chosen("resolve", alert, note="Asked."))
    assert (done.status_code, done["Location"]) == (302, page(alert))
    assert b"Asked." in client.get(page(alert)).content


def test_more_than_can_be_read_are_not_resolved_at_once(client, monkeypatch):
    monkeypatch.setattr("alerts.admin.MOST_AT_ONCE", 2)
    judged_posts(3)
    response = client.post(reverse(LIST), chosen("resolve", *Alert.objects.all()), follow=True)
    assert told(response) == ["Choose 2 alerts at most."]
    assert MOST_AT_ONCE > 50


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_who_may_only_look_cannot_decide(action):
    judged_posts(1)
    alert = the_alert()
    looker: User = with_permissions("alerts.view_alert")
    client = client_for(looker)
    assert b'name="action"' not in client.get(page(alert)).content
    assert client.post(page(alert), {"action": action, "note": "x"}).status_code == 403
    client.post(reverse(LIST), chosen(action, alert, note="x"))
    alert.refresh_from_db()
    assert alert.status == "open"


def test_who_may_change_alerts_can_decide():
    judged_posts(1)
    alert = the_alert()
    client = client_for(with_permissions("alerts.view_alert", "alerts.change_alert"))
    client.post(page(alert), chosen("resolve", alert, note="Asked."))
    alert.refresh_from_db()
    assert alert.status == "resolved"
