"""The clock on the wall steps back or ahead by an hour: nothing is lost or doubled, and work goes on."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import F
from django_q.models import Schedule

from config import clock
from platforms.models import Connection
from reconciliation.models import AffiliateReport, Heartbeat, Import, Job, ReconciliationLog
from reconciliation.services import draining, heartbeats, jobs
from reconciliation.services.heartbeats import Role, Seen
from tests.factories import TODAY, AffiliateFactory, CampaignFactory, UserFactory
from tests.reconciliation.support import lane_of, leased

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def beat() -> None:
    heartbeats.beat(cluster="a", seen=[Seen(1, Role.WATCHDOG, "", TODAY)])


@pytest.fixture
def stepped(db: None, today: None) -> Callable[[], Any]:
    """Step back by an hour from what the watchdog saw last; from then on the clock stands there."""
    beat()

    def step() -> datetime:
        clock.set(TODAY - HOUR)
        beat()
        return TODAY - HOUR

    return step


@pytest.fixture
def claimed(sandbox, world_post, claim) -> Job:
    sandbox.state.set_clock(None, frozen=False)
    claim(AffiliateFactory(), CampaignFactory(), world_post(), 1)
    return Job.objects.get()


def drain() -> int:
    return draining.drain(connection_id=lane_of("youtube").pk, paced=False)


def test_what_was_claimed_before_gets_its_verdict_now(stepped, claimed):
    stepped()
    assert drain() == 1
    assert ReconciliationLog.objects.counted().count() == AffiliateReport.objects.count() == 1
    assert set(Job.objects.values_list("state", flat=True)) == {"done"}


@pytest.mark.parametrize(
    ("due_in", "attempts", "now"),
    [
        (-SECOND, 0, True),
        (0 * SECOND, 0, True),
        (SECOND, 0, False),  # a plan keeps its moment
        (5 * HOUR, 0, False),
        (timedelta(seconds=jobs.BACKOFF_MAX_S), 3, True),  # waits for another attempt
        (timedelta(seconds=jobs.BACKOFF_MAX_S + 1), 3, False),
    ],
)
def test_what_was_due_is_due_and_what_was_planned_keeps_its_moment(
    stepped, claimed, due_in: timedelta, attempts: int, *, now: bool
):
    Job.objects.update(due_at=TODAY + due_in, urgent_at=TODAY + due_in, attempts=attempts)
    moment = stepped()
    assert Job.objects.get().due_at == (moment if now else TODAY + due_in)


def test_a_lease_of_the_dead_lapses_in_its_time(stepped, claimed):
    leased()
    moment = stepped()
    with clock.at(moment + timedelta(seconds=jobs.LEASE_S + 1)):
        jobs.sweep()
        assert drain() == 1
    assert Job.objects.get().attempts == 2


def test_a_lease_of_the_living_is_settled(stepped, claimed):
    batch = leased()
    moment = stepped()
    assert draining.work(batch) == 1
    with clock.at(moment + HOUR):
        jobs.sweep()
        assert drain() == 0
    assert ReconciliationLog.objects.count() == 1


@pytest.mark.parametrize(("called_in", "waits"), [(-SECOND, False), (-2 * HOUR, True)])
def test_a_lane_that_was_told_to_wait_before_calls_again(stepped, called_in: timedelta, *, waits: bool):
    Connection.objects.update(not_before=TODAY + 300 * SECOND, last_call_at=TODAY + called_in)
    stepped()
    assert (lane_of("youtube").not_before is not None) is waits


def test_schedules_come_in_their_turn(stepped):
    kinds = {"minutes": Schedule.MINUTES, "hourly": Schedule.HOURLY, "daily": Schedule.DAILY}
    for name, kind in kinds.items():
        Schedule.objects.create(name=name, func="x", schedule_type=kind, minutes=1, next_run=TODAY + 30 * SECOND)
    moment = stepped()
    turns = dict(Schedule.objects.values_list("name", "next_run"))
    assert turns == {"minutes": moment, "hourly": moment, "daily": TODAY + 30 * SECOND}


def test_a_file_that_somebody_held_is_taken_up(stepped):
    by = UserFactory()
    Import.objects.create(file_name="x", kind="claims", created_by=by, size_bytes=1, leased_until=TODAY + 60 * SECOND)
    moment = stepped()
    assert Import.objects.get().leased_until == moment + 60 * SECOND


def test_it_is_noticed_once_and_on_the_machine_where_it_happened(stepped, claimed):
    Heartbeat.objects.update(host="another", cluster="b")
    stepped()
    assert Job.objects.get().due_at == TODAY  # the other machine's clock may be right
    Heartbeat.objects.filter(cluster="a").update(beat_at=TODAY)
    stepped()
    assert Job.objects.get().due_at == TODAY - HOUR
    Job.objects.update(due_at=F("due_at") + 60 * SECOND)
    stepped()
    assert Job.objects.get().due_at == TODAY - HOUR + 60 * SECOND


def test_a_step_ahead_makes_the_living_lose_their_lease_and_settles_once(db, today, claimed):
    beat()
    batch = leased()
    clock.set(TODAY + HOUR)
    beat()
    jobs.sweep()
    assert drain() == 1
    assert draining.work(batch) == 0
    assert ReconciliationLog.objects.count() == 1
    assert heartbeats.workers().last_beat_at == TODAY + HOUR


@pytest.mark.parametrize("shift", ["2026-03-29T00:59:30+00:00", "2026-10-25T00:59:30+00:00"], ids=["ahead", "back"])
def test_a_lease_across_daylight_saving_lasts_as_long_as_any(settings, db, sandbox, world_post, claim, shift: str):
    settings.TIME_ZONE = "Europe/Berlin"
    moment = datetime.fromisoformat(shift)
    sandbox.state.set_clock(moment + HOUR, frozen=True)
    with clock.at(moment):
        claim(AffiliateFactory(), CampaignFactory(starts_on=moment.date(), ends_on=moment.date()), world_post(), 1)
        leased()
    for after_s, is_held in ((jobs.LEASE_S - 1, True), (jobs.LEASE_S + 1, False)):
        with clock.at(moment + timedelta(seconds=after_s)):
            jobs.sweep()
            assert Job.objects.filter(state="leased").exists() is is_held
