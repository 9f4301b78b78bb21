"""What a link can come to: one post, a question for its host, or a refusal with its reason."""

from dataclasses import dataclass, field
from enum import StrEnum

MAX_URL_CHARS = 2048


class LinkKind(StrEnum):
    """What the id in the link is to the platform's API. Only Facebook has two: a video is a node of its own there."""

    POST = "post"
    VIDEO = "video"


class Refusal(StrEnum):
    """Why a link names no post. Stable: clients branch on it."""

    TOO_LONG = "too_long"
    NOT_A_URL = "not_a_url"
    FORBIDDEN_CHARACTER = "forbidden_character"
    SCHEME_NOT_ALLOWED = "scheme_not_allowed"
    USERINFO_NOT_ALLOWED = "userinfo_not_allowed"
    PORT_NOT_ALLOWED = "port_not_allowed"
    HOST_NOT_SUPPORTED = "host_not_supported"
    NOT_A_POST = "not_a_post"
    COMMENT = "comment"
    MALFORMED_ID = "malformed_id"
    # Only the network can tell these:
    LINK_GONE = "link_gone"
    LINK_LEADS_ELSEWHERE = "link_leads_elsewhere"
    LINK_UNRESOLVED = "link_unresolved"


_REASONS = {
    Refusal.TOO_LONG: f"The link is longer than {MAX_URL_CHARS:,} characters.",
    Refusal.NOT_A_URL: "This is not a whole link: it must start with https:// followed by the site's name.",
    Refusal.FORBIDDEN_CHARACTER: "The link contains a blank, a backslash or an invisible character.",
    Refusal.SCHEME_NOT_ALLOWED: "The link must start with https:// or http://.",
    Refusal.USERINFO_NOT_ALLOWED: "The link contains a user name or password before the site's name.",
    Refusal.PORT_NOT_ALLOWED: "The link names an unusual port after the site's name.",
    Refusal.HOST_NOT_SUPPORTED: "The link leads to a site that is not checked here.",
    Refusal.NOT_A_POST: "The link leads to the right site, but not to one post.",
    Refusal.COMMENT: "This is the link of a comment: send the link of the post itself.",
    Refusal.MALFORMED_ID: "The post's id in the link is incomplete or has characters that do not belong there.",
    Refusal.LINK_GONE: "The short link leads nowhere: it is mistyped, it has expired, or its post is gone.",
    Refusal.LINK_LEADS_ELSEWHERE: "The short link leads away from its platform.",
    Refusal.LINK_UNRESOLVED: "The short link doesn't say which post it means: paste the full address of the post.",
}


@dataclass(frozen=True, slots=True)
class PostLink:
    """One post: `external_id` is the platform's own id, `canonical_url` the one form we store.

    `owner` is whose post it is, as the URL has it: a user's name or number, a page, a group; None where the URL is
    silent. Two links to one post may differ in that, so it takes no part in comparing them.
    """

    platform: str
    external_id: str
    canonical_url: str
    owner: str | None = field(default=None, compare=False)
    kind: LinkKind = LinkKind.POST


@dataclass(frozen=True, slots=True)
class NeedsNetwork:
    """A short link: which post it names only its host can say. `url` is https on an allow-listed host."""

    platform: str
    url: str


@dataclass(frozen=True, slots=True)
class NotAPost:
    """No post, and why: `code` for programs, `reason` for the person who sent the link.

    `platform` is the one whose page it is, None where the link got to none.
    """

    code: Refusal
    reason: str
    platform: str | None = None

    def __bool__(self) -> bool:
        return False


Identity = PostLink | NeedsNetwork | NotAPost


def refused(code: Refusal, platform: str | None = None) -> NotAPost:
    return NotAPost(code, _REASONS[code], platform)
