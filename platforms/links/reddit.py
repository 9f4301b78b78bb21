import re
from itertools import product
from string import ascii_lowercase

from platforms.links.address import Address, Reader, short_link
from platforms.links.answers import Identity, NotAPost, PostLink, Refusal, refused

# A leading zero would give one post two ids.
_ID = re.compile(r"[1-9A-Za-z][0-9A-Za-z]{0,12}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,24}")


def _address(address: Address) -> Identity:
    match address.segments:
        case ["r" | "u" | "user", name, *_] if not _NAME.fullmatch(name):
            return refused(Refusal.NOT_A_POST)
        case ["r" | "u" | "user" as kind, name, "s", code]:
            return short_link("reddit", f"www.reddit.com/{kind}/{name}/s", code)
        case ["r", _, "comments", post_id, *rest] | ["comments", post_id, *rest]:
            return _comments(post_id, rest)
        case ["u" | "user", name, "comments", post_id, *rest]:
            return _comments(post_id, rest, owner=name)
        case ["gallery", post_id]:
            return _post(post_id)
    return refused(Refusal.NOT_A_POST)


def _comments(post_id: str, rest: list[str], *, owner: str | None = None) -> PostLink | NotAPost:
    # After the id comes the title; whatever follows that is a comment, which is not the claimed post.
    return _post(post_id, owner=owner) if len(rest) <= 1 else refused(Refusal.COMMENT)


def _short_address(address: Address) -> PostLink | NotAPost:
    match address.segments:
        case [post_id] if post_id:
            return _post(post_id)
    return refused(Refusal.NOT_A_POST)


def _media(address: Address) -> NotAPost:
    return refused(Refusal.NOT_A_POST)  # a picture's or a film's id is not its post's


def _post(post_id: str, *, owner: str | None = None) -> PostLink | NotAPost:
    if not _ID.fullmatch(post_id):  # before lower(): the Kelvin sign becomes a plain k
        return refused(Refusal.MALFORMED_ID)
    return PostLink("reddit", post_id.lower(), f"https://www.reddit.com/comments/{post_id.lower()}", owner=owner)


_HOSTS = (
    *("reddit.com", "www.reddit.com", "old.reddit.com", "new.reddit.com", "m.reddit.com"),
    "embed.reddit.com",
    *("redditmedia.com", "www.redditmedia.com"),
    *(f"{first}{second}.reddit.com" for first, second in product(ascii_lowercase, repeat=2)),  # np., nm., languages
)

READERS: dict[str, Reader] = {
    **dict.fromkeys(_HOSTS, _address),
    **dict.fromkeys(("redd.it", "www.redd.it"), _short_address),
    **dict.fromkeys(("i.redd.it", "v.redd.it", "preview.redd.it"), _media),
}
