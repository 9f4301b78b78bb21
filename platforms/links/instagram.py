import re

from platforms.links.address import Address, Reader, short_link
from platforms.links.answers import Identity, NotAPost, PostLink, Refusal, refused

# The oldest posts have one letter, a private account's some forty.
_CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_USER = re.compile(r"[A-Za-z0-9_.]{1,30}")

# Where these stand first, what comes second is no kind of post: /stories/reel/… is a story of somebody called "reel".
_NOT_USERS = frozenset(
    ("accounts", "archive", "ar", "direct", "explore", "p", "reel", "reels", "s", "share", "stories", "tv", "web")
)


def _address(address: Address) -> Identity:
    match address.segments:
        case ["share", code] if code not in ("p", "reel"):
            return short_link("instagram", "www.instagram.com/share", code)
        case ["share", "p" | "reel" as kind, code]:
            return short_link("instagram", f"www.instagram.com/share/{kind}", code)
        case ["reel" | "reels", "audio", *_]:
            return refused(Refusal.NOT_A_POST)  # a piece of music, with all the reels that use it
        case ["p" | "reel" | "reels" | "tv", code, *rest]:
            return _page(code, rest)
        case [user, "p" | "reel" | "reels" | "tv", code, *rest] if _is_user(user):
            return _page(code, rest, owner=user)
    return refused(Refusal.NOT_A_POST)


def _is_user(name: str) -> bool:
    return _USER.fullmatch(name) is not None and name.lower() not in _NOT_USERS


def _page(code: str, rest: list[str], *, owner: str | None = None) -> PostLink | NotAPost:
    match rest:
        case [] | ["embed"] | ["embed", "captioned"]:
            return _post(code, owner=owner)
        case ["c", *_]:
            return refused(Refusal.COMMENT)
    return refused(Refusal.NOT_A_POST)


def _post(code: str, *, owner: str | None) -> PostLink | NotAPost:
    if not code:
        return refused(Refusal.NOT_A_POST)
    if not _CODE.fullmatch(code):
        return refused(Refusal.MALFORMED_ID)
    return PostLink("instagram", code, f"https://www.instagram.com/p/{code}/", owner=owner)


_HOSTS = ("instagram.com", "www.instagram.com", "m.instagram.com", "instagr.am")

READERS: dict[str, Reader] = dict.fromkeys(_HOSTS, _address)
