"""Jobs: asking for a look, leasing a batch of them, giving back what failed, finding what was forgotten."""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db import connection as database
from django.db.models import DateTimeField, F, QuerySet, Value
from django.db.models.functions import Least

from affiliates.models import User
from affiliates.services import audit
from campaigns.models import CampaignPlatform, Post
from campaigns.rates import Rates, worth
from config import clock
from config.bulk import array, read_values
from config.cluster import leases_of, new_lease
from config.errors import ConflictError
from config.ids import new_id
from config.middleware import current_request_id
from config.queue import enqueue
from platforms import budget
from platforms.adapters import ADAPTER_CLASSES
from platforms.models import Connection
from platforms.services.lanes import shut_until
from reconciliation.models import Job, PostState
from reconciliation.querysets import LANE, JobQuerySet
from reconciliation.rules import CLAIMABLE
from reconciliation.urgency import Reason, outranked_by, urgent_at

MAX_ATTEMPTS = 8
LEASE_S = 45
"""Longer than a call may take (10 s) plus settling; a holder that needs longer finds its lease void."""
PACE_S = 1.0
"""A partial batch waits until so long after the lane's last call: few calls for many claims that come one by one."""
BATCH = 2_000
"""Looks that are taken, asked about and settled together: more would make no statement cheaper."""
UNIDENTIFIED_BATCH = 16
"""Short links that one worker opens, a few at a time, well before its lease lapses."""
PUT_OFF_AT_ONCE = 1_000
"""Re-checks that a spent quota puts off in one go: a lane is locked meanwhile."""
BACKOFF_BASE_S = 2
BACKOFF_MAX_S = 600
FORGOTTEN_AFTER = timedelta(seconds=1)


class AskedPost(NamedTuple):
    """A post, as far as its platform is asked about it."""

    pk: UUID
    external_id: str
    api_id: str | None
    url: str
    affiliate_id: UUID
    platform_id: UUID
    is_identified: bool


class LeasedJob(NamedTuple):
    """A job in somebody's hands, as it was when it was taken. A plain row: there may be thousands."""

    pk: UUID
    created_at: datetime
    due_at: datetime
    attempts: int
    request_id: str
    post: AskedPost


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs held together under one lease, asked about together. Without a connection no platform is asked."""

    lease: UUID
    connection: Connection | None
    jobs: Sequence[LeasedJob]


@dataclass(frozen=True, slots=True)
class Wait:
    """A partial batch of a lane that has just called: whoever holds this comes back at `until` for all of it."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """A look that somebody asked for: the job that is going to take it, and the lane it is in."""

    job: UUID
    lane: UUID | None


def request_looks(*, posts: Mapping[UUID, bool], reason: Reason, due_at: datetime, request_id: str) -> list[Look]:
    """See that posts are looked at: a new job for each, or the pending one sooner. `posts` says of each whether its
    platform is to be asked.

    One that is there for a lesser reason is this one's from now on, with fresh attempts. A look that somebody is taking
    right now stays theirs, as the first of these attempts; settling it finds the claim that came meanwhile, and should
    it come to nothing, it is given back as what it is now.
    """
    stakes: Mapping[UUID, Decimal | None] = stakes_of(list(posts)) if reason != Job.Reason.SUBMISSION else {}
    with database.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO reconciliation_job AS job
                (id, created_at, post_id, connection_id, reason, state, due_at, urgent_at, attempts, last_error,
                 request_id)
            SELECT asked.id, %(now)s, asked.post_id, lane.id, %(reason)s, 'due', %(due_at)s, asked.urgent_at, 0, '',
                   %(request_id)s
            FROM unnest(%(ids)s::uuid[], %(post_ids)s::uuid[], %(ask_platform)s::boolean[],
                %(urgent_at)s::timestamptz[]) AS asked (id, post_id, asks_platform, urgent_at)
            JOIN campaigns_post post ON post.id = asked.post_id
            JOIN campaigns_campaign campaign ON campaign.id = post.campaign_id
            LEFT JOIN LATERAL ({LANE}) lane ON asked.asks_platform AND post.is_identified
            ORDER BY asked.post_id
            ON CONFLICT (post_id) WHERE state IN ('due', 'leased') DO UPDATE SET
                due_at = LEAST(job.due_at, EXCLUDED.due_at),
                urgent_at = LEAST(job.urgent_at, EXCLUDED.urgent_at),
                connection_id = COALESCE(EXCLUDED.connection_id, job.connection_id),
                (reason, attempts, last_error, request_id) = (
                    SELECT EXCLUDED.reason, CASE job.state WHEN 'leased' THEN 1 ELSE 0 END, EXCLUDED.last_error,
                        EXCLUDED.request_id
                    WHERE job.reason = ANY(%(lesser)s)
                    UNION ALL
                    SELECT job.reason, job.attempts, job.last_error, job.request_id
                    WHERE job.reason <> ALL(%(lesser)s)
                )
            RETURNING id, connection_id
            """,
            {
                "now": clock.now(),
                "reason": reason,
                "lesser": outranked_by(reason),
                "due_at": due_at,
                "urgent_at": array(urgent_at(reason, due_at, stakes.get(post_id)) for post_id in posts),
                "request_id": request_id,
                "ids": array(new_id() for _ in posts),
                "post_ids": array(posts),
                "ask_platform": array(posts.values()),
            },
        )
        return [Look(job, lane) for job, lane in cursor.fetchall()]


