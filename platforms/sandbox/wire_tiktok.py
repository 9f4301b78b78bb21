"""TikTok Display API v2: `POST /v2/video/query/`, `POST /v2/video/list/` and `GET /v2/user/info/`.

Only a user's token opens anything, and only that user's own videos: whatever else is asked for is silently left out,
with the code "ok". A field that is not named in the query string is not answered. There are no rate headers.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from itertools import islice

from platforms.sandbox import words
from platforms.sandbox.tokens import Token
from platforms.sandbox.wire import (
    Context,
    Endpoint,
    FaultKind,
    Reply,
    Request,
    Route,
    TokenRefusedError,
    json_reply,
    no_posts,
)
from platforms.sandbox.world import LISTED_PER_SERIES, Presence, Series, WorldPost

IDS_LIMIT, PAGE_LIMIT, PAGE_DEFAULT = 20, 20, 10
LISTED = LISTED_PER_SERIES * len(Series)
VIDEO_FIELDS: dict[str, Callable[[WorldPost, Context], object]] = {
    "id": lambda post, context: post.external_id,
    "create_time": lambda post, context: int(post.published_at.timestamp()),
    "cover_image_url": lambda post, context: f"https://p16-sign.tiktokcdn.com/{post.external_id}.jpeg?x-expires=0",
    "share_url": lambda post, context: post.url,
    "video_description": lambda post, context: context.text(post, post.title),
    "duration": lambda post, context: 15 + post.index % 46,
    "height": lambda post, context: 1024,
    "width": lambda post, context: 576,
    "title": lambda post, context: post.title,
    "embed_html": lambda post, context: "",
    "embed_link": lambda post, context: f"https://www.tiktok.com/player/v1/{post.external_id}",
    "like_count": lambda post, context: post.figures_at(context.now).likes,
    "comment_count": lambda post, context: post.figures_at(context.now).comments,
    "share_count": lambda post, context: post.figures_at(context.now).shares,
    "view_count": lambda post, context: post.figures_at(context.now).views,
}
USER_FIELDS: dict[str, Callable[[int, Context], object]] = {
    "open_id": lambda author, context: context.world.author_id("tiktok", author),
    "union_id": lambda author, context: context.world.author_id("tiktok", author)[::-1],
    "avatar_url": lambda author, context: "",
    "display_name": lambda author, context: words.display_name(author),
    "bio_description": lambda author, context: context.bio("tiktok", author),
    "profile_deep_link": lambda author, context: f"https://www.tiktok.com/@{words.handle('tiktok', author)}",
    "username": lambda author, context: words.handle("tiktok", author),
    "is_verified": lambda author, context: False,
    "follower_count": lambda author, context: words.followers(author),
    "following_count": lambda author, context: 40 + author % 300,
    "likes_count": lambda author, context: words.followers(author) * 90,
    "video_count": lambda author, context: LISTED,
}


class RefusalError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def answering(answer: Callable[[Request, Context], object]) -> Callable[[Request, Context], Reply]:
    """An endpoint that answers `data`, or raises RefusalError."""

    def reply(request: Request, context: Context) -> Reply:
        try:
            return _envelope(200, "ok", "", context, answer(request, context))
        except RefusalError as refusal:
            return _envelope(refusal.status, refusal.code, str(refusal), context)

    return reply


def query(request: Request, context: Context) -> object:
    token, fields = _user(request, context), _fields(request, VIDEO_FIELDS)
    filters = _body(request).get("filters")
    wanted = filters.get("video_ids") if isinstance(filters, dict) else None
    if not (isinstance(wanted, list) and wanted and all(isinstance(each, str) for each in wanted)):
        raise _invalid("filters.video_ids: a list of video ids")
    if len(wanted) > IDS_LIMIT:
        raise _invalid(f"The number of video ids must be at most {IDS_LIMIT}")
    found = (context.world.find("tiktok", video_id) for video_id in dict.fromkeys(wanted))
    videos = [post for post in found if post is not None and _is_shown(post, token, context)]
    # These two stand here whatever there is to page through.
    paging = {"cursor": int(context.now.timestamp() * 1000), "has_more": False}
    return {"videos": _videos(context.thinned(videos), fields, context), **paging}


def list_videos(request: Request, context: Context) -> object:
    token, fields, given = _user(request, context), _fields(request, VIDEO_FIELDS), _body(request, may_be_empty=True)
    count, start = given.get("max_count", PAGE_DEFAULT), given.get("cursor", 0)
    if type(count) is not int or not 1 <= count <= PAGE_LIMIT:
        raise _invalid(f"max_count: a number from 1 to {PAGE_LIMIT}")
    if type(start) is not int or start < 0:
        raise _invalid("cursor: what an answer before this one gave")
    rest = islice(enumerate(context.world.posts_of("tiktok", token.author)), start, None)
    shown = list(islice(((at, post) for at, post in rest if _is_shown(post, token, context)), count))
    end = shown[-1][0] + 1 if len(shown) == count else LISTED
    return {
        "videos": _videos(context.thinned([post for _, post in shown]), fields, context),
        "cursor": end,
        "has_more": end < LISTED,
    }


def user_info(request: Request, context: Context) -> object:
    token, fields = _user(request, context), _fields(request, USER_FIELDS)
    return {"user": {name: USER_FIELDS[name](token.author, context) for name in fields}}


def ids(request: Request) -> list[str]:
    try:
        wanted = json.loads(request.body)["filters"]["video_ids"]
    except (ValueError, KeyError, TypeError):
        return []
    return wanted if isinstance(wanted, list) else []


def refuse(kind: FaultKind, context: Context, retry_after_s: int) -> Reply:
    match kind:
        case FaultKind.RATE_LIMIT:
            message = "The API rate limit was exceeded. Please try again later."
            return _envelope(429, "rate_limit_exceeded", message, context)
        case FaultKind.QUOTA:
            return _envelope(429, "rate_limit_exceeded", "The API daily quota was exceeded.", context)
        case FaultKind.AUTH:
            return _envelope(401, "access_token_invalid", INVALID_TOKEN, context)
        case _:
            return _envelope(500, "internal_error", "Internal error. Please try again later.", context)


INVALID_TOKEN = "The access token is invalid or not found in the request."


def _user(request: Request, context: Context) -> Token:
    try:
        token = context.token(request.credential("Bearer"), "tiktok")
    except TokenRefusedError:
        token = None
    if token is None:
        raise RefusalError(401, "access_token_invalid", INVALID_TOKEN)
    return token


def _fields(request: Request, known: Mapping[str, object]) -> list[str]:
    names = list(dict.fromkeys(request.listed("fields")))
    if not names:
        raise _invalid("Query parameter 'fields' is required")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise _invalid(f"Invalid fields: {unknown[0]}")
    return names


def _body(request: Request, *, may_be_empty: bool = False) -> dict[str, object]:
    try:
        given = json.loads(request.body or b"{}") if may_be_empty else json.loads(request.body)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise _invalid("The body must be a JSON object")
    return given


def _is_shown(post: WorldPost, token: Token, context: Context) -> bool:
    return post.author == token.author and post.presence_at(context.now) is Presence.LIVE


def _videos(posts: Sequence[WorldPost], fields: list[str], context: Context) -> list[dict[str, object]]:
    return [{name: VIDEO_FIELDS[name](post, context) for name in fields} for post in posts]


def _invalid(message: str) -> RefusalError:
    return RefusalError(400, "invalid_params", message)


def _envelope(status: int, code: str, message: str, context: Context, data: object = None) -> Reply:
    """Every answer names an error; that of a success is "ok"."""
    log_id = blake2b(f"{context.now}:{context.data_calls}".encode(), digest_size=16).hexdigest().upper()
    return json_reply(status, {"data": data or {}, "error": {"code": code, "message": message, "log_id": log_id}})


ROUTES = (
    Route("POST", "/v2/video/query/", Endpoint("tiktok", answering(query), refuse, ids)),
    Route("POST", "/v2/video/list/", Endpoint("tiktok", answering(list_videos), refuse, no_posts)),
    Route("GET", "/v2/user/info/", Endpoint("tiktok", answering(user_info), refuse, no_posts)),
)
