"""What opens an alert, what does not, and what a decision asks for."""

from datetime import timedelta

import pytest
from django.utils.module_loading import import_string
from django_q.models import OrmQ

from affiliates.models import AuditEvent
from alerts import services
from alerts.errors import AlertStateError, NoteRequiredError
from alerts.models import Alert
from config import clock
from reconciliation.errors import SecondClaimantError
from reconciliation.models import ReconciliationLog
from tests.factories import TODAY, AffiliateFactory, CampaignFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]


def work_off_queue():
    """Do what is queued for alerts, as a worker would."""
    for row in OrmQ.objects.all():
        task = row.task
        if task["func"].startswith("alerts."):
            import_string(task["func"])(*task["args"])
            row.delete()


@pytest.fixture
def judged(claim, drain_all, world_post):
    """Claim so many times a post's views, let it be judged, and do what that queued."""
    affiliate, campaign = AffiliateFactory(), CampaignFactory()

    def judge(times, index=0, platform="youtube"):
        post = world_post(platform, index)
        claimed = claim(affiliate, campaign, post, int((post.figures_at(TODAY).views or 1000) * times))
        drain_all()
        work_off_queue()
        return claimed

    return judge


@pytest.mark.parametrize(("times", "severity"), [(1.05, "medium"), (1.2, "medium"), (1.21, "high"), (5, "high")])
def test_a_counted_medium_or_high_discrepancy_opens_an_alert_of_that_severity(judged, times, severity):
    claimed = judged(times)
    alert = Alert.objects.get()
    assert (alert.kind, alert.severity, alert.status) == ("over_claim", severity, "open")
    assert (alert.post, alert.affiliate, alert.campaign) == (
        claimed.post,
        claimed.post.affiliate,
        claimed.post.campaign,
    )
    assert alert.summary == alert.verdict.explanation


@pytest.mark.parametrize(("times", "platform"), [(0.5, "youtube"), (1, "youtube"), (1.04, "x"), (900, "reddit")])
def test_nothing_else_does(judged, times, platform):
    judged(times, platform=platform)
    assert ReconciliationLog.objects.counted().count() == 1
    assert not Alert.objects.exists()


def test_a_provisional_verdict_opens_nothing_until_its_second_look(claim, drain_all, sandbox):
    young = next(
        post
        for post in sandbox.state.world.published_between("youtube", TODAY - timedelta(hours=6), TODAY, 20)
        if not (post.private or post.gone_at or post.revised)
    )
    window_end = young.published_at + timedelta(hours=24)
    claim(AffiliateFactory(), CampaignFactory(), young, young.figures_at(window_end).views * 3)
    drain_all()
    work_off_queue()
    assert ReconciliationLog.objects.get().status == "TOO_EARLY"
    assert not Alert.objects.exists()
    with clock.at(window_end):
        sandbox.state.set_clock(window_end, frozen=True)
        drain_all()
        work_off_queue()
    assert Alert.objects.get().verdict == ReconciliationLog.objects.counted().get()


def test_each_over_claim_has_its_own_alert_and_evaluating_again_adds_none(judged):
    judged(2)
    judged(3)
    verdicts = list(ReconciliationLog.objects.values_list("pk", flat=True))
    assert services.open_for_verdicts(verdict_ids=verdicts) == 0
    assert Alert.objects.count() == 2


def test_a_repeated_attempt_on_a_claimed_post_neither_adds_nor_reopens(claim, world_post):
    campaign, second = CampaignFactory(), AffiliateFactory()
    claim(AffiliateFactory(), campaign, world_post(), 1)

    def attempt():
        with pytest.raises(SecondClaimantError):
            claim(second, campaign, world_post(), 1)
        work_off_queue()

    attempt()
    alert = Alert.objects.get()
    services.resolve(alert_id=alert.pk, by=UserFactory(), note="They mixed up two links.")
    attempt()
    alert.refresh_from_db()
    assert (Alert.objects.count(), alert.status) == (1, "resolved")
    assert AuditEvent.objects.filter(action="claim.refused_second_claimant").count() == 2


@pytest.mark.parametrize(
    ("note", "code"), [("", "note_required"), (" \n", "note_required"), ("x" * 2001, "note_too_long")]
)
def test_resolving_needs_a_reason_of_some_length(judged, note, code):
    judged(2)
    alert = Alert.objects.get()
    with pytest.raises(NoteRequiredError) as refusal:
        services.resolve(alert_id=alert.pk, by=UserFactory(), note=note)
    assert (refusal.value.code, refusal.value.field, refusal.value.status) == (code, "note", 400)
    alert.refresh_from_db()
    assert alert.status == "open"


def test_what_is_resolved_is_neither_acknowledged_nor_resolved_again(judged):
    judged(2)
    alert, person = Alert.objects.get(), UserFactory(name="Ria")
    services.resolve(alert_id=alert.pk, by=person, note="Paid back")
    for decide in (
        lambda: services.acknowledge(alert_id=alert.pk, by=person),
        lambda: services.resolve(alert_id=alert.pk, by=person, note="Again"),
    ):
        with pytest.raises(AlertStateError, match="resolved already, by Ria"):
            decide()
    assert AuditEvent.objects.filter(object_id=alert.pk).count() == 1


def test_an_alert_may_be_resolved_without_being_acknowledged_and_after_it(judged):
    judged(2, index=0)
    judged(2, index=1)
    first, second = Alert.objects.order_by("pk")
    person = UserFactory()
    assert services.resolve(alert_id=first.pk, by=person, note="Done").acknowledged_at is None
    services.acknowledge(alert_id=second.pk, by=person)
    assert services.resolve(alert_id=second.pk, by=person, note="Done").acknowledged_by == person
    assert not Alert.objects.active().exists()
