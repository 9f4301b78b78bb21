"""The queue's broker: hints alike are one, none is missed, and whoever waits is woken."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.models.functions import Now
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from config import broker as brokers
from config.broker import CHANNEL, Broker
from config.queue import enqueue

pytestmark = pytest.mark.django_db(transaction=True)

DRAIN = "reconciliation.tasks.drain_lane"
LONG_S = 20.0
"""A wait that takes so long has not been woken."""


@pytest.fixture
def broker(monkeypatch) -> Iterator[Broker]:
    """One that hears, and that would wait long."""
    broker = Broker()
    monkeypatch.setattr(brokers, "POLL_S", LONG_S)
    monkeypatch.setattr(brokers, "_notified", brokers._Recent())
    yield broker
    if broker._listener and broker._listener._session:
        broker._listener._session.close()


@pytest.fixture
def impatient(broker: Broker, monkeypatch) -> Broker:
    """One that hands hints alike out without a gap."""
    monkeypatch.setattr(brokers, "GAP_S", 0.0)
    monkeypatch.setattr(brokers, "POLL_S", 0.05)
    return broker


def args_of(taken: list[tuple[int, str]] | None) -> list[Any]:
    packages: list[Any] = [SignedPackage.loads(payload) for _, payload in taken or []]
    return [package["args"] for package in packages]


def beside(act: Callable[[], None]) -> threading.Thread:
    """Do it in a thread, with a connection of its own."""

    def run() -> None:
        try:
            act()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_hints_alike_that_wait_are_one_and_others_are_kept(impatient: Broker):
    for lane in ("a", "b", "a", "a", "b"):
        enqueue(DRAIN, lane)
    enqueue("reconciliation.tasks.sweep")
    assert [args_of(impatient.dequeue()) for _ in range(4)] == [[("a",)], [("b",)], [()], []]
    assert (impatient.queue_size(), impatient.lock_size()) == (0, 3)


def test_a_hint_that_comes_while_one_alike_is_worked_on_is_handed_out_too(impatient: Broker):
    enqueue(DRAIN, "a")
    first = impatient.dequeue()
    enqueue(DRAIN, "a")
    second = impatient.dequeue()
    assert args_of(first) == args_of(second) == [("a",)]
    assert first != second


def test_hints_alike_are_handed_out_with_a_gap(broker: Broker):
    enqueue(DRAIN, "a")
    assert broker.dequeue()
    enqueue(DRAIN, "a")
    enqueue(DRAIN, "b")
    started = time.monotonic()
    assert args_of(broker.dequeue()) == [("b",)]
    while not (taken := broker.dequeue()):  # it waits for the gap's end, not for the next poll
        pass
    assert args_of(taken) == [("a",)]
    assert brokers.GAP_S / 2 < time.monotonic() - started < LONG_S / 2


def test_a_rollback_takes_the_hint_with_it(impatient: Broker):
    with transaction.atomic():
        enqueue(DRAIN, "a")
        transaction.set_rollback(True)
    assert impatient.dequeue() is None


@pytest.mark.parametrize(
    ("locked_for_s", "is_taken"),
    [(-1, True), (1, False), (brokers._LOCK_S, False), (3_600, True)],
    ids=["lapsed", "held", "just taken", "taken before the clock stepped back an hour"],
)
def test_what_somebody_holds_is_left_to_them(impatient: Broker, locked_for_s: int, is_taken: bool):
    enqueue(DRAIN, "a")
    OrmQ.objects.update(lock=Now() + timedelta(seconds=locked_for_s))
    assert bool(impatient.dequeue()) is is_taken


def test_other_queues_are_left_alone_and_rows_of_older_versions_are_each_handed_out(impatient: Broker):
    for lane in ("a", "b", "c"):
        enqueue(DRAIN, lane)
    names = {"a": "claimcheck2:x", "b": "claimcheck", "c": "claimcheck"}
    for row in OrmQ.objects.all():
        OrmQ.objects.filter(pk=row.pk).update(key=names[row.task["args"][0]])
    assert [args_of(impatient.dequeue()) for _ in range(3)] == [[("b",)], [("c",)], []]
    impatient.purge_queue()
    assert OrmQ.objects.get().key == "claimcheck2:x"


def test_whoever_waits_is_woken_by_the_commit(broker: Broker):
    assert broker.dequeue() is None  # begins to listen
    committed_at = []

    def submit() -> None:
        with transaction.atomic():
            enqueue(DRAIN, "a")
            time.sleep(0.3)
        committed_at.append(time.monotonic())

    thread = beside(submit)
    assert broker.dequeue() is None
    woken_at = time.monotonic()
    thread.join()
    assert committed_at[0] - 0.2 < woken_at < committed_at[0] + LONG_S / 2
    assert args_of(broker.dequeue()) == [("a",)]


def test_it_listens_again_after_its_connection_was_lost(broker: Broker, caplog):
    assert broker.dequeue() is None
    assert broker._listener
    assert broker._listener._session
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [broker._listener._session.info.backend_pid])
    started = time.monotonic()
    while "listening again" not in caplog.text:
        assert broker.dequeue() is None
        assert time.monotonic() - started < LONG_S / 2
    assert caplog.text.count("instead of listening") == 1


def test_a_database_that_is_away_is_waited_for(broker: Broker, monkeypatch, caplog):
    monkeypatch.setattr(brokers, "POLL_S", 0.05)
    enqueue(DRAIN, "a")
    assert broker.dequeue()
    row = OrmQ.objects.get()
    name = connection.settings_dict["NAME"]
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "NAME", "nowhere")
    assert [broker.dequeue(), broker.dequeue()] == [None, None]
    broker.acknowledge(row.pk)
    monkeypatch.setitem(connection.settings_dict, "NAME", name)
    assert caplog.text.count("the database is away") == 1
    assert OrmQ.objects.get() == row
    broker.acknowledge(row.pk)
    assert not OrmQ.objects.exists()


def test_where_no_notification_arrives_it_asks_often_and_says_so_once(broker: Broker, settings, monkeypatch, caplog):
    """Another database delivers none of ours, as a pooler does."""
    parameters = connection.get_connection_params()
    settings.DATABASE_DIRECT_URL = (
        f"host={parameters['host']} port={parameters['port']} user={parameters['user']} dbname=postgres"
        + (f" password={parameters['password']}" if parameters.get("password") else "")
    )
    monkeypatch.setattr(brokers, "PROBE_S", 0.1)
    started = time.monotonic()
    assert [broker.dequeue() for _ in range(5)] == [None] * 5
    assert time.monotonic() - started < LONG_S / 2
    assert caplog.text.count("DATABASE_DIRECT_URL") == 1


def test_a_process_notifies_once_in_a_while_for_hints_alike(broker: Broker):
    session = brokers._direct_connection()
    session.execute(f"LISTEN {CHANNEL}")
    for lane in ("a", "a", "b", "a"):
        enqueue(DRAIN, lane)
    assert len(list(session.notifies(timeout=1, stop_after=3))) == 2
    session.close()


def test_no_job_is_missed_by_a_drain_that_is_just_ending(impatient: Broker):
    """Claims come in transactions of all lengths while one consumer takes hints up as fast as it can: whatever is
    committed is seen by a drain that begins after it, though most hints are never handed out."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE wanted (id text PRIMARY KEY)")
    producers, each = 4, 60

    def produce(number: int) -> None:
        for n in range(each):
            with transaction.atomic(), connection.cursor() as cursor:
                if n % 2:
                    enqueue(DRAIN, "a")
                cursor.execute("INSERT INTO wanted VALUES (%s)", [f"{number}-{n}"])
                if n % 5 == 0:
                    time.sleep(0.004)
                if not n % 2:
                    enqueue(DRAIN, "a")

    threads = [beside(lambda number=number: produce(number)) for number in range(producers)]  # type: ignore[misc]
    seen: set[str] = set()
    tasks = 0
    try:
        while any(thread.is_alive() for thread in threads) or impatient.queue_size():
            if not (taken := impatient.dequeue()):
                continue
            tasks += 1
            with connection.cursor() as cursor:
                cursor.execute("SELECT id FROM wanted")
                seen |= {row[0] for row in cursor.fetchall()}
            time.sleep(0.01)
            impatient.acknowledge(taken[0][0])
    finally:
        for thread in threads:
            thread.join()
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE wanted")
    assert len(seen) == producers * each
    assert tasks < producers * each / 2
