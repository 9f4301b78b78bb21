"""What a reader of a post's page should know before the figures: which post it really is, and whose."""

from dataclasses import dataclass
from uuid import UUID

from campaigns.models import Post


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence, and the post it leads to, if any."""

    text: str
    post: UUID | None = None


def notices(post: Post) -> list[Notice]:
    """What is unusual about this post; nothing for most."""
    found = []
    if post.merged_into_id:
        text = "This link leads to a post that was claimed before, and goes on as that one."
        found.append(Notice(text, post.merged_into_id))
    if post.displaced_at:
        found.append(Notice("Another affiliate's claim to this content stands, so this one is not looked at any more."))
    if not post.is_identified:
        found.append(Notice("This is a short link. It is opened first, to find out which post it leads to."))
    if post.ownership in _WHOSE:
        found.append(Notice(_WHOSE[Post.Ownership(post.ownership)].format(post.affiliate, post.platform)))
    return found


_WHOSE = {
    Post.Ownership.FOREIGN: "{1} names another account as the author than those that {0} has proven.",
    Post.Ownership.UNPROVEN: "{0} has not proven an account on {1}, so whose post this is stays open.",
}
