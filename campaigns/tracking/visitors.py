"""Who came through a link: a person, or something that only looks at it? And how a visitor is told from others.

A visitor is an address and a browser. Only digests of them, made with this installation's own key, leave this module;
the database hashes those once more with the link and the window's salt, so that the same person has another hash on
every link and in every window. The address and the browser's name are kept nowhere.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from crawleruseragents import is_crawler

from campaigns.models import Click

MAX_AGENT_CHARS = 400
"""The list's patterns are tried on so much of what a browser calls itself."""
_AHEAD = ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_PURPOSE", "HTTP_X_MOZ")
_NETWORK_BITS = {4: 24, 6: 64}


@dataclass(frozen=True, slots=True)
class Visitor:
    """A visitor and their network, as digests."""

    who: bytes
    whence: bytes


def visitor(meta: Mapping[str, str], *, proxies: int, key: str) -> Visitor:
    """Whose request this is."""
    address = address_of(meta, proxies=proxies)
    agent = meta.get("HTTP_USER_AGENT", "")
    return Visitor(_digest(key, f"visitor\n{address}\n{agent}"), _digest(key, f"network\n{_network(address)}"))


def address_of(meta: Mapping[str, str], *, proxies: int) -> str:
    """The visitor's address: the one that the outermost of our own proxies saw, or the peer's where there are none."""
    forwarded = [part.strip() for part in meta.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    if proxies and forwarded:
        return forwarded[-min(proxies, len(forwarded))]
    return meta.get("REMOTE_ADDR", "")


def invalid_reason(meta: Mapping[str, str], method: str) -> str:
    """Why this visit is no person's, from the request alone; empty where it may well be one's."""
    if method == "HEAD":
        return Click.Invalid.HEAD.value
    if any("prefetch" in (purpose := meta.get(name, "").lower()) or "preview" in purpose for name in _AHEAD):
        return Click.Invalid.PREFETCH.value
    return Click.Invalid.ROBOT.value if _is_robot(meta.get("HTTP_USER_AGENT", "")[:MAX_AGENT_CHARS]) else ""


@lru_cache(maxsize=4096)
def _is_robot(agent: str) -> bool:
    """On the list of robots, or without a name, which no browser is."""
    return not agent.strip() or is_crawler(agent)


def _network(address: str) -> str:
    """The /24 or /64 around an address; what is no address is a network of its own."""
    try:
        found: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return str(ip_network((found, _NETWORK_BITS[found.version]), strict=False))


def _digest(key: str, text: str) -> bytes:
    return hmac.digest(key.encode(), text.encode("utf-8", "surrogateescape"), hashlib.sha256)
