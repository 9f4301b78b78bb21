"""Lanes shared by many workers: real threads, each on a connection of its own to one PostgreSQL."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from affiliates.models import AuditEvent
from config import clock
from platforms import breaker
from platforms.breaker import PROBE_S, SKEW_S, Circuit
from platforms.errors import ErrorKind
from platforms.models import Breaker, Connection, Platform
from platforms.services.lanes import (
    BudgetSpentError,
    Calls,
    Purse,
    admit_call,
    hold_connection,
    note_answer,
    note_failure,
    reset_breaker,
)
from platforms.services.settings import configure
from tests.factories import TODAY, UserFactory
from tests.staff import lane

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("today")]

WORKERS = 8


def at_once(work: Callable[[], Any], workers: int = WORKERS) -> list[Any]:
    """What so many threads get that do this at the same moment."""
    start = threading.Barrier(workers)

    def run() -> Any:
        try:
            start.wait(timeout=20)
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(workers) as pool:
        return [future.result() for future in [pool.submit(run) for _ in range(workers)]]


def configured(**changes: int) -> Connection:
    """The application's lane on YouTube, with these settings."""
    configure(platform=Platform.objects.get(slug="youtube"), by=UserFactory(is_staff=True), changes=changes)
    return lane()


def after(seconds: float):
    return clock.at(TODAY + timedelta(seconds=seconds))


# --- The call budget


def paying(purse: Purse, calls: int, cost: int = 1) -> Callable[[], int]:
    """Try to make so many calls; how many were let through."""

    def work() -> int:
        paid = 0
        for _ in range(calls):
            try:
                purse.pay(cost)
                paid += 1
            except BudgetSpentError:
                pass
        return paid

    return work


def test_of_many_calls_at_once_as_many_leave_as_the_quota_has_left():
    connection = configured(daily_quota=37, rate_calls=1_000_000, rate_window_s=1)
    let_through = at_once(paying(Purse(connection.pk), 10))
    assert sum(let_through) == 37
    assert lane().quota_used == lane().quota_used_today == 37


def test_of_many_calls_at_once_as_many_leave_as_the_rate_has_left():
    connection = configured(rate_calls=80, rate_window_s=60)
    assert sum(at_once(paying(Purse(connection.pk), 5))) == 20
    with after(60):
        assert sum(at_once(paying(Purse(connection.pk), 5))) == 20


def test_dear_calls_are_paid_whole_or_not_at_all():
    connection = configured(daily_quota=100, rate_calls=1_000_000, rate_window_s=1)
    assert sum(at_once(paying(Purse(connection.pk), 2, cost=7))) == 14
    assert lane().quota_used == 98


def test_who_is_refused_is_told_why_and_for_how_long():
    purse = Purse(configured(daily_quota=1).pk)
    purse.pay()
    with pytest.raises(BudgetSpentError) as spent:
        purse.pay()
    midnight = lane().platform.budget.next_day(TODAY)
    assert (spent.value.kind, spent.value.code) == (ErrorKind.QUOTA, "call_budget")
    assert spent.value.retry_after_s == (midnight - TODAY).total_seconds()
    assert spent.value.retryable
    configured(daily_quota=1_000, rate_calls=4)
    with pytest.raises(BudgetSpentError) as spent:
        purse.pay(2)
    assert (spent.value.kind, spent.value.retryable) == (ErrorKind.RATE_LIMIT, True)
    assert 0 < spent.value.retry_after_s <= 60


# --- The breaker


def failing(connection: Connection, times: int) -> None:
    for _ in range(times):
        note_failure(connection=connection, error="unavailable: http_503")


def stands() -> Breaker:
    return Breaker.objects.get(platform__slug="youtube", livemode=True)


def test_failures_that_come_at_once_are_all_counted():
    connection = configured(breaker_failures=100)
    at_once(lambda: failing(connection, 3))
    assert stands().circuit == Circuit(failures=3 * WORKERS)


def test_of_many_who_come_when_a_probe_is_due_one_is_let_through():
    connection = configured(breaker_failures=3, breaker_open_s=10)
    failing(connection, 3)
    with after(9):
        assert at_once(lambda: admit_call(connection=connection)) == [TODAY + timedelta(seconds=10)] * WORKERS
    with after(10):
        answers = at_once(lambda: admit_call(connection=connection))
        assert answers.count(None) == 1
        assert all(answer > clock.now() for answer in answers if answer)
        assert stands().state == "half_open"
    with after(10 + PROBE_S - 1):
        assert None not in at_once(lambda: admit_call(connection=connection))
    with after(10 + PROBE_S):
        assert at_once(lambda: admit_call(connection=connection)).count(None) == 1


def test_an_answer_closes_it_for_everybody_and_a_failure_opens_it_for_longer():
    connection = configured(breaker_failures=1, breaker_open_s=10)
    failing(connection, 1)
    with after(10):
        assert admit_call(connection=connection) is None
        failing(connection, 1)
        assert stands().retry_at == TODAY + timedelta(seconds=30)
    with after(30):
        assert admit_call(connection=connection) is None
        note_answer(connection=connection)
        assert stands().circuit == Circuit()
        assert lane().last_success_at == clock.now()
        assert at_once(lambda: admit_call(connection=connection)) == [None] * WORKERS


def test_breakers_of_other_platforms_and_of_the_test_world_stay_closed():
    failing(configured(breaker_failures=1), 1)
    assert list(Breaker.objects.exclude(state="closed")) == [stands()]


def test_of_many_who_close_it_by_hand_one_does():
    failing(configured(breaker_failures=1), 1)
    staff, found = UserFactory(is_staff=True), stands()
    assert sorted(at_once(lambda: reset_breaker(breaker_id=found.pk, by=staff))) == [False] * (WORKERS - 1) + [True]
    assert stands().circuit == Circuit()
    assert AuditEvent.objects.filter(action="breaker.reset", actor=staff).count() == 1
    assert admit_call(connection=lane()) is None


# --- Which lanes the sweep may wake: what the breaker itself says


def may_call() -> bool:
    return Connection.objects.may_call(clock.now()).filter(pk=lane().pk).exists()


@pytest.mark.parametrize("seconds", [-3600, -SKEW_S - 11, -SKEW_S - 1, -SKEW_S, -1, 0, 9, 9.999, 10, 11, 5000])
def test_the_sweep_wakes_a_lane_when_the_breaker_lets_it_call(seconds):
    failing(configured(breaker_failures=1, breaker_open_s=10), 1)
    Breaker.objects.update(changed_at=TODAY)
    with after(seconds):
        shut = stands().circuit.closed_until(clock.now()) is not None
        assert may_call() is not shut
        assert shut is (-SKEW_S <= seconds < 10)


def test_a_lane_that_was_told_to_wait_is_not_woken_before():
    hold_connection(connection_id=lane().pk, wait_s=30)
    assert not may_call()
    with after(30):
        assert may_call()


def test_a_probe_that_left_in_the_future_is_given_up():
    connection = configured(breaker_failures=1, breaker_open_s=10)
    failing(connection, 1)
    with after(3600):
        assert admit_call(connection=connection) is None
    with after(20):  # the clock stepped back
        assert breaker.admitted(stands().circuit, clock.now()) is not None
        assert may_call()
        assert admit_call(connection=connection) is None


def test_the_probe_was_answered_though_no_second_call_may_leave():
    connection = configured(daily_quota=1)
    failing(connection, connection.platform.breaker_limits.failures)
    with after(60):
        with suppress(BudgetSpentError), Calls(connection) as calls:
            calls.pay()
            calls.pay()
        assert stands().circuit == Circuit()
        assert lane().quota_used == 1
