"""Alerts follow what people decide of verdicts: cleared ones are resolved, new accusations are opened."""

from datetime import timedelta

import pytest

from alerts import services, tasks
from alerts.models import Alert
from config import clock
from config.demo.seeding import run_queued_tasks
from reconciliation.outcomes import Reason
from tests.factories import TODAY, UserFactory
from tests.invariants import broken
from tests.reconciliation.test_overriding import decide

pytestmark = pytest.mark.django_db


@pytest.fixture
def high(scene):
    scene.open_alerts()
    return scene.posts["high"].verdicts.get()


def follow():
    """What the queue does, and the sweep once more."""
    run_queued_tasks()
    tasks.sweep()


def test_a_cleared_over_claim_is_resolved_with_the_reason(scene, high):
    decide(high, "MATCHED", by=scene.staff)
    follow()
    alert = Alert.objects.get(verdict=high)
    assert (alert.status, alert.resolved_by) == (Alert.Status.RESOLVED, scene.staff)
    assert alert.resolution_note == "Decided on 20 Nov 2026: matched. Reason: evidence was shown."
    assert broken(soon=True) == {}


def test_a_level_less_is_less_severe(scene, high):
    decide(high, "MEDIUM")
    follow()
    alert = Alert.objects.get(verdict=high)
    assert (alert.status, alert.severity) == (Alert.Status.OPEN, Alert.Severity.MEDIUM)


def test_an_accusation_by_a_person_is_opened_once(scene):
    verdict = scene.posts["matched"].verdicts.get()
    made = decide(verdict, "HIGH", reason=Reason.NOT_GENUINE)
    follow()
    follow()
    alert = Alert.objects.get(verdict=verdict)
    assert (alert.status, alert.severity, alert.summary) == (Alert.Status.OPEN, Alert.Severity.HIGH, made.explanation)


def test_what_a_person_resolved_stays_so_while_it_accuses(scene, high):
    services.resolve(alert_id=high.alert.pk, by=scene.manager, note="Talked to them.")
    with clock.at(TODAY + timedelta(minutes=1)):
        decide(high, "MEDIUM")
        follow()
    assert Alert.objects.get(verdict=high).resolution_note == "Talked to them."


def test_an_accusation_that_comes_back_is_opened_again_once(scene, high):
    decide(high, "MATCHED")
    follow()
    with clock.at(TODAY + timedelta(minutes=1)):
        decide(high, "MEDIUM", reason=Reason.CORRECTION)
        follow()
    alert = Alert.objects.get(verdict=high)
    assert (alert.status, alert.severity, alert.resolved_at) == (Alert.Status.OPEN, Alert.Severity.MEDIUM, None)
    with clock.at(TODAY + timedelta(minutes=2)):
        services.resolve(alert_id=alert.pk, by=scene.manager, note="They paid it back.")
        follow()
    assert Alert.objects.get(verdict=high).status == Alert.Status.RESOLVED
    assert broken() == {}


def test_what_is_decided_before_its_alert_opens_needs_none(scene):
    """The queue may be late: then the decision is what counts, and whatever it had missed the sweep finds."""
    decide(scene.posts["high"].verdicts.get(), "MATCHED", by=UserFactory(is_staff=True))
    scene.open_alerts()
    follow()
    assert not Alert.objects.filter(post=scene.posts["high"]).exists()
