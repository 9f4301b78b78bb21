"""Where short links lead: `GET /__links__/<host>/<path>` answers what that host would at that path.

A link leads to its post's address with the tracking parameters that such links pick up on the way. Three codes lead
where a link should not be followed: `loop` to itself, `evil` to a stranger, `private` into the reader's own network.
Nothing here is counted, and no fault reaches it.
"""

import re
from urllib.parse import unquote

from platforms.sandbox.state import SandboxState
from platforms.sandbox.wire import HTML_TYPE, Reply, Request

PREFIX = "/__links__/"
FACEBOOK_HOSTS = r"(?:www\.|m\.|web\.)?facebook\.com"
# The code is what stands in the group.
SHAPES = {
    "tiktok": re.compile(r"(?:v[mt]\.tiktok\.com|(?:www\.|m\.)?tiktok\.com/t)/([^/]+)/?"),
    "instagram": re.compile(r"(?:www\.)?instagram\.com/share/(?:p/|reel/)?([^/]+)/?"),
    "facebook": re.compile(rf"(?:fb\.watch(?:/v)?|fb\.me|{FACEBOOK_HOSTS}/share(?:/[prv])?)/([^/]+)/?"),
    "reddit": re.compile(r"(?:www\.|old\.|new\.|m\.)?reddit\.com/(?:r|u|user)/[^/]+/s/([^/]+)/?"),
    "x": re.compile(r"(?:t\.co|pic\.(?:twitter|x)\.com)/([^/]+)/?"),
}
TRACKING = {
    "tiktok": "_r=1&_t=ZS-8sandbox",
    "instagram": "igsh=c2FuZGJveA==",
    "facebook": "rdid=sandbox&share_url=https%3A%2F%2Fwww.facebook.com%2Fshare",
    "reddit": "share_id=sandbox&utm_medium=android_app&utm_source=share",
    "x": "s=20&t=sandbox",
}
ODD_TARGETS = {"evil": "https://evil.example/", "private": "http://127.0.0.1/"}


def answer(request: Request, state: SandboxState) -> Reply | None:
    """The redirect of a short link; None for another path."""
    if request.method not in ("GET", "HEAD") or not request.path.startswith(PREFIX):
        return None
    address = unquote(request.path.removeprefix(PREFIX))
    host, _, path = address.partition("/")
    for platform, shape in SHAPES.items():
        found = shape.fullmatch(f"{host.lower()}/{path}")
        if found:
            target = _target(platform, found[1], address, state)
            return _redirect(target) if target else _not_found()
    return _not_found()


def _target(platform: str, code: str, address: str, state: SandboxState) -> str | None:
    if code == "loop":
        return f"https://{address}"
    post = state.world.find_by_short_code(platform, code)
    if post is None:
        return ODD_TARGETS.get(code)
    return f"{post.url}{'&' if '?' in post.url else '?'}{TRACKING[platform]}"


def _redirect(target: str) -> Reply:
    return Reply(302, b"", {"location": target}, HTML_TYPE)


def _not_found() -> Reply:
    return Reply(404, b"<!doctype html><title>Not found</title>", content_type=HTML_TYPE)
