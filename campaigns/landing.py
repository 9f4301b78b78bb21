"""Where a tracking link leads: the campaign's landing page, or another page of the same site. Nowhere else.

A landing page is a plain http(s) address. A link may have a destination of its own: a path there, or an address with
the same scheme, host and port. Both are checked when they are stored and again each time somebody is sent there, since
the landing page may have changed meanwhile; what no longer fits leads to the landing page itself.

The page's own query is kept byte for byte, and the click's id is added to it; an id that it names already gives way.
"""

import re
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

CLICK_PARAMETER = "ck_click"
"""The name under which the landing page is told the click's id, for its shop to report it with a sale."""
MAX_URL_CHARS = 500

_VISIBLE = re.compile(r"[!-~]+", re.ASCII)
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]", re.ASCII)


def refusal(url: str) -> str | None:
    """Why an address is no landing page, as a sentence; None where it is one."""
    if len(url) > MAX_URL_CHARS:
        return f"At most {MAX_URL_CHARS} characters."
    if not _VISIBLE.fullmatch(url) or "\\" in url:
        return "An address of visible ASCII characters; other letters are written with % or xn--."
    parts = _split(url)
    if parts is None:
        return "This is no address."
    if parts.scheme not in ("http", "https"):
        return "An address that begins with https:// or http://."
    if "@" in parts.netloc:
        return "An address without a user name or password."
    if not _HOST.fullmatch(_host(parts)):
        return "An address with the name of a host."
    return None


def destination_refusal(landing_url: str, destination: str) -> str | None:
    """Why a link of a campaign with this landing page must not lead to `destination`; None where it may."""
    if destination and _there(landing_url, destination) is None:
        return f"A path, such as /sale, or an address on {host_of(landing_url)}."
    return None


def host_of(landing_url: str) -> str:
    """The landing page's host, with its port where it names one."""
    return urlsplit(landing_url).netloc.lower()


def target(landing_url: str, destination: str, click_id: str) -> str:
    """Where a click is sent to; `landing_url` is a landing page."""
    there = _there(landing_url, destination) if destination else None
    parts = urlsplit(landing_url) if there is None else there
    own = [pair for pair in parts.query.split("&") if pair and unquote(pair.partition("=")[0]) != CLICK_PARAMETER]
    query = "&".join([*own, f"{CLICK_PARAMETER}={click_id}"])
    return urlunsplit(parts._replace(path=parts.path or "/", query=query))


def _there(landing_url: str, destination: str) -> SplitResult | None:
    """A destination as a whole address, if it is on the landing page's site."""
    landing = urlsplit(landing_url)
    if destination.startswith("/") and not destination.startswith("//"):
        destination = f"{landing.scheme}://{landing.netloc}{destination}"
    if refusal(destination):
        return None
    parts = urlsplit(destination)
    same = (parts.scheme, parts.netloc.lower()) == (landing.scheme, landing.netloc.lower())
    return parts if same else None


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (a port that is no number raises here)
    except ValueError:
        return None
    return parts


def _host(parts: SplitResult) -> str:
    name = parts.hostname or ""
    return f"[{name}]" if ":" in name else name
