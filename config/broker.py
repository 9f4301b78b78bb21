"""The queue's broker: django-q2's on our own database, but woken by NOTIFY instead of asking again and again.

A queued task is a hint: "there is something to do for these ids". Of hints alike that wait, one is enough, because each
was committed together with what it is about, and whoever takes one up sees all of that. So taking one up removes those
like it, and one that was handed out is not handed out again for GAP_S: a hundred claims in one lane are a hundred
cheap rows, but ten tasks a second. A hint that is not handed out yet stays in the table, so none can be missed.

NOTIFY wakes the process that hands tasks out; every POLL_S it asks all the same. A commit that notifies keeps all
others waiting that do too, so a process notifies once in GAP_S for hints alike; who hands them out comes back by itself
after GAP_S. Listening needs a connection of its own that no pooler shares; where there is none, it asks every `poll`
seconds, as Q_CLUSTER says, and the log says why.

Moments in the table are by the database's clock alone.
"""

import logging
import time
from collections.abc import Callable
from hashlib import blake2s
from typing import Any

import psycopg
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import SignedPackage

GAP_S = 0.1
POLL_S = 0.5
"""Whoever listens misses nothing but what was committed in the very moment it looked, or was not notified."""
PROBE_S = 1.0
"""A notification takes less than that, where any comes at all."""
DEAF_S = 600
"""So long it does without, where a probe was not heard."""
LONGEST_BACKOFF_S = 30
CHANNEL = "claimcheck_queue"
SKEW_S = 60
"""What is locked for longer than a lock lasts, and that, was locked before the clock stepped back."""

_LOCK_S = int(Conf.RETRY)
_UNHEARD_POLL_S = float(Conf.POLL)

logger = logging.getLogger(__name__)


