"""Posts of which it is not settled yet what they are: the link is opened, and the post is what it leads to.

Two kinds come here. A short link says nothing until it is opened. And a link to content that somebody else claims, sent
by an affiliate whose connected account may be its owner's: their connection says whether it is.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from campaigns.models import Post
from config import clock
from platforms.errors import ErrorKind, PlatformError
from platforms.links import NeedsNetwork, NotAPost, PostLink, identify
from platforms.metrics import Availability, PostReading
from platforms.models import Connection, Platform
from platforms.resolver import link_http, resolve
from reconciliation.errors import BusyError
from reconciliation.models import AffiliateReport, Job
from reconciliation.services.admission import lock_contents
from reconciliation.services.asking import shows_as_own
from reconciliation.services.jobs import AskedPost, Batch, due_from, give_back, lanes_of, lock, wake
from reconciliation.services.merging import let_one_stand
from reconciliation.services.owning import note_author_of
from reconciliation.services.settling import NO_POST, Answer, settle
from reconciliation.services.submission import without_long_waits

OPENED_AT_ONCE = 8
"""Each link may take five seconds; a batch of sixteen is through well before its lease lapses."""

Opened = PostLink | NotAPost | PlatformError


def identify_posts(*, batch: Batch) -> int:
    """Open the links of these leased posts; returns how many looks were settled: those whose link leads to no post.

    The others go on in their lane, as the post that their link leads to. What goes wrong with one holds up no other.
    """
    fetched_at = clock.now()
    found_posts = Post.objects.select_related("campaign").in_bulk([job.post.pk for job in batch.jobs])
    posts = [found_posts[job.post.pk] for job in batch.jobs]
    with ThreadPoolExecutor(OPENED_AT_ONCE) as pool:
        opened = list(pool.map(_open, posts))
    settled, fault = 0, None
    for job, post, found in zip(batch.jobs, posts, opened, strict=True):
        single = replace(batch, jobs=[job])
        try:
            match found:
                case PostLink():
                    _ask_owner(post, found)
                    take_identity(batch=single, link=found)
                case NotAPost():
                    nothing = PostReading(post.external_id, Availability.MISSING, error=NO_POST)
                    settled += settle(batch=single, answer=Answer(fetched_at, {post.external_id: nothing}))
                case PlatformError():
                    raise found
        except PlatformError as error:
            message, counts = f"{error.kind}: {error.code}", error.kind != ErrorKind.RATE_LIMIT
            give_back(batch=single, error=message, retry_after_s=error.retry_after_s, counts=counts)
        except BusyError as error:
            give_back(batch=single, error=error.message, retry_after_s=error.retry_after_s, counts=False)
        except Exception as error:  # noqa: BLE001 (raised below, once the others are through)
            give_back(batch=single, error=type(error).__name__)
            fault = error
    if fault:
        raise fault
    return settled


def _open(post: Post) -> Opened:
    link, livemode = identify(post.short_url or post.url), post.campaign.livemode
    if not isinstance(link, NeedsNetwork):
        return link
    try:
        return resolve(link, link_http(livemode=livemode), livemode=livemode)
    except PlatformError as error:
        return error


def _ask_owner(post: Post, link: PostLink) -> None:
    """Where somebody else claims this content and its author is not known, see whether it is the claimant's own."""
    others = [other for other in _others(post, link) if other.affiliate_id != post.affiliate_id and not other.author_id]
    lane = Connection.objects.filter(
        affiliate=post.affiliate_id,
        platform=post.platform_id,
        livemode=post.campaign.livemode,
        state=Connection.State.ACTIVE,
    ).select_related("platform", "affiliate")
    connection = lane.first() if others else None
    if connection is None:
        return
    named = AskedPost(
        post.pk, link.external_id, None, link.canonical_url, post.affiliate_id, post.platform_id, is_identified=False
    )
    if shows_as_own(lane=connection, post=named):
        for other in others:
            note_author_of(other, connection)


@without_long_waits()
def take_identity(*, batch: Batch, link: PostLink) -> None:
    """Make the leased post what its link leads to; where somebody claims that already, the rule of `merging` says
    which of the two stands. Raises BusyError."""
    job = batch.jobs[0]
    platform = Platform.objects.get(pk=job.post.platform_id)
    lock_contents([(platform, link.external_id)])  # before the jobs' rows, as submitting does
    post: Post = Post.objects.select_related("platform", "campaign", "affiliate__user").get(pk=job.post.pk)
    others = _others(post, link)
    lock(Job.objects.pending().filter(post__in=[post, *others]))
    held = Job.objects.filter(pk=job.pk, lease=batch.lease, state=Job.State.LEASED)
    if not held.exists():
        return
    for other in others:
        first, second = sorted((other, post), key=lambda each: (each.created_at, each.pk))
        if let_one_stand(first, second) == post:
            return
    Post.objects.filter(pk=post.pk).update(external_id=link.external_id, url=link.canonical_url, is_identified=True)
    asks_platform = AffiliateReport.objects.open().filter(post=post, claimed_views__isnull=False).exists()
    lane = lanes_of([post.pk])[post.pk] if asks_platform else None
    free = {"state": Job.State.DUE, "lease": None, "leased_until": None, "attempts": 0, "last_error": ""}
    held.update(**free, **due_from(clock.now()), connection=lane)
    wake(lane)


def _others(post: Post, link: PostLink) -> Sequence[Post]:
    """Who else claims this content now."""
    standing = Post.objects.standing().of_content(post.platform_id, link.external_id)
    others = standing.filter(campaign__livemode=post.campaign.livemode, is_identified=True).exclude(pk=post.pk)
    return list(others.select_related("platform", "campaign", "affiliate__user").order_by("created_at", "id"))
