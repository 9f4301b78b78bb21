"""The control paths about posts and people: the list of posts, bios, texts, and tokens that are taken back."""

from collections.abc import Iterator
from itertools import islice

from platforms.sandbox import control_input as given
from platforms.sandbox import tokens
from platforms.sandbox.addresses import INDEXED_AUTHORS
from platforms.sandbox.control_input import ControlError
from platforms.sandbox.state import SandboxState, iso
from platforms.sandbox.traits import PLATFORMS
from platforms.sandbox.wire import Reply, Request, json_reply
from platforms.sandbox.world import Series, WorldPost

POSTS_LIMIT = 1_000
POSTS_DEFAULT = 20


def posts(request: Request, state: SandboxState) -> Reply:
    query = request.query
    platform = given.choice("platform", query.get("platform"), PLATFORMS)
    series = Series(given.choice("series", query.get("series", Series.CURRENT).lower(), tuple(Series)))
    count, offset = given.whole("count", query, POSTS_DEFAULT), given.whole("offset", query, 0)
    if count > POSTS_LIMIT:
        raise ControlError(f"count: at most {POSTS_LIMIT}")
    handle = query.get("handle")
    if handle:
        found = _posts_of(platform, handle, series, offset, state)
    else:
        found = state.world.posts(platform, series, offset)
    return json_reply(200, {"posts": [_listed(post, state) for post in islice(found, count)]})


def _posts_of(platform: str, handle: str, series: Series, offset: int, state: SandboxState) -> Iterator[WorldPost]:
    if platform not in INDEXED_AUTHORS:
        raise ControlError(f"handle: posts can be listed by author on {', '.join(INDEXED_AUTHORS)} alone")
    return islice(state.world.posts_of(platform, _author(platform, handle, state), series), offset, None)


def _listed(post: WorldPost, state: SandboxState) -> dict[str, object]:
    now = state.now()
    return {
        "platform": post.platform,
        "url": post.url,
        "short_url": post.short_url,
        "external_id": post.external_id,
        "api_id": post.api_id,
        "author_handle": post.author_handle,
        "author_id": post.author_id,
        "published_at": iso(post.published_at),
        "presence": post.presence_at(now),
        "views": post.figures_at(now).views,
    }


def set_bio(request: Request, state: SandboxState) -> Reply:
    body = given.body(request, {"platform", "handle", "bio"})
    platform = given.choice("platform", body.get("platform"), PLATFORMS)
    author = _author(platform, body.get("handle"), state)
    state.notes.bios[platform, author] = given.text("bio", body.get("bio"))
    return json_reply(200, {"platform": platform, "author_id": state.world.author_id(platform, author)})


def set_text(request: Request, state: SandboxState) -> Reply:
    body = given.body(request, {"platform", "external_id", "text"})
    platform = given.choice("platform", body.get("platform"), PLATFORMS)
    post = state.world.find(platform, given.text("external_id", body.get("external_id")))
    if post is None:
        raise ControlError(f"external_id: {platform} has no such post")
    state.notes.texts[platform, post.versions[-1]] = given.text("text", body.get("text"))
    return json_reply(200, {"platform": platform, "external_id": post.external_id})


def revoke(request: Request, state: SandboxState) -> Reply:
    """One token, or all that somebody has given so far."""
    body = given.body(request, {"platform", "handle", "token"})
    if "token" in body:
        token = tokens.parse(given.text("token", body["token"]))
        if token is None:
            raise ControlError("token: one that the sandbox issued")
        state.notes.revoke(token)
        return json_reply(200, {"revoked": token.text})
    platform = given.choice("platform", body.get("platform"), PLATFORMS)
    state.notes.revoke_all(platform, _author(platform, body.get("handle"), state))
    return json_reply(200, {"revoked": body["handle"]})


def _author(platform: str, handle: object, state: SandboxState) -> int:
    author = state.world.author_of_handle(platform, given.text("handle", handle))
    if author is None:
        raise ControlError(f"handle: nobody on {platform} goes by {handle!r}")
    return author
