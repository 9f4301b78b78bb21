"""Facebook names one thing in many ways, and only some of them say whose it is.

The id is the one in the URL, a number or an opaque `pfbid…`. It is not yet the API's: a post's is made of its page's id
and its own, so a post keeps its owner in the canonical URL; a video or a photo is found by its own id alone.
"""

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote

from platforms.links.address import Address, Reader, short_link, wrapped
from platforms.links.answers import Identity, LinkKind, NeedsNetwork, NotAPost, PostLink, Refusal, refused

_NUMBER = re.compile(r"[1-9][0-9]{0,18}")
_OPAQUE = re.compile(r"pfbid[A-Za-z0-9]{4,96}")
_LANGUAGE_HOST = re.compile(r"[a-z]{2}(?:-[a-z]{2})?\.facebook\.com")  # fr., pt-br., zh-hk.

# A page without a short name has its full one in the URL, in whatever script.
_OWNER = re.compile(r"[^\s/\\?#%@:&=\N{REPLACEMENT CHARACTER}]+")
_MAX_QUOTED_OWNER_CHARS = 350  # with the rest of a canonical URL it stays below 500

# Where these stand first, what follows is not this owner's.
_NOT_OWNERS = frozenset(
    (
        *("ads", "business", "dialog", "events", "friends", "gaming", "groups", "hashtag", "help", "home.php"),
        *("l.php", "login", "login.php", "marketplace", "media", "messages", "notes", "notifications", "pages"),
        *("people", "permalink.php", "pg", "photo", "photo.php", "plugins", "policies", "profile.php", "reel"),
        *("reels", "saved", "search", "settings", "share", "share.php", "sharer", "sharer.php", "stories"),
        *("story.php", "video.php", "watch"),
    )
)


def without_language(host: str) -> str:
    """The host as it is in every language: each has a subdomain of its own, more than a list would hold."""
    is_known = host in READERS  # lm. has two letters as well
    return "www.facebook.com" if not is_known and _LANGUAGE_HOST.fullmatch(host) else host


def _address(address: Address) -> Identity:
    match address.segments:
        case ["plugins", "video.php" | "post.php"]:
            return _embedded(address.parameter("href"))
        case ["share", *rest]:
            return _share(rest)
    return _page(address)


def _embedded(target: str) -> Identity:
    """The page in one of Facebook's frames for other sites. One layer, and Facebook's own pages only."""
    inner = wrapped(target, site="www.facebook.com")
    if inner is None or without_language(inner.host) not in _HOSTS:
        return refused(Refusal.NOT_A_POST)
    return _page(inner)


def _share(rest: Sequence[str]) -> NeedsNetwork | NotAPost:
    match rest:
        case ["p" | "r" | "v" as kind, code]:
            return short_link("facebook", f"www.facebook.com/share/{kind}", code)
        case [code] if len(code) > 1:  # a single letter says of what kind the code is that is missing
            return short_link("facebook", "www.facebook.com/share", code)
    return refused(Refusal.NOT_A_POST)


def _page(address: Address) -> PostLink | NotAPost:
    match address.segments:
        case ["watch"] | ["watch", "live"] | ["video.php"]:
            return _video(address.parameter("v"))
        case ["reel", video_id]:
            return _video(video_id)
        case ["photo" | "photo.php"]:
            return _photo(address.parameter("fbid"), owner=_number(address.parameter("id")))
        case ["permalink.php" | "story.php"]:
            return _story(address.parameter("story_fbid"), owner_id=address.parameter("id"))
        case ["groups", group] if address.parameter("view") == "permalink":
            return _post(address.parameter("id"), owner=_name(group), place="groups/")
        case ["groups", group, "posts" | "permalink", *rest]:
            return _post(_id_after_words(rest), owner=_name(group), place="groups/")
        case [owner, "posts", *rest] if owner.lower() not in _NOT_OWNERS:
            return _post(_id_after_words(rest), owner=_name(owner))
        case [owner, "videos", *rest] if owner.lower() not in _NOT_OWNERS:
            return _video(_id_after_words(rest), owner=_name(owner))
        case [owner, "photos", *rest] if owner.lower() not in _NOT_OWNERS:
            return _photo(_id_after_words(rest), owner=_name(owner))
    return refused(Refusal.NOT_A_POST)


def _short_address(address: Address) -> NeedsNetwork | NotAPost:
    match address.segments:
        case ["v", code] if address.host == "fb.watch":
            return short_link("facebook", "fb.watch/v", code)
        case [code] if code != "v":
            return short_link("facebook", address.host, code)
    return refused(Refusal.NOT_A_POST)


def _link_shim(address: Address) -> NotAPost:
    return refused(Refusal.NOT_A_POST)  # it leads to whatever site stands in its parameter


def _id_after_words(rest: Sequence[str]) -> str:
    """The id at the end of a path, after at most one segment that says more: the title, an album, `vb.` and a page."""
    match rest:
        case [last]:
            return last
        case [words, last] if words:
            return last
    return ""


def _name(segment: str) -> str | None:
    """An owner as people read it, or None where no owner can be called so."""
    name = unquote(segment)
    fits = name.isprintable() and _OWNER.fullmatch(name) and len(quote(name, safe="")) <= _MAX_QUOTED_OWNER_CHARS
    return name if fits else None


def _number(text: str) -> str | None:
    return text if _NUMBER.fullmatch(text) else None


def _story(post_id: str, *, owner_id: str) -> PostLink | NotAPost:
    if not owner_id:
        return refused(Refusal.NOT_A_POST)  # such a link opens nothing: the id counts only beside its page's
    return _post(post_id, owner=_number(owner_id))


def _post(post_id: str, *, owner: str | None, place: str = "") -> PostLink | NotAPost:
    if not post_id:
        return refused(Refusal.NOT_A_POST)
    if owner is None or not (_NUMBER.fullmatch(post_id) or _OPAQUE.fullmatch(post_id)):
        return refused(Refusal.MALFORMED_ID)
    url = f"https://www.facebook.com/{place}{quote(owner, safe='')}/posts/{post_id}"
    return PostLink("facebook", post_id, url, owner=owner)


def _photo(photo_id: str, *, owner: str | None = None) -> PostLink | NotAPost:
    if not photo_id:
        return refused(Refusal.NOT_A_POST)
    if not (_NUMBER.fullmatch(photo_id) or _OPAQUE.fullmatch(photo_id)):
        return refused(Refusal.MALFORMED_ID)
    return PostLink("facebook", photo_id, f"https://www.facebook.com/photo/?fbid={photo_id}", owner=owner)


def _video(video_id: str, *, owner: str | None = None) -> PostLink | NotAPost:
    if not video_id:
        return refused(Refusal.NOT_A_POST)
    if not _NUMBER.fullmatch(video_id):
        return refused(Refusal.MALFORMED_ID)
    url = f"https://www.facebook.com/watch/?v={video_id}"
    return PostLink("facebook", video_id, url, owner=owner, kind=LinkKind.VIDEO)


_HOSTS = (
    *("facebook.com", "www.facebook.com", "m.facebook.com", "mbasic.facebook.com", "touch.facebook.com"),
    *("web.facebook.com", "fb.com", "www.fb.com"),
)

READERS: dict[str, Reader] = {
    **dict.fromkeys(_HOSTS, _address),
    **dict.fromkeys(("fb.watch", "fb.me"), _short_address),
    **dict.fromkeys(("l.facebook.com", "lm.facebook.com"), _link_shim),
}