class Broker(ORM):
    """What Q_CLUSTER names as its broker. A row's key: the queue's name and a digest of the task and its arguments."""

    def __init__(self, list_key: str = Conf.CLUSTER_NAME) -> None:
        super().__init__(list_key)
        self._handed_out = _Recent()
        self._listener: _Listener | None = None
        self._is_away = False

    def enqueue(self, task: str) -> int:
        """Add a signed task, and wake whoever hands it out once it is committed."""
        key = f"{self.list_key}:{_digest(SignedPackage.loads(task))}"
        notify = "" if _notified.has(key) else ", pg_notify(%(channel)s, %(key)s)"
        _notified.add(key)
        with connection.cursor() as cursor:
            cursor.execute(
                "WITH added AS (INSERT INTO django_q_ormq (key, payload, lock) VALUES (%(key)s, %(task)s, now())"
                f" RETURNING id) SELECT id{notify} FROM added",
                {"key": key, "task": task, "channel": CHANNEL},
            )
            return int(cursor.fetchone()[0])

    def dequeue(self) -> list[tuple[int, str]] | None:
        """Hand out one task, or wait for it a little and return None. A database that is away is waited for too: an
        error here would end the process, and with it the whole cluster."""
        try:
            self.get_connection()  # closes one that is too old or broken
            taken = self._take()
            if taken is None:
                self._wait()
        except (OperationalError, InterfaceError) as error:
            self._note_away(error)
            time.sleep(POLL_S)
            return None
        self._is_away = False
        return taken

    def acknowledge(self, task_id: int) -> None:
        """Remove a task that was done. Where the database is away it stays, and is done again, which is harmless; an
        error here would end the process, and with it the whole cluster."""
        try:
            super().acknowledge(task_id)
        except (OperationalError, InterfaceError) as error:
            self._note_away(error)
        else:
            self._is_away = False

    def queue_size(self) -> int:
        """How many wait."""
        return self._rows().filter(lock__lte=Now()).count()

    def lock_size(self) -> int:
        """How many were handed out and are not done."""
        return self._rows().filter(lock__gt=Now()).count()

    def purge_queue(self) -> int:
        """Remove them all."""
        return self._rows().delete()[0]

    def _rows(self) -> QuerySet[OrmQ]:
        return OrmQ.objects.filter(Q(key=self.list_key) | Q(key__startswith=f"{self.list_key}:"))

    def _note_away(self, error: Exception) -> None:
        if not self._is_away:
            logger.warning("queue: the database is away: %s", str(error).strip())
        self._is_away = True
        connection.close()

    def _take(self) -> list[tuple[int, str]] | None:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                WITH next AS (
                    SELECT id, key FROM django_q_ormq
                    WHERE split_part(key, ':', 1) = %(queue)s AND key <> ALL(%(handed_out)s)
                        AND (lock <= now() OR lock > now() + %(locked_at_most)s * interval '1 second')
                    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
                ), alike AS (
                    DELETE FROM django_q_ormq WHERE id IN (
                        SELECT other.id FROM django_q_ormq AS other JOIN next ON next.key = other.key
                        WHERE other.id <> next.id AND other.key <> %(queue)s
                            AND (lock <= now() OR lock > now() + %(locked_at_most)s * interval '1 second')
                        FOR UPDATE OF other SKIP LOCKED
                    )
                )
                UPDATE django_q_ormq AS taken SET lock = now() + %(lock)s * interval '1 second'
                FROM next WHERE taken.id = next.id
                RETURNING taken.id, taken.payload, taken.key
                """,
                {
                    "queue": self.list_key,
                    "handed_out": self._handed_out.keys(),
                    "lock": _LOCK_S,
                    "locked_at_most": _LOCK_S + SKEW_S,
                },
            )
            found = cursor.fetchone()
        if found is None:
            return None
        task_id, payload, key = found
        if key != self.list_key:  # as a version without digests queued it
            self._handed_out.add(key)
        return [(task_id, payload)]

    def _wait(self) -> None:
        """Until something may be there: a hint that was not handed out just now, or one that was, once its gap ends."""
        timeout_s = self._handed_out.over_in_s() or POLL_S
        self._listener = self._listener or _Listener()
        if not self._listener.wait(timeout_s, lambda key: not self._handed_out.has(key)):
            time.sleep(min(timeout_s, _UNHEARD_POLL_S))

    def _count(self, which: str, query: str = "SELECT count(*) FROM django_q_ormq WHERE {}") -> int:
        with connection.cursor() as cursor:
            cursor.execute(query.format(f"split_part(key, ':', 1) = %s AND {which}"), [self.list_key])
            return int(cursor.fetchone()[0])


def _digest(task: dict[str, Any]) -> str:
    """What is the same for tasks that do the same."""
    return blake2s(repr((task["func"], task["args"], task["kwargs"])).encode(), digest_size=16).hexdigest()


class _Recent:
    """What happened within the last GAP_S."""

    def __init__(self) -> None:
        self._over_at: dict[str, float] = {}

    def add(self, key: str) -> None:
        self._forget()
        self._over_at[key] = time.monotonic() + GAP_S

    def has(self, key: str) -> bool:
        return self._over_at.get(key, 0) > time.monotonic()

    def keys(self) -> list[str]:
        self._forget()
        return list(self._over_at)

    def over_in_s(self) -> float | None:
        """When the first of them is over; None: there are none."""
        self._forget()
        return max(0.0, min(self._over_at.values()) - time.monotonic()) if self._over_at else None

    def _forget(self) -> None:
        now = time.monotonic()
        self._over_at = {key: over_at for key, over_at in self._over_at.items() if over_at > now}


_notified = _Recent()
"""By this process: web or worker."""


class _Listener:
    """A connection of its own that hears of new tasks. It belongs to the process that first waits with it."""

    def __init__(self) -> None:
        self._session: psycopg.Connection[Any] | None = None
        self._backoff_s = 1
        self._next_try_at = 0.0

    def wait(self, timeout_s: float, concerns: Callable[[str], bool]) -> bool:
        """Until a notification that `concerns` the caller, at most `timeout_s`. False, at once: nobody listens.

        Who has just begun to listen does not wait: what came before was not heard.
        """
        try:
            session = self._session
            if session is None:
                return self._connect()
            deadline = time.monotonic() + timeout_s
            while (left_s := deadline - time.monotonic()) > 0:
                if any(concerns(note.payload) for note in session.notifies(timeout=left_s, stop_after=1)):
                    break
            return True
        except (psycopg.Error, OSError, OperationalError) as error:
            self._lose(str(error).strip(), self._backoff_s)
            self._backoff_s = min(2 * self._backoff_s, LONGEST_BACKOFF_S)
            return False

    def _connect(self) -> bool:
        if time.monotonic() < self._next_try_at:
            return False
        session = self._session = _direct_connection()
        session.execute(f"LISTEN {CHANNEL}")
        if not self._hears(session):
            self._lose("no notification arrives, as through a pooler: set DATABASE_DIRECT_URL", DEAF_S)
            return False
        if self._next_try_at:
            logger.info("queue: listening again")
        self._backoff_s, self._next_try_at = 1, 0.0
        return True

    @staticmethod
    def _hears(session: psycopg.Connection[Any]) -> bool:
        """Whether what others send arrives."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, 'probe')", [CHANNEL])
        return any(session.notifies(timeout=PROBE_S, stop_after=1))

    def _lose(self, why: str, wait_s: int) -> None:
        logger.warning("queue: asking every %s s instead of listening: %s", _UNHEARD_POLL_S, why)
        if self._session:
            self._session.close()
        self._session, self._next_try_at = None, time.monotonic() + wait_s


def _direct_connection() -> psycopg.Connection[Any]:
    if settings.DATABASE_DIRECT_URL:
        return psycopg.connect(settings.DATABASE_DIRECT_URL, autocommit=True, connect_timeout=5)
    parameters = connection.get_connection_params() | {"autocommit": True, "connect_timeout": 5}
    session: psycopg.Connection[Any] = connection.get_new_connection(parameters)
    return session
