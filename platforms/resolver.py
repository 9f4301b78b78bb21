"""Which post a short link names: its host is asked, and whatever it says is judged like a pasted link.

What is asked was chosen by a stranger, so little is: hosts of the short links alone (`identify` makes the URL that is
fetched, never the answer of a server), https, one hop at a time, at public addresses, within five seconds in all and
64 KB a page. In the sandbox's world the sandbox answers for those hosts, and is judged the same.
"""

import time
from contextlib import suppress
from functools import cache
from html.parser import HTMLParser
from urllib.parse import urljoin

from django.conf import settings

from config import clock
from platforms.errors import ErrorKind, PlatformError, retry_after_s
from platforms.links import Identity, NeedsNetwork, NotAPost, PostLink, Refusal, identify
from platforms.links.address import parse, wrapped
from platforms.links.answers import refused
from platforms.metrics import PLATFORM_NAMES
from platforms.transport import Http, Limits, Response

MAX_REDIRECTS = 5
TOTAL_S = 5
LIMITS = Limits(connect_s=3, read_s=5, total_s=TOTAL_S, body_bytes=64 * 1024, cut_body=True)

_HEADERS = {"Accept": "text/html,application/xhtml+xml"}
_REDIRECTS = (301, 302, 303, 307, 308)
_GONE = (404, 410)

# Who is not logged in is sent here, with the page that was asked for in a parameter.
_LOGIN_PAGES = {
    ("facebook", "login.php"): "next",
    ("facebook", "login"): "next",
    ("instagram", "accounts/login"): "next",
    ("reddit", "login"): "dest",
    ("tiktok", "login"): "redirect_url",
    ("x", "i/flow/login"): "redirect_after_login",
}


def resolve(link: NeedsNetwork, http: Http, *, livemode: bool = True) -> PostLink | NotAPost:
    """The post of its own platform that a short link leads to, or why it leads to none; `http` is `link_http()` of the
    same mode.

    Raises PlatformError where the host gives no answer, which says nothing about the link.
    """
    ends_at = time.monotonic() + TOTAL_S
    for _ in range(MAX_REDIRECTS):
        answer = _ask(link, http, ends_at - time.monotonic(), _stand_in(livemode=livemode))
        if answer.status in _REDIRECTS:
            found = _destination(link, _location(answer, link))
        elif answer.ok:
            found = _named_by_page(link, answer.body)
        elif answer.status in _GONE:
            found = refused(Refusal.LINK_GONE, link.platform)
        else:
            raise _no_answer(answer, link)
        if not isinstance(found, NeedsNetwork):
            return found
        link = found
    return refused(Refusal.LINK_UNRESOLVED, link.platform)  # it goes round in circles


def link_http(*, livemode: bool = True) -> Http:
    """The way to the short links' hosts: to public addresses only, unless the settings name somebody who stands in."""
    return _http(public_only=not _stand_in(livemode=livemode))


def _stand_in(*, livemode: bool) -> str:
    """Who is asked instead of the hosts; in test mode that is always the sandbox."""
    address: str = settings.LINK_RESOLVER_BASE_URL if livemode else settings.LINK_RESOLVER_TEST_BASE_URL
    return address


@cache
def _http(*, public_only: bool) -> Http:
    return Http(LIMITS, public_only=public_only)


def _ask(link: NeedsNetwork, http: Http, within_s: float, stand_in: str) -> Response:
    url = link.url
    if stand_in:
        url = f"{stand_in}/{url.removeprefix('https://')}"
    elif not http.public_only:
        raise ValueError("A stranger's link is asked for at public addresses only.")
    return http.request("GET", url, platform=link.platform, ids=1, headers=_HEADERS, within_s=within_s)


def _location(answer: Response, link: NeedsNetwork) -> str:
    location = answer.headers.get("location")
    if not location:
        raise PlatformError(
            ErrorKind.MALFORMED, "no_location", f"{PLATFORM_NAMES[link.platform]} redirects to nowhere."
        )
    try:
        return urljoin(link.url, location)
    except ValueError:  # brackets that do not close; `identify` says so in its own way
        return location


def _destination(link: NeedsNetwork, url: str) -> Identity:
    """What the next address is, as far as it stays with the link's platform."""
    found = identify(url)
    if isinstance(found, NotAPost) and found.platform == link.platform:
        found = _behind_login(link, url) or found
    if found.platform != link.platform:
        return refused(Refusal.LINK_LEADS_ELSEWHERE, link.platform)
    return found


def _behind_login(link: NeedsNetwork, url: str) -> PostLink | None:
    page = parse(url)
    if isinstance(page, NotAPost):
        return None
    parameter = _LOGIN_PAGES.get((link.platform, "/".join(page.segments)), "")
    target = page.parameter(parameter)
    found = identify(urljoin(url, target)) if target and wrapped(target, site=page.host) else None
    return found if isinstance(found, PostLink) else None


def _named_by_page(link: NeedsNetwork, body: bytes) -> PostLink | NotAPost:
    """The post that a page gives as its own address. Anything else it says, a log-in above all, is no answer."""
    for url in _own_addresses(body):
        found = _destination(link, url)
        if isinstance(found, PostLink):
            return found
    return refused(Refusal.LINK_UNRESOLVED, link.platform)


def _own_addresses(body: bytes) -> list[str]:
    reader = _PageReader()
    with suppress(AssertionError):  # html.parser's word for a declaration it can't read; what came before it stands
        reader.feed(body.decode(errors="replace"))
    return reader.addresses


class _PageReader(HTMLParser):
    """Collects a page's own addresses: its canonical link and its `og:url`."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and (given.get("rel") or "").lower() == "canonical":
            self.addresses.append(given.get("href") or "")
        elif tag == "meta" and given.get("property") == "og:url":
            self.addresses.append(given.get("content") or "")


def _no_answer(answer: Response, link: NeedsNetwork) -> PlatformError:
    name = PLATFORM_NAMES[link.platform]
    wait_s = retry_after_s(answer.headers.get("retry-after"), clock.now())
    code = f"http_{answer.status}"
    if answer.status == 429:
        return PlatformError(ErrorKind.RATE_LIMIT, code, f"{name} asks for fewer calls ({code}).", wait_s)
    # A refusal is one of strangers or of machines, and may pass; it says nothing about this link.
    return PlatformError(ErrorKind.UNAVAILABLE, code, f"{name} does not answer for its short links ({code}).", wait_s)
