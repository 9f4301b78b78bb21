"""Which post a URL names, decided from the URL alone: it is parsed, never searched, and nothing is fetched.

The same post has many URLs, so what counts is (platform, external id); the canonical URL is made from these two.
Hosts are compared with an exact list, letters of ids keep their case (Reddit's have none), and an id in a place where
the platform does not put post ids is no id. A link that is refused says why, in words for the person who sent it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from string import ascii_lowercase
from urllib.parse import parse_qs, urlsplit

MAX_URL_CHARS = 2048

_DEFAULT_PORTS = {"https": 443, "http": 80}

# fullmatch only, and spelt-out classes: `$` lets a line break pass and `\d` matches every script's digits.
# A leading zero would give one post two ids.
_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_REDDIT_ID = re.compile(r"[1-9A-Za-z][0-9A-Za-z]{0,12}")
_REDDIT_NAME = re.compile(r"[A-Za-z0-9_-]{1,24}")
_X_ID = re.compile(r"[1-9][0-9]{0,18}")
_X_USER = re.compile(r"[A-Za-z0-9_]{1,20}")
_X_MEDIA = re.compile(r"(?:(?:photo|video)/[0-9]{1,2})?")
_SHORT_CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")


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
}


@dataclass(frozen=True, slots=True)
class PostLink:
    """One post: `external_id` is the platform's own id, `canonical_url` the one form we store."""

    platform: str
    external_id: str
    canonical_url: str


@dataclass(frozen=True, slots=True)
class NeedsNetwork:
    """A short link: which post it names only its host can say. `url` is https on an allow-listed host."""

    platform: str
    url: str


@dataclass(frozen=True, slots=True)
class NotAPost:
    """No post, and why: `code` for programs, `reason` for the person who sent the link."""

    code: Refusal
    reason: str

    def __bool__(self) -> bool:
        return False


Identity = PostLink | NeedsNetwork | NotAPost


@dataclass(frozen=True, slots=True)
class _Address:
    host: str
    segments: Sequence[str]  # of the path; an empty one stands between two slashes
    query: Mapping[str, list[str]]

    def parameter(self, name: str) -> str:
        """The one value of a query parameter; empty where there is none, or several that differ."""
        values = set(self.query.get(name, ()))
        return values.pop() if len(values) == 1 else ""


def identify(url: str) -> Identity:
    """The post that `url` names. Raises nothing, whatever the string."""
    address = _parse(url)
    if isinstance(address, NotAPost):
        return address
    reader = _READERS.get(address.host)
    return reader(address) if reader else _no(Refusal.HOST_NOT_SUPPORTED)


def _no(code: Refusal) -> NotAPost:
    return NotAPost(code, _REASONS[code])


def _parse(url: str) -> _Address | NotAPost:
    if len(url) > MAX_URL_CHARS:
        return _no(Refusal.TOO_LONG)
    url = url.strip()
    # Before splitting: urlsplit drops tabs and line breaks silently, and browsers read a backslash as a slash.
    if not url.isprintable() or " " in url or "\\" in url:
        return _no(Refusal.FORBIDDEN_CHARACTER)
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:  # brackets that do not close, a port that is no number, a host that normalises to another
        return _no(Refusal.NOT_A_URL)
    if parts.scheme not in _DEFAULT_PORTS:
        return _no(Refusal.SCHEME_NOT_ALLOWED if parts.scheme else Refusal.NOT_A_URL)
    if "@" in parts.netloc:
        return _no(Refusal.USERINFO_NOT_ALLOWED)
    if not host:
        return _no(Refusal.NOT_A_URL)
    if port not in (None, _DEFAULT_PORTS[parts.scheme]):
        return _no(Refusal.PORT_NOT_ALLOWED)
    if not host.isascii():
        return _no(Refusal.HOST_NOT_SUPPORTED)
    segments = parts.path.removeprefix("/").removesuffix("/").split("/")
    return _Address(host.removesuffix("."), segments, parse_qs(parts.query))


def _short_link(platform: str, prefix: str, code: str) -> NeedsNetwork | NotAPost:
    if not code:
        return _no(Refusal.NOT_A_POST)
    if not _SHORT_CODE.fullmatch(code):
        return _no(Refusal.MALFORMED_ID)
    return NeedsNetwork(platform, f"https://{prefix}/{code}")


# --- YouTube


def _youtube(address: _Address) -> Identity:
    match address.segments:
        case ["attribution_link"]:
            return _youtube_wrapped(address.parameter("u"))
        case ["redirect"]:
            return _youtube_wrapped(address.parameter("q"))
    return _youtube_page(address)


def _youtube_consent(address: _Address) -> Identity:
    return _youtube_wrapped(address.parameter("continue"))


def _youtube_wrapped(target: str) -> Identity:
    """The page inside one of YouTube's wrappers. One layer, and YouTube's own pages only."""
    inner = _parse(f"https://www.youtube.com{target}" if target.startswith("/") else target)
    if isinstance(inner, NotAPost) or inner.host not in _YOUTUBE_HOSTS:
        return _no(Refusal.NOT_A_POST)
    return _youtube_page(inner)


