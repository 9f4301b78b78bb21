"""Jobs: asking for a look, leasing a batch of them, giving back what failed, finding what was forgotten."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db import connection as database
from django.db.models import F, QuerySet

from affiliates.models import User
from affiliates.services import audit
from config import clock
from config.errors import ConflictError
from config.ids import new_id
from config.queue import enqueue
from platforms.adapters import ADAPTER_CLASSES
from platforms.models import Connection
from reconciliation.models import Job

MAX_ATTEMPTS = 8
LEASE_S = 45
"""Longer than a call may take (10 s) plus settling; a holder that needs longer finds its lease void."""
PACE_S = 1.0
"""A partial batch waits until so long after the lane's last call: few calls for many claims that come one by one."""
UNASKED_BATCH = 200
"""Looks that need no platform, settled together."""
BACKOFF_BASE_S = 2
BACKOFF_MAX_S = 600
FORGOTTEN_AFTER = timedelta(seconds=1)
PRIORITY = {Job.Reason.SUBMISSION: 10, Job.Reason.MANUAL: 20, Job.Reason.SECOND_LOOK: 30}


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs held together under one lease, for one call. Without a connection no platform is asked."""

    lease: UUID
    connection: Connection | None
    jobs: Sequence[Job]


@dataclass(frozen=True, slots=True)
class Wait:
    """A partial batch of a lane that has just called: whoever holds this comes back at `until` for all of it."""

    until: datetime


def request_look(
    *, post_id: UUID, connection_id: UUID | None, reason: Job.Reason, due_at: datetime, request_id: str
) -> UUID | None:
    """See that a post is looked at: a new job, or the pending one sooner. Returns the lane it is in.

    A look that somebody is taking right now stays theirs; settling it finds the claim that came meanwhile.
    """
    with database.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO reconciliation_job
                (id, created_at, post_id, connection_id, reason, priority, state, due_at, attempts, last_error,
                 request_id)
            VALUES (%s, %s, %s, %s, %s, %s, 'due', %s, 0, '', %s)
            {_JOIN_PENDING}
            RETURNING connection_id
            """,
            [new_id(), clock.now(), post_id, connection_id, reason, PRIORITY[reason], due_at, request_id],
        )
        lane: UUID | None = cursor.fetchone()[0]
        return lane


_JOIN_PENDING = """
    ON CONFLICT (post_id) WHERE state IN ('due', 'leased') DO UPDATE SET
        due_at = LEAST(reconciliation_job.due_at, EXCLUDED.due_at),
        priority = LEAST(reconciliation_job.priority, EXCLUDED.priority),
        connection_id = COALESCE(EXCLUDED.connection_id, reconciliation_job.connection_id)
"""


def request_looks(*, post_ids: Sequence[UUID], request_id: str) -> list[UUID]:
    """See that many posts are looked at now, each in the application's own lane for its platform. Returns job ids."""
    with database.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO reconciliation_job
                (id, created_at, post_id, connection_id, reason, priority, state, due_at, attempts, last_error,
                 request_id)
            SELECT asked.id, %(now)s, post.id, lane.id, 'manual', %(priority)s, 'due', %(now)s, 0, '', %(request_id)s
            FROM unnest(%(ids)s::uuid[], %(post_ids)s::uuid[]) AS asked (id, post_id)
            JOIN campaigns_post post ON post.id = asked.post_id
            JOIN campaigns_campaign campaign ON campaign.id = post.campaign_id
            JOIN platforms_connection lane ON lane.platform_id = post.platform_id
                AND lane.affiliate_id IS NULL AND lane.livemode = campaign.livemode
            ORDER BY post.id
            {_JOIN_PENDING}
            RETURNING id
            """,
            {
                "now": clock.now(),
                "priority": PRIORITY[Job.Reason.MANUAL],
                "request_id": request_id,
                "ids": [new_id() for _ in post_ids],
                "post_ids": list(post_ids),
            },
        )
        return [row[0] for row in cursor.fetchall()]


def _lock(jobs: QuerySet[Job], *, skip_locked: bool = False) -> list[UUID]:
    """Lock these rows in the order of their posts, as all do who take several, so that none waits in a circle."""
    return list(jobs.select_for_update(skip_locked=skip_locked).order_by("post_id").values_list("pk", flat=True))


@transaction.atomic
def lease_batch(*, connection_id: UUID | None, paced: bool = True) -> Batch | Wait | None:
    """Take the lane's most urgent due jobs, up to what one call may ask. Attempts count before the work begins.

    The lane's row is locked for this short transaction, so one caller at a time decides. A full batch leaves at once;
    a partial one waits until PACE_S after the lane's last call, and only one caller is told to wait for it: None for
    all others, as for a lane with nothing due, one that is parked, and one the platform told us to leave alone.
    """
    lane = None
    if connection_id:  # a lock that lets the rows that point at the lane be written meanwhile
        lanes = Connection.objects.select_for_update(of=("self",), no_key=True).select_related("platform")
        lane = lanes.get(pk=connection_id)
    now = clock.now()
    if lane and (lane.state != Connection.State.ACTIVE or (lane.not_before and lane.not_before > now)):
        return None
    size = ADAPTER_CLASSES[lane.platform.slug].batch_size if lane else UNASKED_BATCH
    due = Job.objects.in_lane(connection_id).due(now).order_by("priority", "due_at", "id")
    jobs = list(due.select_for_update(skip_locked=True, of=("self",)).select_related("post")[:size])
    if not jobs:
        return None
    if lane:
        next_call_at = lane.last_call_at and lane.last_call_at + timedelta(seconds=PACE_S)
        if paced and len(jobs) < size and next_call_at and _is_soon(next_call_at, now):
            return _wait_for_more(lane, next_call_at)
        Connection.objects.filter(pk=lane.pk).update(last_call_at=now, awaited_until=None)
        jobs += _same_content(jobs, due)
    lease = new_id()
    Job.objects.filter(pk__in=[job.pk for job in jobs]).update(
        state=Job.State.LEASED,
        lease=lease,
        leased_until=now + timedelta(seconds=LEASE_S),
        attempts=F("attempts") + 1,
    )
    return Batch(lease, lane, jobs)


def _wait_for_more(lane: Connection, until: datetime) -> Wait | None:
    """One caller waits for the lane's next call; should it die, the next one takes its place shortly after."""
    if lane.awaited_until and _is_soon(lane.awaited_until, clock.now()):
        return None
    Connection.objects.filter(pk=lane.pk).update(awaited_until=until + timedelta(seconds=PACE_S / 2))
    return Wait(until)


