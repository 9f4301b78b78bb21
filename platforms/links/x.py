import re

from platforms.links.address import Address, Reader, short_link
from platforms.links.answers import NeedsNetwork, NotAPost, PostLink, Refusal, refused

_ID = re.compile(r"[1-9][0-9]{0,18}")  # as long as the API takes; the first posts have two digits
_USER = re.compile(r"[A-Za-z0-9_]{1,20}")
_MEDIA = re.compile(r"(?:(?:photo|video)/[0-9]{1,2})?")
_NO_USERS = ("i", "web")  # they stand where the user would, when the link is made without knowing whose post it is

# Pages of X's own, which nobody can be called.
_NOT_USERS = frozenset(
    (
        *("account", "compose", "download", "explore", "hashtag", "home", "intent", "login", "logout", "messages"),
        *("notifications", "oauth", "privacy", "search", "settings", "share", "signup", "tos"),
    )
)


def _address(address: Address) -> PostLink | NotAPost:
    match address.segments:
        case ["i", "web", "status", post_id, *rest] if _MEDIA.fullmatch("/".join(rest)):
            return _post(post_id)
        case [user, "status" | "statuses", post_id, *rest] if _is_user(user):
            if _MEDIA.fullmatch("/".join(rest)):
                return _post(post_id, owner=None if user in _NO_USERS else user)
    return refused(Refusal.NOT_A_POST)


def _is_user(name: str) -> bool:
    return _USER.fullmatch(name) is not None and name.lower() not in _NOT_USERS


def _short_address(address: Address) -> NeedsNetwork | NotAPost:
    match address.segments:
        case [code]:
            return short_link("x", address.host, code)
    return refused(Refusal.NOT_A_POST)


def _post(post_id: str, *, owner: str | None = None) -> PostLink | NotAPost:
    if not post_id:
        return refused(Refusal.NOT_A_POST)
    if not _ID.fullmatch(post_id):
        return refused(Refusal.MALFORMED_ID)
    return PostLink("x", post_id, f"https://x.com/i/status/{post_id}", owner=owner)


_HOSTS = (
    *(f"{prefix}{host}" for host in ("x.com", "twitter.com") for prefix in ("", "www.", "mobile.")),
    "m.twitter.com",
)

READERS: dict[str, Reader] = {
    **dict.fromkeys(_HOSTS, _address),
    **dict.fromkeys(("t.co", "pic.twitter.com", "pic.x.com"), _short_address),
}
