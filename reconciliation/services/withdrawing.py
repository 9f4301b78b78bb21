"""Taking looks back: those of a run that is cancelled, and dead ones that staff give up."""

from collections.abc import Collection, Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef

from affiliates.models import User
from affiliates.services import audit
from config import clock
from reconciliation.errors import RunOverError
from reconciliation.models import AffiliateReport, Job, Run, RunJob
from reconciliation.querysets import AffiliateReportQuerySet
from reconciliation.services.jobs import lock
from reconciliation.services.plans import replan

MAX_REASON_CHARS = 500


@transaction.atomic
def cancel_run(*, run: Run, by: User | None) -> int:
    """Take back the looks of a run that are not begun and that nobody else wants; returns how many.

    What another run, a claim without its last verdict or anything more urgent wants stays, and is looked at. The plans
    of posts whose look is taken back go on. Raises RunOverError where the run is cancelled already, or has nothing
    left to do.
    """
    current: Run = Run.objects.select_for_update().get(pk=run.pk)
    pending = Job.objects.pending().filter(run_jobs__run=current)
    if current.cancelled_at or not pending.exists():
        raise RunOverError
    current.cancelled_at = clock.now()
    current.save(update_fields=["cancelled_at"])
    # Locked first and judged then: by what others who held them have written meanwhile.
    due = Job.objects.filter(pk__in=lock(pending.filter(state=Job.State.DUE)), reason=Job.Reason.MANUAL)
    other_runs = RunJob.objects.filter(job=OuterRef("pk"), run__cancelled_at=None)
    unwanted = due.filter(~Exists(other_runs), ~Exists(_open_claims()))
    posts = dict(unwanted.values_list("pk", "post_id"))
    _discard(posts)
    replan(posts.values())
    audit(actor=by, action="run.cancelled", row=current, changes={"posts": len(posts)})
    return len(posts)


@transaction.atomic
def discard_dead(*, job_ids: Sequence[UUID], reason: str, by: User) -> int:
    """Give dead jobs up for good, for a reason that is kept on record; returns how many.

    A claim that such a look was for stays without a verdict until there is another look. Others' plans go on.
    """
    dead = Job.objects.filter(pk__in=lock(Job.objects.filter(pk__in=job_ids, state=Job.State.DEAD)))
    for job in dead:
        changes = {"reason": reason[:MAX_REASON_CHARS], "error": job.last_error, "attempts": job.attempts}
        audit(actor=by, action="job.discarded", row=job, changes=changes)
    settled = list(dead.filter(~Exists(_open_claims())).values_list("post_id", flat=True))
    discarded = _discard(list(dead.values_list("pk", flat=True)))
    replan(settled)
    return discarded


def _open_claims() -> AffiliateReportQuerySet:
    return AffiliateReport.objects.open().filter(post=OuterRef("post"))


def _discard(job_ids: Collection[UUID]) -> int:
    return Job.objects.filter(pk__in=job_ids).update(state=Job.State.DISCARDED, finished_at=clock.now())
