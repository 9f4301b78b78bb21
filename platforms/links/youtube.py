import re

from platforms.links.address import Address, Reader, short_link, wrapped
from platforms.links.answers import Identity, NotAPost, PostLink, Refusal, refused

# fullmatch only, and spelt-out classes: `$` lets a line break pass and `\d` matches every script's digits.
_ID = re.compile(r"[A-Za-z0-9_-]{11}")


def _address(address: Address) -> Identity:
    match address.segments:
        case _ if address.host == "youtu.be":  # it has no pages of its own, so no wrappers
            return _page(address)
        case ["attribution_link"]:
            return _wrapped(address.parameter("u"))
        case ["redirect"]:
            return _wrapped(address.parameter("q"))
    return _page(address)


def _consent(address: Address) -> Identity:
    return _wrapped(address.parameter("continue"))


def _wrapped(target: str) -> Identity:
    """The page inside one of YouTube's wrappers. One layer, and YouTube's own pages only."""
    inner = wrapped(target, site="www.youtube.com")
    return _page(inner) if inner and inner.host in _HOSTS else refused(Refusal.NOT_A_POST)


def _page(address: Address) -> Identity:
    match address.segments:
        case [video_id] if address.host == "youtu.be":
            return _video(video_id)
        case _ if address.host == "youtu.be":
            return refused(Refusal.NOT_A_POST)
        case ["watch"]:
            return _video(address.parameter("v"))
        case ["shorts" | "live" | "embed" | "v" | "e" | "vi", video_id]:
            return _video(video_id)
        case ["clip", code]:
            return short_link("youtube", "www.youtube.com/clip", code)
    return refused(Refusal.NOT_A_POST)


def _video(video_id: str) -> PostLink | NotAPost:
    # The two words stand where an id would, and have an id's eleven characters: a channel's live stream, a playlist.
    if video_id in ("", "live_stream", "videoseries"):
        return refused(Refusal.NOT_A_POST)
    if not _ID.fullmatch(video_id):
        return refused(Refusal.MALFORMED_ID)
    return PostLink("youtube", video_id, f"https://www.youtube.com/watch?v={video_id}")


_HOSTS = (
    *("youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com"),
    *("youtube-nocookie.com", "www.youtube-nocookie.com", "youtu.be"),
)

READERS: dict[str, Reader] = {**dict.fromkeys(_HOSTS, _address), "consent.youtube.com": _consent}
