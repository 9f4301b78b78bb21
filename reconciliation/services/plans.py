"""Looking again: what campaigns' plans say of their posts (`campaigns.plans`), as jobs.

Settling makes the next look of the posts it is done with (`next_rechecks`); a plan that changes has all of its
campaign's posts planned anew (`plan_anew`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from campaigns import plans
from campaigns.models import CampaignPlatform, Post
from campaigns.rates import Rates
from config import clock
from config.queue import enqueue
from reconciliation.models import Job, PostState
from reconciliation.querysets import NextLook, ShownClaim
from reconciliation.services.jobs import at_stake
from reconciliation.urgency import urgent_at

PLANNED_AT_ONCE = 1_000
"""Posts that one task plans anew; the next ones are a task of their own."""


@dataclass(frozen=True, slots=True)
class Recheck:
    """When a post is looked at again, whether its platform is asked then, and what is at stake."""

    due_at: datetime
    asks_platform: bool
    at_stake: Decimal | None

    @property
    def urgent_at(self) -> datetime:
        return urgent_at(Job.Reason.RECHECK, self.due_at, self.at_stake)

    def of(self, post_id: UUID) -> NextLook:
        """This look at a post."""
        return NextLook(post_id, self.asks_platform, Job.Reason.RECHECK, self.due_at, self.urgent_at, "")


@dataclass(frozen=True, slots=True)
class _Terms:
    plan: plans.Plan
    ends_at: datetime
    rates: Rates


def next_rechecks(claims: Collection[ShownClaim], *, after: datetime) -> dict[UUID, Recheck]:
    """The first planned look later than `after` at the posts of these claims, as far as there is one; one query.

    A plan begins anew with each claim. Posts that their platform does not show (gone, private, not connected) are not
    looked at again by plan: a claim, a connection or a run does it.
    """
    terms = _terms({claim.campaign for claim in claims}, after)
    rechecks = {}
    for post_id, campaign, platform, claimed_at, *claimed in claims:
        if held := terms.get((campaign, platform)):
            due_at = plans.next_recheck(
                held.plan, claimed_at=claimed_at, after=after, ends_at=held.ends_at, spread=plans.spread_of(post_id)
            )
            if due_at:
                rechecks[post_id] = Recheck(due_at, claimed[0] is not None, at_stake(claimed, held.rates))
    return rechecks


def _terms(campaign_ids: Collection[UUID], after: datetime) -> Mapping[tuple[UUID, UUID], _Terms]:
    """By campaign and platform, of those whose looks have not ended."""
    assigned = CampaignPlatform.objects.filter(campaign__in=campaign_ids).select_related("campaign__advertiser")
    terms = {
        (row.campaign_id, row.platform_id): _Terms(row.plan, row.campaign.looks_end_at, row.rates) for row in assigned
    }
    return {key: held for key, held in terms.items() if held.ends_at > after and held.plan != plans.Plan()}


def make_rechecks(rechecks: Mapping[UUID, Recheck]) -> None:
    """Make these looks due: of posts that nobody is to look at meanwhile for another reason."""
    if rechecks:
        Job.objects.add_pending([recheck.of(post_id) for post_id, recheck in rechecks.items()])


@transaction.atomic
def plan_anew(*, campaign_id: UUID, platform_id: UUID, after: UUID | None = None) -> None:
    """Plan the looks of a campaign's posts on a platform as its plan says now: some of them, later ones than the post
    `after`, and queue the same for the next ones. Looks wanted for another reason stay."""
    posts = Post.objects.filter(campaign=campaign_id, platform=platform_id).order_by("pk")
    if after:
        posts = posts.filter(pk__gt=after)
    post_ids = list(posts.values_list("pk", flat=True)[:PLANNED_AT_ONCE])
    if not post_ids:
        return
    replan(post_ids)
    if len(post_ids) == PLANNED_AT_ONCE:
        enqueue("reconciliation.tasks.plan_anew", str(campaign_id), str(platform_id), str(post_ids[-1]))


@transaction.atomic
def replan(post_ids: Collection[UUID]) -> None:
    """Put the planned looks of these posts in place of those that were planned before."""
    planned = Job.objects.filter(post__in=post_ids, state=Job.State.DUE, reason=Job.Reason.RECHECK)
    before = {job.post_id: job for job in planned.select_for_update(of=("self",)).order_by("post_id")}
    rechecks = next_rechecks(PostState.objects.shown_claims(post_ids), after=clock.now())
    Job.objects.filter(pk__in=[job.pk for post_id, job in before.items() if post_id not in rechecks]).delete()
    moved = {job.pk: rechecks[post_id] for post_id, job in before.items() if post_id in rechecks}
    Job.objects.move({job_id: (recheck.due_at, recheck.urgent_at) for job_id, recheck in moved.items()})
    make_rechecks({post_id: recheck for post_id, recheck in rechecks.items() if post_id not in before})
