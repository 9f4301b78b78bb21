"""Who works the queue: noted by the watchdog, forgotten when gone."""

from datetime import timedelta

import psutil
import pytest

from config import clock
from reconciliation.models import Heartbeat
from reconciliation.services import heartbeats
from reconciliation.services.heartbeats import Role, Seen
from tests.factories import TODAY
from tests.staff import client_for, superuser

pytestmark = pytest.mark.django_db


def seen(*pids: int, role: Role = Role.WORKER, doing: str = "") -> list[Seen]:
    return [Seen(pid, role, doing, TODAY) for pid in pids]


def test_a_process_has_one_row_that_says_what_it_was_seen_at(today):
    heartbeats.beat(cluster="a", seen=seen(1, 2))
    with clock.at(TODAY + timedelta(seconds=5)):
        heartbeats.beat(cluster="a", seen=seen(2, 3, doing="reconciliation.tasks.drain_lane"))
    rows = Heartbeat.objects.order_by("pid").values_list("pid", "doing", "beat_at")
    later = TODAY + timedelta(seconds=5)
    assert list(rows) == [(pid, "reconciliation.tasks.drain_lane", later) for pid in (2, 3)]


def test_clusters_keep_to_their_own_and_the_long_gone_are_forgotten(today):
    heartbeats.beat(cluster="a", seen=seen(1, 2))
    heartbeats.beat(cluster="b", seen=seen(1))
    assert Heartbeat.objects.count() == 3
    with clock.at(TODAY + timedelta(hours=2)):
        heartbeats.beat(cluster="b", seen=seen(1))
    assert Heartbeat.objects.get().cluster == "b"


@pytest.mark.parametrize(("after_s", "alive"), [(0, 2), (19, 2), (21, 0), (-3_600, 0)])
def test_workers_count_while_they_were_seen_lately(today, after_s: int, alive: int):
    heartbeats.beat(cluster="a", seen=[*seen(1, 2), *seen(3, role=Role.PUSHER)])
    with clock.at(TODAY + timedelta(seconds=after_s)):
        assert heartbeats.workers() == heartbeats.Workers(alive, TODAY)


def test_nobody_was_ever_seen():
    assert heartbeats.workers() == heartbeats.Workers(0, None)


@pytest.mark.parametrize(
    ("title", "role", "doing"),
    [
        ("qcluster Process-1f idle", Role.WORKER, ""),
        (
            "qcluster Process-1f processing blue-fox 'reconciliation.tasks.drain_lane' [x]",
            Role.WORKER,
            "reconciliation.tasks.drain_lane",
        ),
        ("qcluster Process-1f pusher", Role.PUSHER, ""),
        ("qcluster Process-1f monitor", Role.MONITOR, ""),
        ("qcluster MainProcess blue-fox-idle", Role.SENTINEL, ""),
        ("python manage.py worker", Role.SENTINEL, ""),
    ],
)
def test_titles_tell_what_a_process_is_for(title: str, role: Role, doing: str):
    found = heartbeats._seen(1, Role.SENTINEL, title, TODAY)
    assert (found.role, found.doing) == (role, doing)


def test_the_watchdog_and_the_main_process_are_known_by_their_place_and_the_dead_left_out():
    ourselves = psutil.Process()
    dead = psutil.Popen(["true"])
    dead.wait()
    found = heartbeats.seen_of(watchdog=ourselves, cluster=[ourselves, ourselves, dead])
    assert [each.role for each in found] == [Role.WATCHDOG, Role.MAIN, Role.SENTINEL]


def test_staff_see_how_many_are_alive(today):
    heartbeats.beat(cluster="a", seen=seen(1, 2))
    page = client_for(superuser()).get("/admin/reconciliation/heartbeat/")
    assert "Workers alive: 2; last beat:" in page.content.decode()