def stakes_of(post_ids: Sequence[UUID]) -> dict[UUID, Decimal | None]:
    """What the current claim of each of these posts comes to at its campaign's rates: see `urgency`."""
    claimed = list(
        PostState.objects.filter(post__in=post_ids).values_list(
            "post",
            "post__campaign",
            "post__platform",
            *(f"current_claim__claimed_{metric}" for metric in CLAIMABLE),
        )
    )
    terms = CampaignPlatform.objects.filter(campaign__in={campaign for _, campaign, *_ in claimed})
    rates = {(row.campaign_id, row.platform_id): row.rates for row in terms}
    return {
        post_id: at_stake(figures, rates.get((campaign, platform))) for post_id, campaign, platform, *figures in claimed
    }


def at_stake(claimed: Sequence[int | None], rates: Rates | None) -> Decimal | None:
    """What claimed views, clicks and conversions come to; None where nobody knows."""
    if rates is None:
        return None
    return worth({metric: n for metric, n in zip(CLAIMABLE, claimed, strict=True) if n is not None}, rates)


def lanes_of(post_ids: Sequence[UUID]) -> dict[UUID, UUID | None]:
    """The lane that looks at each of these posts: its affiliate's own connection where there is one, else the
    application's; None while it is not known which post a short link names."""
    with database.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT post.id, CASE WHEN post.is_identified THEN lane.id END
            FROM campaigns_post post
            JOIN campaigns_campaign campaign ON campaign.id = post.campaign_id
            CROSS JOIN LATERAL ({LANE}) lane
            WHERE post.id = ANY(%s::uuid[])
            """,
            [array(post_ids)],
        )
        return dict(cursor.fetchall())


def close_look(*, post_id: UUID) -> None:
    """Nobody looks at this post any more.

    A look that was just being settled is waited for, and may have been followed by another one meanwhile.
    """
    pending = Job.objects.pending().filter(post=post_id)
    while job_ids := list(pending.values_list("pk", flat=True)):
        Job.objects.finish(job_ids)


@transaction.atomic
def look_again(*, affiliate_id: UUID, platform_id: UUID, livemode: bool) -> int:
    """An affiliate's credential or proof for a platform changed: its posts there change lanes, and those with an open
    claim are looked at now. Returns how many changed.

    A look that somebody is taking meanwhile goes on, and is followed by another one at once where a claim stays open:
    its moment is moved on, which settling sees.
    """
    pending = Job.objects.pending().exclude(connection=None)
    theirs = pending.filter(
        post__affiliate=affiliate_id,
        post__platform=platform_id,
        post__campaign__livemode=livemode,
        post__is_identified=True,
    )
    lock(theirs)  # looks that are just settled are waited for: those that follow them are found thereafter
    posts = dict(Job.objects.filter(pk__in=lock(theirs)).values_list("post_id", "pk"))
    for lane, moved in _by_lane(posts).items():
        changed = Job.objects.filter(pk__in=moved)
        changed.update(connection_id=lane)
        changed.exclude(reason=Job.Reason.RECHECK).update(**due_from(clock.now()))
        wake(lane)
    return len(posts)


def _by_lane(posts: Mapping[UUID, UUID]) -> dict[UUID | None, list[UUID]]:
    """Jobs by the lane that they belong in, from jobs by post."""
    lanes: dict[UUID | None, list[UUID]] = defaultdict(list)
    for post_id, lane in lanes_of(list(posts)).items():
        lanes[lane].append(posts[post_id])
    return lanes


@transaction.atomic
def look_at_link(*, link_id: UUID, is_reversal: bool) -> int:
    """Our tracking counts otherwise than before for the posts of a link. Returns how many are looked at now.

    Claims that are open are looked at at once where that asks no platform; the others wait for the look that is to come
    anyway, and no call is spent on them. After a reversal every post is looked at, those with a counted verdict too:
    their verdicts stay, and the new snapshot shows what was taken back.
    """
    posts = Post.objects.standing().filter(tracking_link=link_id)
    if is_reversal:
        claimed = posts.filter(state__current_claim__isnull=False)
        views = claimed.values_list("pk", "state__current_claim__claimed_views")
        asks_platform = {post_id: number is not None for post_id, number in views}
    else:
        waiting = Job.objects.filter(state=Job.State.DUE, connection=None).exclude(reason=Job.Reason.RECHECK)
        pending = waiting.filter(post__in=posts)
        asks_platform = dict.fromkeys(pending.values_list("post_id", flat=True), False)
    looks = request_looks(
        posts=asks_platform,
        reason=Job.Reason.TRACKING,
        due_at=clock.now(),
        request_id=current_request_id(),
    )
    for lane in {look.lane for look in looks}:
        wake(lane)
    return len(looks)


def due_from(moment: datetime) -> dict[str, Any]:
    """What makes a job that is there already due at another moment. Its place in the order stays, so that what has
    waited keeps what it waited for."""
    return {"due_at": moment, "urgent_at": Least("urgent_at", Value(moment, DateTimeField()))}


def lock(jobs: QuerySet[Job], *, skip_locked: bool = False) -> list[UUID]:
    """Lock these rows in the order of their posts, as all do who take several, so that none waits in a circle."""
    locked = jobs.select_for_update(skip_locked=skip_locked, of=("self",))
    return list(locked.order_by("post_id").values_list("pk", flat=True))


@transaction.atomic
def lease_batch(*, connection_id: UUID | None, paced: bool = True) -> Batch | Wait | None:
    """Take the lane's most urgent due jobs, up to BATCH of them. Attempts count before the work begins.

    The lane's row is locked for this short transaction, so one caller at a time decides. Full calls leave at once, as
    many as the budget has left; what fills none waits until PACE_S after the lane's last call, and only one caller is
    told to wait for it: None for all others, as for a lane with nothing due, one that is parked or told to wait, and
    one whose platform's breaker is open.
    """
    lane = None
    if connection_id:  # a lock that lets the rows that point at the lane be written meanwhile
        lanes = Connection.objects.select_for_update(of=("self",), no_key=True).select_related("platform")
        lane = lanes.get(pk=connection_id)
    now = clock.now()
    if lane and (lane.state != Connection.State.ACTIVE or (lane.not_before and lane.not_before > now)):
        return None
    due = Job.objects.in_lane(connection_id).due(now).most_urgent_first(now)
    if lane and not budget.has_room_for_rechecks(lane.spent, lane.platform.budget, now):
        due = _without_rechecks(due, until=lane.platform.budget.next_day(now))
    jobs = _take(due, _affordable(lane, now)) if lane else _take_unasked(due)
    if not jobs:
        return None
    if lane:
        size = ADAPTER_CLASSES[lane.platform.slug].batch_size
        next_call_at = _next_call_at(lane, now, paced=paced and len(jobs) < size)
        if next_call_at > now:
            return _wait_for_more(lane, next_call_at)
        if shut_until(connection=lane):
            return None
        if paced and _next_call_at(lane, now, paced=True) > now:
            jobs = jobs[: len(jobs) // size * size]
        Connection.objects.filter(pk=lane.pk).update(last_call_at=now, awaited_until=None)
        jobs += _same_content(lane, jobs, due)
    lease = new_lease()
    Job.objects.lease_out([job.pk for job in jobs], lease=lease, until=now + timedelta(seconds=LEASE_S))
    return Batch(lease, lane, jobs)


def _affordable(lane: Connection, now: datetime) -> int:
    """How many posts may be asked about now: what one call takes at least, so that somebody may wait for it."""
    adapter = ADAPTER_CLASSES[lane.platform.slug]
    calls = budget.free_now(lane.spent, lane.platform.budget, now)
    return min(BATCH, max(adapter.batch_size, calls * (1 if adapter.counts_each_post else adapter.batch_size)))


def _without_rechecks(due: JobQuerySet, *, until: datetime) -> JobQuerySet:
    """Put the re-checks among these off until the quota is back: what is left of it is reserved. Some at a time, and
    the others are passed over meanwhile."""
    rechecks = due.filter(reason=Job.Reason.RECHECK)
    some = list(rechecks.values_list("pk", flat=True)[:PUT_OFF_AT_ONCE])
    Job.objects.filter(pk__in=lock(Job.objects.filter(pk__in=some, state=Job.State.DUE), skip_locked=True)).update(
        **due_from(until)
    )
    return due.exclude(reason=Job.Reason.RECHECK)


def _take(due: JobQuerySet, size: int | None) -> list[LeasedJob]:
    """The first of these jobs that nobody else is taking; without a size, all of them."""
    names = [*LeasedJob._fields[:-1], *(f"post__{name}" for name in AskedPost._fields)]
    rows = read_values(due.select_for_update(skip_locked=True, of=("self",)).values_list(*names)[:size])
    of_job = len(LeasedJob._fields) - 1
    return [LeasedJob._make((*row[:of_job], AskedPost._make(row[of_job:]))) for row in rows]


def _take_unasked(due: JobQuerySet) -> list[LeasedJob]:
    """Looks that ask no platform; where there are none, posts whose short link is to be opened first."""
    unasked = _take(due.filter(post__is_identified=True), BATCH)
    return unasked or _take(due.filter(post__is_identified=False), UNIDENTIFIED_BATCH)


def _next_call_at(lane: Connection, now: datetime, *, paced: bool) -> datetime:
    """When the lane may call: at its pace where that is asked for, and never before its budget allows it."""
    allowed_at = budget.spendable_at(lane.spent, lane.platform.budget, now)
    if paced and lane.last_call_at:
        at_its_pace = lane.last_call_at + timedelta(seconds=PACE_S)
        if _is_soon(at_its_pace, now):
            return max(allowed_at, at_its_pace)
    return allowed_at


def _wait_for_more(lane: Connection, until: datetime) -> Wait | None:
    """One caller waits for the lane's next call; should it die, the next one takes its place shortly after. For what
    lies further ahead nobody waits: the sweep comes back to it."""
    if until > clock.now() + timedelta(seconds=2 * PACE_S):
        Connection.objects.filter(pk=lane.pk).update(not_before=until)
        return None
    if lane.awaited_until and _is_soon(lane.awaited_until, clock.now()):
        return None
    Connection.objects.filter(pk=lane.pk).update(awaited_until=until + timedelta(seconds=PACE_S / 2))
    return Wait(until)


def _is_soon(moment: datetime, now: datetime) -> bool:
    """Still to come; but what lies further ahead than anybody waits was written before the clock stepped back."""
    return now < moment <= now + timedelta(seconds=2 * PACE_S)


def _same_content(lane: Connection, jobs: Sequence[LeasedJob], due: JobQuerySet) -> list[LeasedJob]:
    """Due jobs for the same content in other campaigns: asked once, settled together."""
    contents = {job.post.external_id for job in jobs}
    return _take(due.twins_of(contents, lane.platform_id, besides={job.pk for job in jobs}), None)


@transaction.atomic
def give_back(*, batch: Batch, error: str, retry_after_s: int | None = None, counts: bool = True) -> None:
    """Return jobs whose look failed: due again after a backoff with full jitter, or when the platform said.

    An attempt that does not count (the platform asked us to wait, the credential failed) is refunded. Attempts used
    up make a job dead: it stays visible with its error, and staff may retry it.
    """
    now = clock.now()
    mine = Job.objects.filter(lease=batch.lease, state=Job.State.LEASED, pk__in=[job.pk for job in batch.jobs])
    lock(mine)
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
        **due_from(now + timedelta(seconds=retry_after_s if retry_after_s is not None else backoff_s)),
        attempts=F("attempts") - (0 if counts else 1),
        last_error=error[:300],
    )


@transaction.atomic
def lapse_leases_of(*, cluster: str) -> int:
    """What a cluster held whose processes have all ended is due again: its leases lapse now and not in their time.
    The attempts count. Returns how many."""
    held = Job.objects.filter(state=Job.State.LEASED, lease__range=leases_of(cluster))
    return Job.objects.filter(pk__in=lock(held)).update(leased_until=clock.now() - timedelta(seconds=1))


@transaction.atomic
def retry_dead(*, job_ids: Sequence[UUID], by: User | None = None) -> int:
    """Make dead jobs due again with fresh attempts; returns how many.

    Of several for one post the newest is retried; one whose post is already pending, or was displaced, stays dead.
    """
    dead = Job.objects.filter(pk__in=job_ids, state=Job.State.DEAD, post__displaced_at=None).exclude(
        post__in=Job.objects.pending().values("post")
    )
    newest = dead.order_by("post_id", "-created_at", "-id").distinct("post_id").values("pk")
    retried = Job.objects.filter(pk__in=lock(Job.objects.filter(pk__in=newest, state=Job.State.DEAD)))
    for job in retried:
        audit(actor=by, action="job.retried", row=job, changes={"attempts": job.attempts})
    for connection_id in {job.connection_id for job in retried}:
        wake(connection_id)
    try:
        return retried.update(state=Job.State.DUE, attempts=0, finished_at=None, **due_from(clock.now()))
    except IntegrityError as error:  # a claim or a run asked for a look at one of them at this very moment
        raise ConflictError("Somebody has just asked for a look at one of these posts. Try again.") from error


@transaction.atomic
def sweep() -> int:
    """Find what the queue forgot: leases that lapsed, and lanes with something due. Returns the lanes woken."""
    now = clock.now()
    # Rows that somebody holds are at work after all; the sweep never waits.
    lapsed = Job.objects.lapsed(now).filter(pk__in=lock(Job.objects.lapsed(now), skip_locked=True))
    lapsed.filter(attempts__gte=MAX_ATTEMPTS).update(
        state=Job.State.DEAD,
        lease=None,
        leased_until=None,
        finished_at=now,
        last_error="The worker was lost each time this was tried.",
    )
    lapsed.update(state=Job.State.DUE, lease=None, leased_until=None, **due_from(now))
    _move_stranded()
    lanes = list(Job.objects.forgotten_lanes(now, after=FORGOTTEN_AFTER))
    for connection_id in lanes:
        wake(connection_id)
    return len(lanes)


def _move_stranded() -> None:
    """Looks in a lane whose owner has disconnected meanwhile go to the one that their posts belong in now."""
    stranded = Job.objects.filter(state=Job.State.DUE, connection__state=Connection.State.DISCONNECTED)
    posts = dict(Job.objects.filter(pk__in=lock(stranded, skip_locked=True)).values_list("post_id", "pk"))
    for lane, moved in _by_lane(posts).items():
        Job.objects.filter(pk__in=moved).update(connection_id=lane)


def wake(connection_id: UUID | None) -> None:
    """Queue the hint that this lane has work."""
    enqueue("reconciliation.tasks.drain_lane", str(connection_id or ""))
