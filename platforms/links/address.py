"""A URL taken apart, once, for all platforms: whatever could make it mean something else to a browser is refused."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from platforms.links.answers import MAX_URL_CHARS, Identity, NeedsNetwork, NotAPost, Refusal, refused

_DEFAULT_PORTS = {"https": 443, "http": 80}
_DOT_SEGMENTS = {".", ".."}

BLANKS = " \t\r\n\v\f"
"""What may stand around a link. No other blank or control character may: somebody put it there."""

# An unreserved character means the same with and without its percent sign (RFC 3986, 2.3).
_QUOTED_UNRESERVED = re.compile("%(?:4[1-9A-F]|5[0-9A]|6[1-9A-F]|7[0-9A]|3[0-9]|2[DE]|5F|7E)", re.IGNORECASE)

_SHORT_CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    segments: Sequence[str]  # of the path; an empty one stands between two slashes
    query: Mapping[str, list[str]]

    def parameter(self, name: str) -> str:
        """The one value of a query parameter; empty where there is none, or several that differ."""
        values = set(self.query.get(name, ()))
        return values.pop() if len(values) == 1 else ""


Reader = Callable[[Address], Identity]


def parse(url: str) -> Address | NotAPost:
    if len(url) > MAX_URL_CHARS:
        return refused(Refusal.TOO_LONG)
    url = url.strip(BLANKS)
    # Before splitting: urlsplit drops tabs and line breaks silently, and browsers read a backslash as a slash.
    if not url.isprintable() or " " in url or "\\" in url:
        return refused(Refusal.FORBIDDEN_CHARACTER)
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:  # brackets that do not close, a port that is no number, a host that normalises to another
        return refused(Refusal.NOT_A_URL)
    if parts.scheme not in _DEFAULT_PORTS:
        return refused(Refusal.SCHEME_NOT_ALLOWED if parts.scheme else Refusal.NOT_A_URL)
    if "@" in parts.netloc:
        return refused(Refusal.USERINFO_NOT_ALLOWED)
    if not host:
        return refused(Refusal.NOT_A_URL)
    if port not in (None, _DEFAULT_PORTS[parts.scheme]):
        return refused(Refusal.PORT_NOT_ALLOWED)
    if not parts.netloc.isascii():  # before lower-casing, which makes a plain k of the Kelvin sign
        return refused(Refusal.HOST_NOT_SUPPORTED)
    path = _QUOTED_UNRESERVED.sub(lambda quoted: unquote(quoted[0]), parts.path)
    segments = path.removeprefix("/").removesuffix("/").split("/")
    return Address(host.removesuffix("."), segments, parse_qs(parts.query))


def has_dot_segment(address: Address) -> bool:
    """Whether a browser would shorten the path before it asks, and so end up on another page."""
    return any(segment.lower().replace("%2e", ".") in _DOT_SEGMENTS for segment in address.segments)


def wrapped(target: str, *, site: str) -> Address | None:
    """The page that one of a site's own pages wraps: its whole URL, or its path on the same site."""
    inner = parse(f"https://{site}{target}" if target.startswith("/") else target)
    return None if isinstance(inner, NotAPost) or has_dot_segment(inner) else inner


def short_link(platform: str, prefix: str, code: str) -> NeedsNetwork | NotAPost:
    if not code:
        return refused(Refusal.NOT_A_POST)
    if not _SHORT_CODE.fullmatch(code):
        return refused(Refusal.MALFORMED_ID)
    return NeedsNetwork(platform, f"https://{prefix}/{code}")
