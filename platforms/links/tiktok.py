import re

from platforms.links.address import Address, Reader, short_link
from platforms.links.answers import Identity, NeedsNetwork, NotAPost, PostLink, Refusal, refused

# TikTok's own have nineteen digits, those it took over from musical.ly a few less; a longer one fits in no 64 bits.
_ID = re.compile(r"[1-9][0-9]{14,18}")
# A name, or the long public key that stands for it; nothing where the link is made without knowing whose post it is.
_USER = re.compile(r"(?:@|%40)(?P<name>[A-Za-z0-9_.-]{0,100})")


def _address(address: Address) -> Identity:
    match address.segments:
        case [user, "video" | "photo", post_id] if named := _USER.fullmatch(user):
            return _post(post_id, owner=named["name"] or None)
        case ["embed", user] if _USER.fullmatch(user):
            return refused(Refusal.NOT_A_POST)  # a creator's newest posts in one frame
        case (
            ["share", "video", post_id] | ["embed", "v2", post_id] | ["embed", post_id] | ["player", "v1", post_id]
        ) if post_id != "v2":
            return _post(post_id)
        case ["v", page]:
            return _post(page.removesuffix(".html"))
        case ["t", code]:
            return short_link("tiktok", "www.tiktok.com/t", code)
    return refused(Refusal.NOT_A_POST)


def _short_address(address: Address) -> NeedsNetwork | NotAPost:
    match address.segments:
        case [code]:
            return short_link("tiktok", address.host, code)
    return refused(Refusal.NOT_A_POST)


def _post(post_id: str, *, owner: str | None = None) -> PostLink | NotAPost:
    if not post_id:
        return refused(Refusal.NOT_A_POST)
    if not _ID.fullmatch(post_id):
        return refused(Refusal.MALFORMED_ID)
    # TikTok opens the post whatever name stands here, none too. Users rename themselves; the post stays the same.
    return PostLink("tiktok", post_id, f"https://www.tiktok.com/@/video/{post_id}", owner=owner)


_HOSTS = ("tiktok.com", "www.tiktok.com", "m.tiktok.com", "tiktokv.com", "www.tiktokv.com")

READERS: dict[str, Reader] = {
    **dict.fromkeys(_HOSTS, _address),
    **dict.fromkeys(("vm.tiktok.com", "vt.tiktok.com"), _short_address),
}
