"""Which post a URL names, decided from the URL alone: it is parsed, never searched, and nothing is fetched.

The same post has many URLs, so what counts is (platform, external id); the canonical URL is made from these two, and
from the owner where Facebook has no address without one. Hosts are compared with an exact list, letters of ids keep
their case (Reddit's have none), and an id in a place where the platform does not put post ids is no id. A link that is
refused says why, in words for the person who sent it.

Each platform is one module: its hosts, each with the reader for it.
"""

from dataclasses import replace

from platforms.links import facebook, instagram, reddit, tiktok, x, youtube
from platforms.links.address import has_dot_segment, parse
from platforms.links.answers import (
    MAX_URL_CHARS,
    Identity,
    LinkKind,
    NeedsNetwork,
    NotAPost,
    PostLink,
    Refusal,
    refused,
)

__all__ = ["MAX_URL_CHARS", "Identity", "LinkKind", "NeedsNetwork", "NotAPost", "PostLink", "Refusal", "identify"]

_PLATFORMS = {
    "youtube": youtube.READERS,
    "reddit": reddit.READERS,
    "x": x.READERS,
    "instagram": instagram.READERS,
    "facebook": facebook.READERS,
    "tiktok": tiktok.READERS,
}
_READERS = {host: (platform, reader) for platform, readers in _PLATFORMS.items() for host, reader in readers.items()}


def identify(url: str) -> Identity:
    """The post that `url` names. Raises nothing, whatever the string."""
    address = parse(url)
    if isinstance(address, NotAPost):
        return address
    known = _READERS.get(facebook.without_language(address.host))
    if known is None:
        return refused(Refusal.HOST_NOT_SUPPORTED)
    platform, reader = known
    if has_dot_segment(address):
        return refused(Refusal.NOT_A_POST, platform)
    answer = reader(address)
    return replace(answer, platform=platform) if isinstance(answer, NotAPost) else answer
