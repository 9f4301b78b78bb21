"""Two posts that turn out to be one content: by a short link that was opened, an edit, or the API's own id.

The rule is that of claiming, after the fact. In one campaign one affiliate's two become one: the first stands, the
later is merged into it. Its claims, snapshots and verdicts stay where they are, it is looked at until each of its
claims has its verdict, and for trust the two count as one post; where its latest claim is the newer one, it is stated
again for the post that stands. In two campaigns both stand if these share content, else the first. Of two affiliates'
the post of the author's proven account stands, else the first; the other is displaced, which is shown to staff.
"""

from uuid import UUID

from django.db.models import Q

from affiliates.services import audit
from campaigns.models import Post
from config.queue import enqueue
from reconciliation.models import AffiliateReport, Job, PostState
from reconciliation.services import trusting
from reconciliation.services.admission import lock_contents
from reconciliation.services.jobs import close_look, lock
from reconciliation.services.owning import is_rightful
from reconciliation.services.submission import displace, restate, without_long_waits

SWEPT_AT_ONCE = 200


@without_long_waits()
def merge_twins(*, post_id: UUID) -> None:
    """Let one of each content stand: of this post and those that have the same id at the platform's API.

    In a transaction of its own, after the looks at both are settled; one at a time for one content. Raises BusyError:
    the queue tries again.
    """
    post: Post = Post.objects.select_related("platform", "campaign").get(pk=post_id)
    if not post.api_id:
        return
    lock_contents([(post.platform, post.api_id)])
    same = Q(api_id=post.api_id) | Q(external_id=post.api_id)
    twins = Post.objects.standing().filter(
        same, platform=post.platform_id, campaign__livemode=post.campaign.livemode, is_identified=True
    )
    lock(Job.objects.pending().filter(post__in=twins))  # before any state: settling takes both in this order
    standing: list[Post] = []
    for twin in twins.select_related("campaign", "platform", "affiliate__user").order_by("created_at", "id"):
        losers = [let_one_stand(first, twin) for first in standing]
        standing = [post for post in (*standing, twin) if post not in losers]


def sweep() -> int:
    """Wake the merging that the queue forgot. Returns how many posts it is about, so many at a time at most.

    Every post that its platform knows by another id is gone through: something for every hour, not for every second.
    """
    forgotten = Post.objects.unmerged_twins(SWEPT_AT_ONCE)
    for post_id in forgotten:
        enqueue("reconciliation.tasks.merge_twins", str(post_id))
    return len(forgotten)


def let_one_stand(first: Post, second: Post) -> Post | None:
    """Of two posts of one content, in the order they were claimed in; returns the one that gave way, if any did. One
    whose claims were all withdrawn before anybody looked gives way to one that is claimed."""
    withdrawn = PostState.objects.filter(post__in=[first, second], verdict="withdrawn").values_list("post", flat=True)
    if list(withdrawn) == [first.pk]:
        first, second = second, first
    if first.affiliate_id == second.affiliate_id:
        if first.campaign_id == second.campaign_id:
            merge(post=second, into=first)
        elif first.campaign.allows_shared_content and second.campaign.allows_shared_content:
            return None
        else:
            displace(post=second, by=first.affiliate)
        return second
    if is_rightful(second.affiliate, first):
        displace(post=first, by=second.affiliate)
        return first
    displace(post=second, by=first.affiliate)
    return second


def merge(*, post: Post, into: Post) -> None:
    """Let `post` go on as `into`: the same affiliate's, in the same campaign.

    A post that was never identified has nothing of its own to be judged by: all that is claimed for it is stated again.
    A post without a tracking link takes over the other's.
    """
    states = {state.post_id: state for state in PostState.objects.filter(post__in=[post, into])}
    if post.is_identified:
        newest, known = states[post.pk].claim_that_stands, states[into.pk].claim_that_stands
        again = [newest] if newest and (known is None or newest.claimed_at > known.claimed_at) else []
    else:
        close_look(post_id=post.pk)
        again = list(AffiliateReport.objects.open().filter(post=post).order_by("claimed_at", "id"))
    PostState.objects.take(post)
    Post.objects.filter(pk=post.pk).update(merged_into=into)
    Post.objects.filter(pk=into.pk, tracking_link=None).update(tracking_link=post.tracking_link_id)
    audit(actor=None, action="post.merged", row=post, changes={"into": str(into.pk)})
    for claim in again:
        restate(post=into, claim=claim)
    trusting.recount([post.affiliate_id])