def _youtube_page(address: _Address) -> Identity:
    match address.segments:
        case [video_id] if address.host == "youtu.be":
            return _youtube_video(video_id)
        case _ if address.host == "youtu.be":
            return _no(Refusal.NOT_A_POST)
        case ["watch"]:
            return _youtube_video(address.parameter("v"))
        case ["shorts" | "live" | "embed" | "v" | "e" | "vi", video_id]:
            return _youtube_video(video_id)
        case ["clip", code]:
            return _short_link("youtube", "www.youtube.com/clip", code)
    return _no(Refusal.NOT_A_POST)


def _youtube_video(video_id: str) -> PostLink | NotAPost:
    # The two words stand where an id would, and have an id's eleven characters: a channel's live stream, a playlist.
    if video_id in ("", "live_stream", "videoseries"):
        return _no(Refusal.NOT_A_POST)
    if not _YOUTUBE_ID.fullmatch(video_id):
        return _no(Refusal.MALFORMED_ID)
    return PostLink("youtube", video_id, f"https://www.youtube.com/watch?v={video_id}")


_YOUTUBE_HOSTS = (
    *("youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com"),
    *("youtube-nocookie.com", "www.youtube-nocookie.com", "youtu.be"),
)


# --- Reddit


def _reddit(address: _Address) -> Identity:
    match address.segments:
        case ["r" | "u" | "user", name, *_] if not _REDDIT_NAME.fullmatch(name):
            return _no(Refusal.NOT_A_POST)
        case ["r" | "u" | "user" as kind, name, "s", code]:
            return _short_link("reddit", f"www.reddit.com/{kind}/{name}/s", code)
        case ["r" | "u" | "user", _, "comments", post_id, *rest] | ["comments", post_id, *rest]:
            # After the id comes the title; whatever follows that is a comment, which is not the claimed post.
            return _reddit_post(post_id) if len(rest) <= 1 else _no(Refusal.COMMENT)
        case ["gallery", post_id]:
            return _reddit_post(post_id)
    return _no(Refusal.NOT_A_POST)


def _redd_it(address: _Address) -> PostLink | NotAPost:
    match address.segments:
        case [post_id] if post_id:
            return _reddit_post(post_id)
    return _no(Refusal.NOT_A_POST)


def _reddit_media(address: _Address) -> NotAPost:
    return _no(Refusal.NOT_A_POST)  # a picture's or a film's id is not its post's


def _reddit_post(post_id: str) -> PostLink | NotAPost:
    if not _REDDIT_ID.fullmatch(post_id):  # before lower(): the Kelvin sign becomes a plain k
        return _no(Refusal.MALFORMED_ID)
    return PostLink("reddit", post_id.lower(), f"https://www.reddit.com/comments/{post_id.lower()}")


_REDDIT_HOSTS = (
    *("reddit.com", "www.reddit.com", "old.reddit.com", "new.reddit.com", "m.reddit.com"),
    *("redditmedia.com", "www.redditmedia.com"),
    *(f"{first}{second}.reddit.com" for first, second in product(ascii_lowercase, repeat=2)),  # np., nm., languages
)


# --- X


def _x(address: _Address) -> PostLink | NotAPost:
    match address.segments:
        case ["i", "web", "status", post_id]:
            return _x_post(post_id)
        case [user, "status" | "statuses", post_id, *rest] if _X_USER.fullmatch(user):
            return _x_post(post_id) if _X_MEDIA.fullmatch("/".join(rest)) else _no(Refusal.NOT_A_POST)
    return _no(Refusal.NOT_A_POST)


def _x_short(address: _Address) -> NeedsNetwork | NotAPost:
    match address.segments:
        case [code]:
            return _short_link("x", address.host, code)
    return _no(Refusal.NOT_A_POST)


def _x_post(post_id: str) -> PostLink | NotAPost:
    if not _X_ID.fullmatch(post_id):
        return _no(Refusal.MALFORMED_ID)
    return PostLink("x", post_id, f"https://x.com/i/status/{post_id}")


_X_HOSTS = tuple(f"{prefix}{host}" for host in ("x.com", "twitter.com") for prefix in ("", "www.", "mobile."))


_READERS: dict[str, Callable[[_Address], Identity]] = {
    **dict.fromkeys(_YOUTUBE_HOSTS, _youtube),
    "consent.youtube.com": _youtube_consent,
    **dict.fromkeys(_REDDIT_HOSTS, _reddit),
    "redd.it": _redd_it,
    **dict.fromkeys(("i.redd.it", "v.redd.it", "preview.redd.it"), _reddit_media),
    **dict.fromkeys(_X_HOSTS, _x),
    **dict.fromkeys(("t.co", "pic.twitter.com"), _x_short),
}
