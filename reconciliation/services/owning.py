"""Whose a post is: its author, as the platform names them, held against the accounts its claimant has proven."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q

from affiliates.models import Affiliate
from campaigns.models import Post, PostText
from platforms.metrics import Availability
from platforms.models import Account, Connection, as_handle

if TYPE_CHECKING:
    from reconciliation.services.settling.judging import Look


def ownership(author_id: str, handle: str, proven: Sequence[Account]) -> Post.Ownership:
    """Whether an author is one of these proven accounts of one affiliate on one platform.

    Ids decide where both sides have one, since handles change hands; else the handle does.
    """
    if not author_id and not handle:
        return Post.Ownership.UNKNOWN
    if not proven:
        return Post.Ownership.UNPROVEN
    for account in proven:
        if author_id and account.external_id:
            if author_id == account.external_id:
                return Post.Ownership.PROVEN
        elif handle and handle == account.handle:
            return Post.Ownership.PROVEN
    return Post.Ownership.FOREIGN


def note_authors(looks: "Sequence[Look]", *, lane: Connection | None) -> None:
    """Note on these looks who published their posts, as far as the platform says, and whether that is the claimant.

    What an affiliate's own connection shows without naming an author is that account's: it shows nobody else's.
    """
    read = [(look, look.reading) for look in looks if look.reading]
    if not read:
        return
    proven: dict[tuple[UUID, UUID, bool], list[Account]] = defaultdict(list)
    for account in Account.objects.proven().filter(affiliate__in={look.post.affiliate_id for look, _ in read}):
        proven[account.affiliate_id, account.platform_id, account.livemode].append(account)
    own_lane = lane is not None and lane.affiliate_id is not None
    named: dict[UUID, str] = {}
    for look, reading in read:
        handle = as_handle(reading.author_handle)
        if reading.author_id and reading.author_id != look.author_id:
            look.author_id = reading.author_id
            named[look.post.id] = handle
        post = look.post
        theirs = proven.get((post.affiliate_id, post.platform_id, post.livemode), [])
        found = ownership(reading.author_id or "", handle, theirs)
        if found == Post.Ownership.UNKNOWN and own_lane and reading.availability == Availability.LIVE:
            found = Post.Ownership.PROVEN
        if found != Post.Ownership.UNKNOWN:
            look.ownership = found
    if named:
        PostText.objects.write_author_handles(named)


def is_rightful(affiliate: Affiliate, post: Post) -> bool:
    """Whether this affiliate has proven to be the author of a post that somebody else claims without such proof."""
    if post.ownership == Post.Ownership.PROVEN or not post.author_id:
        return False
    proven = Account.objects.filter(
        affiliate=affiliate, platform=post.platform_id, livemode=post.campaign.livemode, proven_at__isnull=False
    )
    return ownership(post.author_id, _author_handle(post), list(proven)) == Post.Ownership.PROVEN


def _author_handle(post: Post) -> str:
    text = PostText.objects.filter(post=post.pk).first()
    return text.author_handle if text else ""


def may_be_rightful(affiliate: Affiliate, post: Post) -> bool:
    """Whether this affiliate's connection could tell that a post of an author whom nobody named is theirs."""
    if post.ownership == Post.Ownership.PROVEN or post.author_id:
        return False
    connected = Connection.objects.filter(
        affiliate=affiliate, platform=post.platform_id, livemode=post.campaign.livemode, state=Connection.State.ACTIVE
    )
    return connected.exists()


def note_author_of(post: Post, connection: Connection) -> None:
    """A connection shows a post that its claimant's could not: its author is the account behind that connection."""
    author = Account.objects.filter(connection=connection, proven_at__isnull=False).first()
    if author is None or not author.external_id:
        return
    proven = Account.objects.proven().filter(affiliate=post.affiliate_id, platform=post.platform_id)
    found = ownership(author.external_id, author.handle, [each for each in proven if _is_of(each, post)])
    Post.objects.filter(pk=post.pk, author_id="").update(author_id=author.external_id, ownership=found)


def recheck_ownership(*, affiliate_id: UUID, platform_id: UUID, livemode: bool) -> None:
    """An affiliate's proven accounts on a platform changed: say anew of each of its posts there whose it is."""
    posts = Post.objects.filter(
        ~Q(author_id=""), affiliate=affiliate_id, platform=platform_id, campaign__livemode=livemode
    ).select_related("campaign", "text")
    proven = list(Account.objects.proven().filter(affiliate=affiliate_id, platform=platform_id))
    changed: dict[Post.Ownership, list[UUID]] = defaultdict(list)
    for post in posts.iterator(chunk_size=1_000):
        handle = post.text.author_handle if hasattr(post, "text") else ""
        found = ownership(post.author_id, handle, [each for each in proven if _is_of(each, post)])
        if found != post.ownership:
            changed[found].append(post.pk)
    for word, ids in changed.items():
        Post.objects.filter(pk__in=ids).update(ownership=word)


def _is_of(account: Account, post: Post) -> bool:
    return (
        account.affiliate_id == post.affiliate_id
        and account.platform_id == post.platform_id
        and account.livemode == post.campaign.livemode
    )
