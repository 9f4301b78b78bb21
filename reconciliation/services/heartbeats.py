"""Heartbeats: which processes work the queue, and what each was seen doing."""

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psutil
import structlog
from django.db import transaction
from django.db.models import Count, Max, Q

from config import clock
from config.locks import take_turn
from reconciliation.models import Heartbeat
from reconciliation.services.stepping import step_back

log = structlog.get_logger(__name__)

Role = Heartbeat.Role

BEAT_S = 5
ALIVE_S = 4 * BEAT_S
"""Who was not seen for so long is dead, or cut off from the database."""
FORGOTTEN_AFTER = timedelta(hours=1)
STEP_S = 60
"""A clock that is further back than that has stepped. Less is waited for."""

_TITLE = re.compile(r"qcluster (?P<name>\S+) (?P<state>idle|processing|pusher|monitor)\b(?:.*'(?P<task>.*)')?")


@dataclass(frozen=True, slots=True)
class Seen:
    """A process as it is: what it is for, and which task it is at, if any."""

    pid: int
    role: Role
    doing: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Workers:
    """How many workers were seen lately, and when any process was last."""

    alive: int
    last_beat_at: datetime | None


@transaction.atomic
def beat(*, cluster: str, seen: Sequence[Seen]) -> None:
    """Note the processes of a cluster; those of it that were noted before and are not among them are gone.

    A beat of this machine that lies in the future tells that its clock has stepped back.
    """
    now, host = clock.now(), socket.gethostname()[:255]
    _notice_step_back(now, host)
    beats = [
        Heartbeat(
            cluster=cluster,
            host=host,
            pid=each.pid,
            role=each.role,
            doing=each.doing[:200],
            started_at=each.started_at,
            beat_at=now,
        )
        for each in seen
    ]
    Heartbeat.objects.bulk_create(
        beats,
        update_conflicts=True,
        unique_fields=["cluster", "pid"],
        update_fields=["role", "doing", "started_at", "beat_at"],
    )
    gone = Q(cluster=cluster) & ~Q(pid__in=[each.pid for each in seen])
    Heartbeat.objects.filter(gone | Q(beat_at__lt=now - FORGOTTEN_AFTER)).delete()


def _notice_step_back(now: datetime, host: str) -> None:
    ahead = Heartbeat.objects.filter(host=host, beat_at__gt=now + timedelta(seconds=STEP_S))
    if not ahead.exists():
        return
    take_turn("clock")  # of several watchdogs of one machine
    if reached := ahead.aggregate(reached=Max("beat_at"))["reached"]:
        log.warning("clock_stepped_back", seconds=round((reached - now).total_seconds()))
        step_back(reached=reached)
        ahead.update(beat_at=now)


def workers() -> Workers:
    """How it stands with the workers at this moment."""
    now = clock.now()
    lately = Heartbeat.objects.alive(now, within=timedelta(seconds=ALIVE_S))
    found = lately.aggregate(alive=Count("pk", filter=Q(role=Role.WORKER)))
    return Workers(found["alive"], Heartbeat.objects.aggregate(last=Max("beat_at"))["last"])


def seen_of(*, watchdog: psutil.Process, cluster: Sequence[psutil.Process]) -> list[Seen]:
    """The watchdog itself and the processes of its cluster, the main one first, as their titles tell."""
    roles = [(watchdog, Role.WATCHDOG), *((each, Role.SENTINEL) for each in cluster)]
    roles[1:2] = [(each, Role.MAIN) for each in cluster[:1]]
    seen = []
    for process, role in roles:
        try:
            with process.oneshot():
                title, started = " ".join(process.cmdline()), process.create_time()
        except psutil.NoSuchProcess:
            continue
        seen.append(_seen(process.pid, role, title, datetime.fromtimestamp(started, UTC)))
    return seen


def _seen(pid: int, role: Role, title: str, started_at: datetime) -> Seen:
    told = _TITLE.match(title)
    if told is None:
        return Seen(pid, role, "", started_at)
    known = {"pusher": Role.PUSHER, "monitor": Role.MONITOR}
    return Seen(pid, known.get(told["state"], Role.WORKER), told["task"] or "", started_at)
