"""Settling: a batch of looks and one answer become snapshots, verdicts, trust and the next looks, in one transaction.

For one post and for a thousand alike, each step is one statement, or a few, for the whole batch:

1. Lock the batch's jobs, if the lease still holds; whoever lost it changes nothing (`found`).
2. Read the posts, their open claims with their earlier verdicts, the rules and rates.
3. Judge, in pure Python (`judging`, by the rules of `reconciliation.comparison`).
4. Write snapshots (one wherever a verdict is drawn from it; else only where something changed), verdicts, trust
   (`writing`).
5. Bring up to date: the posts' state, jobs done, the next looks of claims still open.
6. Queue the alert rules, and the merging of posts that may have turned out to be one content.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import transaction

from config import clock
from config.queue import enqueue
from platforms.metrics import PostReading
from reconciliation.models import AffiliateReport, Job
from reconciliation.querysets import NextLook
from reconciliation.services import examining, owning, plans, telling
from reconciliation.services.jobs import Batch, lanes_of, stakes_of, wake
from reconciliation.services.settling import found, judging, writing
from reconciliation.services.settling.judging import NO_POST, Look
from reconciliation.urgency import Reason, urgent_at

__all__ = ["NO_POST", "Answer", "settle", "write_verdicts"]

ALERT_CHUNK = 2_000
"""Verdicts that the alert rules look at together."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the platform said, by the ids that the posts' links have. `readings` None: no platform was asked.

    `api_ids`: the ids that the platform's API takes, where they turned out to be others.
    """

    fetched_at: datetime
    readings: Mapping[str, PostReading] | None
    api_ids: Mapping[str, str | None] = field(default_factory=dict)


@transaction.atomic
def settle(*, batch: Batch, answer: Answer) -> int:
    """Settle a leased batch; returns how many looks were settled.

    Settling twice, or under a lapsed lease, adds nothing.
    """
    jobs = found.lock_jobs(lease=batch.lease, job_ids=[job.pk for job in batch.jobs])
    if not jobs:
        return 0
    posts = found.lock_posts([job.post_id for job in jobs])
    claims = found.open_claims(list(posts))
    terms = found.terms_of(posts)
    looks = _looks(jobs, posts, claims, batch, answer)
    owning.note_authors(looks, lane=batch.connection)
    tracked = found.tracked(posts, as_of=answer.fetched_at)
    reversed_since = found.reversed_since(posts, claims, as_of=answer.fetched_at)
    for look in looks:
        judging.note_proof(look)
        judging.note_tracking(look, tracked)
    impossible = examining.impossible(looks, terms.ruleset)
    for look in looks:
        judging.judge_claims(look, terms, reversed_since, impossible)
    writing.write_snapshots(looks, terms.slugs)
    writing.write_learnt(looks)
    write_verdicts(looks, terms)
    Job.objects.finish([job.id for job in jobs])
    _plan_next_looks(looks, batch)
    return len(looks)


def write_verdicts(looks: Sequence[Look], terms: found.Terms) -> None:
    """Write what these looks came to, each of another post, whose snapshots are there, and queue what follows."""
    writing.write_verdicts(looks, terms.ruleset)
    writing.write_standing(looks)
    _tell(looks)


def _looks(
    jobs: Sequence[found.LockedJob],
    posts: Mapping[UUID, found.FoundPost],
    claims: Mapping[UUID, list[found.OpenClaim]],
    batch: Batch,
    answer: Answer,
) -> list[Look]:
    leased_for = {job.pk: job.due_at for job in batch.jobs}
    looks = []
    for job in jobs:
        post = posts[job.post_id]
        reading = None if answer.readings is None else answer.readings[post.external_id]
        looks.append(
            Look(
                post,
                claims.get(post.id, []),
                judging.snapshot_of(post, reading, answer.fetched_at, batch.connection, job.request_id),
                reading,
                asks_platform=job.connection_id is not None,
                rearmed=job.due_at > leased_for[job.id],
                api_id=answer.api_ids.get(post.external_id, post.api_id),
                author_id=post.author_id,
                ownership=post.ownership,
            )
        )
    return looks


def _plan_next_looks(looks: Sequence[Look], batch: Batch) -> None:
    """Posts with claims still open are looked at again, in the lane that they belong in now; the others as their
    campaigns plan it."""
    done = [shown for look in looks if not look.open_until and (shown := look.shown_claim)]
    rechecks = plans.next_rechecks(done, after=clock.now())
    next_looks = [recheck.of(post_id) for post_id, recheck in rechecks.items()]
    still_open = {look.post.id: look for look in looks if look.open_until}
    if still_open:
        lanes, stakes = lanes_of(list(still_open)), stakes_of(list(still_open))
        asked, to_wake = batch.connection.pk if batch.connection else None, set()
        for post_id, look in still_open.items():
            lane = lanes.get(post_id) if look.asks_platform else None
            due_at = judging.next_look_at(look, lane, asked)
            if due_at <= clock.now():
                to_wake.add(lane)  # a claim came meanwhile, perhaps for another lane than the one that is at work
            reason = Reason.SECOND_LOOK if look.verdicts else Reason.SUBMISSION
            urgency = urgent_at(reason, due_at, stakes.get(post_id))
            request_id = look.snapshot.request_id
            next_looks.append(NextLook(post_id, look.asks_platform, reason, due_at, urgency, request_id))
        for lane in to_wake:
            wake(lane)
    if next_looks:
        Job.objects.add_pending(next_looks)


def _tell(looks: Sequence[Look]) -> None:
    """Queue what follows from verdicts and from posts that turned out to be another."""
    judged = [each for look in looks for each in look.verdicts]
    from_discord = [each for each in judged if each.claim.method == AffiliateReport.Method.DISCORD]
    telling.note_verdicts({each.claim.id: each.id for each in from_discord})
    for look in looks:
        if look.is_renamed:
            enqueue("reconciliation.tasks.merge_twins", str(look.post.id))
    counted = [str(each.id) for each in judged if each.is_counted]
    for start in range(0, len(counted), ALERT_CHUNK):
        enqueue("alerts.tasks.evaluate_verdicts", *counted[start : start + ALERT_CHUNK])
