"""Where posts and authors are found: ids in URLs, ids in APIs, ids of authors, and the links people copy.

Most platforms know a post by the id in its URL. Two do not: Instagram's API has a number of its own for every media,
and Facebook's says `{page}_{post}` where the URL may say `pfbid…`; a Facebook video goes by its bare number.
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from functools import cached_property

from platforms.sandbox import words
from platforms.sandbox.identifiers import Identifiers, base36

INDEXED_AUTHORS = ("tiktok", "instagram", "facebook")
"""Where an author's posts can be listed: author n wrote the posts n, n + AUTHORS, n + 2 x AUTHORS …"""

VIDEO_EVERY, PFBID_EVERY, EDIT_EVERY = 4, 5, 37

Address = tuple[int, int]
"""A post's (number of its series, index)."""


def is_video(platform: str, index: int) -> bool:
    """Whether a post is one of Facebook's videos, which its API keeps apart from posts."""
    return platform == "facebook" and _every(VIDEO_EVERY, index)


def is_reel(platform: str, index: int) -> bool:
    """Whether a post's URL says reel: every second one on Instagram, every second video on Facebook."""
    return _every({"instagram": 2, "facebook": 2 * VIDEO_EVERY}[platform], index)


def is_edited(platform: str, series: int, index: int) -> bool:
    """Whether a post was edited once, on X alone and in the first series alone."""
    return platform == "x" and series == 0 and _every(EDIT_EVERY, index)


def _every(number: int, index: int) -> bool:
    """Whether it is an index's turn. Each round of authors begins one further, lest it be the same author's always."""
    return (index + index // words.AUTHORS) % number == number - 1


class Addresses:
    """The addresses on one platform in the world of one seed."""

    def __init__(self, seed: int, platform: str) -> None:
        self._seed, self._platform = seed, platform
        self._ids = Identifiers(seed, platform)
        self._pfbids = Identifiers(seed, platform, "facebook_pfbid")
        self._media = Identifiers(seed, platform, "instagram_media")
        self._first_ids = Identifiers(seed, platform, "x_first")
        self._short = Identifiers(seed, platform, "short")

    def external_id(self, address: Address) -> str:
        """The id in the URL."""
        return self._pfbids.encode(*address) if self._is_opaque(address) else self._ids.encode(*address)

    def locate(self, external_id: str) -> Address | None:
        address = self._pfbids.decode(external_id) if external_id.startswith("pfbid") else self._ids.decode(external_id)
        return address if address and self.external_id(address) == external_id else None

    def api_id(self, address: Address, external_id: str, author_id: str) -> str:
        """The id in the platform's API."""
        match self._platform:
            case "instagram":
                return self._media.encode(*address)
            case "facebook":
                number = self._ids.encode(*address)
                return number if is_video("facebook", address[1]) else f"{author_id}_{number}"
            case _:
                return external_id

    def locate_api(self, api_id: str) -> Address | None:
        """Where a post with such an id would be; whether its author fits is for the caller to see."""
        match self._platform:
            case "instagram":
                return self._media.decode(api_id)
            case "facebook":
                return self._ids.decode(api_id.rpartition("_")[2])
            case _:
                return self._ids.decode(api_id)

    def first_id(self, address: Address) -> str:
        """The id that an edited post had before."""
        return self._first_ids.encode(*address)

    def locate_first(self, first_id: str) -> Address | None:
        address = self._first_ids.decode(first_id)
        return address if address and is_edited(self._platform, *address) else None

    def short_code(self, address: Address) -> str:
        return self._short.encode(*address)

    def locate_short(self, code: str) -> Address | None:
        return self._short.decode(code)

    def author_id(self, author: int) -> str:
        return self._author_ids[author]

    def author_of_id(self, author_id: str) -> int | None:
        return self._authors.get(author_id)

    def author_of_handle(self, handle: str) -> int | None:
        """Handles are compared as people type them: with or without an @, in any case."""
        return self._handles.get(handle.strip().removeprefix("@").lower())

    @cached_property
    def _author_ids(self) -> list[str]:
        return [_author_id(self._seed, self._platform, author) for author in range(words.AUTHORS)]

    @cached_property
    def _authors(self) -> dict[str, int]:
        return {author_id: author for author, author_id in enumerate(self._author_ids)}

    @cached_property
    def _handles(self) -> dict[str, int]:
        return {words.handle(self._platform, author).lower(): author for author in range(words.AUTHORS)}

    def _is_opaque(self, address: Address) -> bool:
        _, index = address
        return self._platform == "facebook" and _every(PFBID_EVERY, index) and not is_video("facebook", index)


def post_url(platform: str, index: int, external_id: str, handle: str, subreddit: str, title: str) -> str:
    """The address that people copy from their browser."""
    match platform:
        case "youtube":
            return f"https://www.youtube.com/watch?v={external_id}"
        case "reddit":
            slug = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")
            return f"https://www.reddit.com/r/{subreddit}/comments/{external_id}/{slug}/"
        case "tiktok":
            return f"https://www.tiktok.com/@{handle}/video/{external_id}"
        case "instagram":
            return f"https://www.instagram.com/{'reel' if is_reel(platform, index) else 'p'}/{external_id}/"
        case "facebook" if is_video(platform, index):
            return f"https://www.facebook.com/{'reel/' if is_reel(platform, index) else 'watch/?v='}{external_id}"
        case "facebook":
            return f"https://www.facebook.com/{handle}/posts/{external_id}"
        case _:
            return f"https://x.com/{handle}/status/{external_id}"


def short_url(platform: str, index: int, code: str, subreddit: str) -> str | None:
    """What the platform's share button gives; None where it gives the address itself."""
    match platform:
        case "youtube":
            return None
        case "reddit":
            return f"https://www.reddit.com/r/{subreddit}/s/{code}"
        case "tiktok":
            return f"https://vm.tiktok.com/{code}/"
        case "instagram":
            return f"https://www.instagram.com/share/{'reel' if is_reel(platform, index) else 'p'}/{code}"
        case "facebook" if is_video(platform, index):
            return f"https://fb.watch/{code}/"
        case "facebook":
            return f"https://www.facebook.com/share/p/{code}/"
        case _:
            return f"https://t.co/{code}"


def _author_id(seed: int, platform: str, author: int) -> str:
    digest = hashlib.blake2b(f"{seed}:{platform}:author:{author}".encode(), digest_size=16).digest()
    number = int.from_bytes(digest[:8], "big")
    match platform:
        case "youtube":
            return "UC" + urlsafe_b64encode(digest).decode()[:22]
        case "reddit":
            return "t2_" + base36(int.from_bytes(digest[:5], "big"))
        case "tiktok":
            # TikTok's open_id, which is another for every application; there is one application here.
            return "-000" + urlsafe_b64encode(digest).decode().rstrip("=")
        case "instagram":
            return str(17_841_400_000_000_000 + number % 10**11)
        case "facebook":
            return str(100_000_000_000_000 + number % 10**13)
        case _:
            return str(10**9 + number % 10**18)