def _is_soon(moment: datetime, now: datetime) -> bool:
    """Still to come; but what lies further ahead than anybody waits was written before the clock stepped back."""
    return now < moment <= now + timedelta(seconds=2 * PACE_S)


def _same_content(jobs: Sequence[Job], due: "QuerySet[Job]") -> list[Job]:
    """Due jobs for the same content in other campaigns: asked once, settled together."""
    ids = {job.post.external_id for job in jobs}
    twins = due.filter(post__external_id__in=ids).exclude(pk__in=[job.pk for job in jobs])
    return list(twins.select_for_update(skip_locked=True, of=("self",)).select_related("post"))


@transaction.atomic
def give_back(*, batch: Batch, error: str, retry_after_s: int | None = None, counts: bool = True) -> None:
    """Return jobs whose look failed: due again after a backoff with full jitter, or when the platform said.

    An attempt that does not count (the platform asked us to wait, the credential failed) is refunded. Attempts used
    up make a job dead: it stays visible with its error, and staff may retry it.
    """
    now = clock.now()
    mine = Job.objects.filter(lease=batch.lease, state=Job.State.LEASED, pk__in=[job.pk for job in batch.jobs])
    _lock(mine)
    if counts:
        mine.filter(attempts__gte=MAX_ATTEMPTS).update(
            state=Job.State.DEAD, lease=None, leased_until=None, finished_at=now, last_error=error[:300]
        )
    attempts = max((job.attempts for job in batch.jobs), default=0)
    backoff_s = random.uniform(0, min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2**attempts))  # noqa: S311 (jitter, no secret)
    mine.update(
        state=Job.State.DUE,
        lease=None,
        leased_until=None,
        due_at=now + timedelta(seconds=retry_after_s if retry_after_s is not None else backoff_s),
        attempts=F("attempts") - (0 if counts else 1),
        last_error=error[:300],
    )


@transaction.atomic
def retry_dead(*, job_ids: Sequence[UUID], by: User | None = None) -> int:
    """Make dead jobs due again with fresh attempts; returns how many.

    Of several for one post the newest is retried; one whose post is already pending stays dead.
    """
    dead = Job.objects.filter(pk__in=job_ids, state=Job.State.DEAD).exclude(
        post__in=Job.objects.pending().values("post")
    )
    newest = dead.order_by("post_id", "-created_at", "-id").distinct("post_id").values("pk")
    retried = Job.objects.filter(pk__in=_lock(Job.objects.filter(pk__in=newest, state=Job.State.DEAD)))
    for job in retried:
        audit(actor=by, action="job.retried", row=job, changes={"attempts": job.attempts})
    for connection_id in {job.connection_id for job in retried}:
        wake(connection_id)
    try:
        return retried.update(state=Job.State.DUE, attempts=0, due_at=clock.now(), finished_at=None)
    except IntegrityError as error:  # a claim or a run asked for a look at one of them at this very moment
        raise ConflictError("Somebody has just asked for a look at one of these posts. Try again.") from error


@transaction.atomic
def sweep() -> int:
    """Find what the queue forgot: leases that lapsed, and lanes with something due. Returns the lanes woken."""
    now = clock.now()
    # Rows that somebody holds are at work after all; the sweep never waits.
    lapsed = Job.objects.lapsed(now).filter(pk__in=_lock(Job.objects.lapsed(now), skip_locked=True))
    lapsed.filter(attempts__gte=MAX_ATTEMPTS).update(
        state=Job.State.DEAD,
        lease=None,
        leased_until=None,
        finished_at=now,
        last_error="The worker was lost each time this was tried.",
    )
    lapsed.update(state=Job.State.DUE, lease=None, leased_until=None, due_at=now)
    lanes = list(Job.objects.forgotten_lanes(now, after=FORGOTTEN_AFTER))
    for connection_id in lanes:
        wake(connection_id)
    return len(lanes)


def wake(connection_id: UUID | None) -> None:
    """Queue the hint that this lane has work."""
    enqueue("reconciliation.tasks.drain_lane", str(connection_id or ""))
