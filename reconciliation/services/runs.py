"""Runs: sets of looks that somebody asked for."""

from typing import Any

from django.db import transaction

from affiliates.models import User
from affiliates.services import audit
from campaigns.querysets import PostQuerySet
from config.middleware import current_request_id
from reconciliation.models import Job, Run, RunJob
from reconciliation.services.jobs import request_looks, wake


@transaction.atomic
def request_run(*, posts: PostQuerySet, by: User | None, scope: dict[str, Any]) -> Run:
    """Ask for a look at each of these posts now. One that is due already joins the run as it is.

    Claims that have their counted verdict keep it; what a new look finds changed is recorded beside it.
    """
    run = Run.objects.create(requested_by=by, scope=scope)
    post_ids = list(posts.standing().order_by("pk").values_list("pk", flat=True))
    job_ids = request_looks(post_ids=post_ids, request_id=current_request_id())
    RunJob.objects.bulk_create([RunJob(run=run, job_id=job_id) for job_id in job_ids])
    audit(actor=by, action="run.requested", row=run, changes={"posts": len(job_ids)})
    for lane in Job.objects.filter(pk__in=job_ids).order_by().values_list("connection_id", flat=True).distinct():
        wake(lane)
    return run


def progress(run: Run) -> dict[str, int]:
    """How many of a run's looks there are, and how many are done, dead and still to do."""
    states = list(Job.objects.filter(run_jobs__run=run).values_list("state", flat=True))
    done, dead = states.count(Job.State.DONE), states.count(Job.State.DEAD)
    return {"total": len(states), "done": done, "dead": dead, "pending": len(states) - done - dead}
