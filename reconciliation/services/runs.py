"""Runs: sets of looks that somebody asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection as database
from django.db import transaction
from django.db.models import Count, F, Q

from affiliates.models import User
from affiliates.services import audit
from campaigns.querysets import PostQuerySet
from config import clock
from config.middleware import current_request_id
from platforms.models import Connection, Platform
from reconciliation.errors import RunRefusedError
from reconciliation.models import Job, ReconciliationLog, Run, RunJob
from reconciliation.services.jobs import request_looks, wake
from reconciliation.services.submission import without_long_waits

MAX_RUN_POSTS = 10_000
"""A run larger than this would keep a platform busy for hours; several narrower ones can be asked for instead."""

RESUMED_WITHIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which posts a run is for: those that meet all that is named. Created from … up to, but not at …"""

    campaign: UUID | None = None
    affiliate: UUID | None = None
    platform: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    posts: tuple[UUID, ...] | None = None

    def among(self, posts: PostQuerySet) -> PostQuerySet:
        """Those of these posts that the scope means."""
        conditions = {
            "campaign": self.campaign,
            "affiliate": self.affiliate,
            "platform__slug": self.platform,
            "created_at__gte": self.created_from,
            "created_at__lt": self.created_to,
            "pk__in": self.posts,
        }
        return posts.filter(**{name: value for name, value in conditions.items() if value is not None})

    def as_json(self) -> dict[str, Any]:
        """What was named, by the names that the API uses."""
        named = {
            "campaign": self.campaign and str(self.campaign),
            "affiliate": self.affiliate and str(self.affiliate),
            "platform": self.platform,
            "from": self.created_from and self.created_from.isoformat(),
            "to": self.created_to and self.created_to.isoformat(),
            "posts": None if self.posts is None else [str(pk) for pk in self.posts],
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of a run's looks there are, and how many are done, dead, discarded and still to do."""

    total: int = 0
    done: int = 0
    dead: int = 0
    discarded: int = 0

    @property
    def pending(self) -> int:
        return self.total - self.done - self.dead - self.discarded


@dataclass(frozen=True, slots=True)
class Report:
    """What the looks of a run that are done came to: verdicts by status, and posts that turned out otherwise than the
    snapshot before said."""

    verdicts: dict[str, int]
    changed: int


@without_long_waits()
def request_run(*, posts: PostQuerySet, by: User | None, scope: dict[str, Any]) -> Run:
    """Ask for a look at each of these posts now. One that is due already joins the run as it is.

    Claims that have their counted verdict keep it; what a new look finds changed is recorded beside it.
    Raises RunRefusedError where there is no post to look at, or more than MAX_RUN_POSTS, and BusyError.
    """
    post_ids = list(posts.standing().order_by("pk").values_list("pk", flat=True)[: MAX_RUN_POSTS + 1])
    if not post_ids:
        raise RunRefusedError("There is no post to look at.", code="no_posts")
    if len(post_ids) > MAX_RUN_POSTS:
        raise RunRefusedError(f"These are more than {MAX_RUN_POSTS:,} posts: ask for fewer.", code="too_many_posts")
    return _run_over(post_ids, by=by, scope=scope)


def _run_over(post_ids: Sequence[UUID], *, by: User | None, scope: dict[str, Any]) -> Run:
    """A run of a look at each of these posts."""
    looks = request_looks(
        posts=dict.fromkeys(post_ids, True),
        reason=Job.Reason.MANUAL,
        due_at=clock.now(),
        request_id=current_request_id(),
    )
    return _run_of([look.job for look in looks], by=by, scope=scope)


def request_pages(*, posts: PostQuerySet, scope: dict[str, Any]) -> Iterator[Run]:
    """Ask for a look at each of these posts, however many, in runs of MAX_RUN_POSTS: the next one is asked for when the
    caller comes for it. Nobody in particular asks.

    Whoever begins within a day of another that was cut short goes on where that one was: first its last run.
    """
    begun = Run.objects.filter(requested_by=None, scope__contains=scope, scope__has_key="until")
    last = begun.filter(created_at__gt=clock.now() - RESUMED_WITHIN).order_by("-created_at", "-scope__until").first()
    after: str | None = None
    if last and not last.scope["is_last"]:
        after = last.scope["until"]
        yield last
    while page := _request_page(posts, after, scope):
        yield page
        if page.scope["is_last"]:
            return
        after = page.scope["until"]


@transaction.atomic
def _request_page(posts: PostQuerySet, after: str | None, scope: dict[str, Any]) -> Run | None:
    following = posts.standing().order_by("pk")
    if after:
        following = following.filter(pk__gt=after)
    post_ids = list(following.values_list("pk", flat=True)[: MAX_RUN_POSTS + 1])
    if not post_ids:
        return None
    page = post_ids[:MAX_RUN_POSTS]
    place = {"until": str(page[-1]), "is_last": len(post_ids) <= MAX_RUN_POSTS}
    return _run_over(page, by=None, scope=scope | place)


@transaction.atomic
def request_due_run(*, platform: Platform, livemode: bool | None, by: User) -> Run:
    """See that what is due on a platform is looked at: in the live or the test world, None: in both.

    The most urgent looks, up to MAX_RUN_POSTS of them, join the run as they are. Those of a lane that is parked are not
    among them. Raises RunRefusedError where nothing is due.
    """
    due = Job.objects.due(clock.now()).filter(connection__platform=platform, connection__state=Connection.State.ACTIVE)
    if livemode is not None:
        due = due.filter(connection__livemode=livemode)
    job_ids = list(due.most_urgent_first(clock.now()).values_list("pk", flat=True)[:MAX_RUN_POSTS])
    if not job_ids:
        raise RunRefusedError("Nothing is due there.", code="no_posts")
    return _run_of(job_ids, by=by, scope={"platform": platform.slug, "all_due": True})


def _run_of(job_ids: Sequence[UUID], *, by: User | None, scope: dict[str, Any]) -> Run:
    """A run of these looks, whose lanes are woken."""
    run = Run.objects.create(requested_by=by, scope=scope)
    RunJob.objects.bulk_create([RunJob(run=run, job_id=job_id) for job_id in job_ids])
    audit(actor=by, action="run.requested", row=run, changes={"posts": len(job_ids)})
    for lane in Job.objects.filter(pk__in=job_ids).order_by().values_list("connection_id", flat=True).distinct():
        wake(lane)
    return run


def progress(runs: Sequence[Run]) -> dict[UUID, Progress]:
    """How far these runs are, by their ids."""
    jobs = Job.objects.filter(run_jobs__run__in=runs).order_by().values_list("run_jobs__run")
    counts = jobs.annotate(
        total=Count("pk"),
        done=Count("pk", filter=Q(state=Job.State.DONE)),
        dead=Count("pk", filter=Q(state=Job.State.DEAD)),
        discarded=Count("pk", filter=Q(state=Job.State.DISCARDED)),
    )
    found = {run_id: Progress(*numbers) for run_id, *numbers in counts}
    return {run.pk: found.get(run.pk, Progress()) for run in runs}


def report(run: Run) -> Report:
    """What a run found, as far as it is. A post has one look at a time, so what was written of it since the run was
    asked for and until its look was done came of that look."""
    looked_at = ReconciliationLog.objects.filter(
        post__jobs__run_jobs__run=run,
        post__jobs__state=Job.State.DONE,
        post__jobs__finished_at__gte=F("processed_at"),
        processed_at__gte=run.created_at,
    )
    verdicts = dict(looked_at.order_by("status").values_list("status").annotate(Count("pk")))
    with database.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(DISTINCT new.post_id)
            FROM reconciliation_runjob of_run
            JOIN reconciliation_job job ON job.id = of_run.job_id AND job.state = 'done'
            JOIN reconciliation_platformreport new ON new.post_id = job.post_id
                AND new.created_at BETWEEN %s AND job.finished_at
            CROSS JOIN LATERAL (
                SELECT * FROM reconciliation_platformreport
                WHERE post_id = new.post_id AND fetched_at < new.fetched_at ORDER BY fetched_at DESC LIMIT 1
            ) old
            WHERE of_run.run_id = %s
                AND (new.availability, new.views, new.likes, new.comments, new.shares, new.clicks, new.conversions)
                    IS DISTINCT FROM
                    (old.availability, old.views, old.likes, old.comments, old.shares, old.clicks, old.conversions)
            """,
            [run.created_at, run.pk],
        )
        [changed] = cursor.fetchone()
    return Report(verdicts, changed)
