"""YouTube Data API v3: `GET /youtube/v3/videos` and `GET /youtube/v3/channels`.

Counts are strings. Whatever is gone, private or unknown is silently left out of a 200. Every error is told apart by
`errors[0].reason`, not by its status. The daily quota of 10,000 units is not enforced: it ends when a fault says so.
"""

from collections.abc import Iterable, Mapping, Sequence

from platforms.sandbox import words
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
from platforms.sandbox.world import Presence, WorldPost

IDS_LIMIT = 50
PARTS = ("contentDetails", "id", "liveStreamingDetails", "player", "snippet", "statistics", "status", "topicDetails")
CHANNEL_PARTS = ("brandingSettings", "contentDetails", "id", "snippet", "statistics", "status", "topicDetails")
QUOTA_MESSAGE = (
    "The request cannot be completed because you have exceeded your "
    '<a href="/youtube/v3/getting-started#quota">quota</a>.'
)
NO_KEY_MESSAGE = (
    "Method doesn't allow unregistered callers (callers without established identity). "
    "Please use API Key or other form of API consumer identity to call this API."
)


def ids(request: Request) -> list[str]:
    return request.listed("id")


def videos(request: Request, context: Context) -> Reply:
    refusal = _wrong_credential(request, context) or _wrong_part(request, PARTS) or _wrong_ids(request)
    if refusal is not None:
        return refusal
    parts = request.listed("part")
    items = [
        _item(post, context, parts)
        for post in (context.world.find("youtube", video_id) for video_id in dict.fromkeys(ids(request)))
        if post is not None and post.presence_at(context.now) is Presence.LIVE
    ]
    return _list("youtube#videoListResponse", context.thinned(items))


def channels(request: Request, context: Context) -> Reply:
    """A channel by `forHandle` or `id`, or with `mine=true` the one whose owner's token is used."""
    refusal = _wrong_credential(request, context) or _wrong_part(request, CHANNEL_PARTS)
    if refusal is not None:
        return refusal
    query, world = request.query, context.world
    if query.get("mine") == "true":
        token = context.token(request.credential("Bearer"), "youtube")
        if token is None:
            return _error(401, "required", "Login Required.", status="UNAUTHENTICATED")
        found = [token.author]
    elif "forHandle" in query:
        found = [each for each in [world.author_of_handle("youtube", query["forHandle"])] if each is not None]
    elif query.get("id"):
        found = [each for name in request.listed("id") if (each := world.author_of_id("youtube", name)) is not None]
    else:
        message, reason = ("No filter selected. Expected one of: mine, forHandle, id", "missingRequiredParameter")
        return _parameter_error(reason, message, {"locationType": "parameter", "location": ""})
    parts = request.listed("part")
    return _list("youtube#channelListResponse", [_channel(author, context, parts) for author in found])


def _list(kind: str, items: Sequence[Mapping[str, object]]) -> Reply:
    page = {"totalResults": len(items), "resultsPerPage": len(items)}
    return json_reply(200, {"kind": kind, "etag": "sandbox", "items": list(items), "pageInfo": page})


def _wrong_credential(request: Request, context: Context) -> Reply | None:
    bearer = request.credential("Bearer")
    if not (request.query.get("key") or request.headers.get("x-goog-api-key") or bearer):
        return _error(403, "forbidden", NO_KEY_MESSAGE, status="PERMISSION_DENIED")
    try:
        context.token(bearer, "youtube")
    except TokenRefusedError:
        where = {"locationType": "header", "location": "Authorization"}
        return _error(401, "authError", "Invalid Credentials", where=where, status="UNAUTHENTICATED")
    return None


def _wrong_part(request: Request, known: tuple[str, ...]) -> Reply | None:
    where = {"locationType": "parameter", "location": "part"}
    parts = request.listed("part")
    if not parts:
        return _error(400, "required", "Required parameter: part", where=where)
    unknown = [part for part in parts if part not in known]
    if unknown:
        return _error(400, "unknownPart", f"'{unknown[0]}'", domain="youtube.part", where=where)
    return None


def _wrong_ids(request: Request) -> Reply | None:
    wanted = ids(request)
    if not wanted:
        message, reason = ("No filter selected. Expected one of: myRating, chart, id", "missingRequiredParameter")
        return _parameter_error(reason, message, {"locationType": "parameter", "location": ""})
    if "maxResults" in request.query:
        message = "Incompatible parameters specified in the request: id, maxResults"
        return _parameter_error("incompatibleParameters", message, {"locationType": "parameter", "location": ""})
    if len(wanted) > IDS_LIMIT:
        message = "The request specifies an invalid filter parameter."
        return _parameter_error("invalidFilters", message, {"locationType": "other", "location": "parameters."})
    return None


def refuse(kind: FaultKind, context: Context, retry_after_s: int) -> Reply:
    match kind:
        case FaultKind.RATE_LIMIT:
            return _error(403, "rateLimitExceeded", "Rate Limit Exceeded", domain="usageLimits")
        case FaultKind.QUOTA:
            return _error(403, "quotaExceeded", QUOTA_MESSAGE, domain="youtube.quota")
        case FaultKind.AUTH:
            return _key_invalid()
        case _:
            message = "The service is currently unavailable."
            return _error(503, "backendError", message, status="UNAVAILABLE")


def _key_invalid() -> Reply:
    message = "API key not valid. Please pass a valid API key."
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": "youtube.googleapis.com"},
    }
    return _error(400, "badRequest", message, status="INVALID_ARGUMENT", details=[info])


def _channel(author: int, context: Context, parts: Iterable[str]) -> dict[str, object]:
    channel: dict[str, object] = {
        "kind": "youtube#channel",
        "etag": "sandbox",
        "id": context.world.author_id("youtube", author),
    }
    if "snippet" in parts:
        channel["snippet"] = {
            "title": words.display_name(author),
            "description": context.bio("youtube", author),
            "customUrl": f"@{words.handle('youtube', author).lower()}",
        }
    if "statistics" in parts:
        counts = {"viewCount": words.followers(author) * 400, "subscriberCount": words.followers(author)}
        shown = {name: str(count) for name, count in counts.items()}
        channel["statistics"] = {**shown, "hiddenSubscriberCount": False, "videoCount": "500"}
    return channel


def _item(post: WorldPost, context: Context, parts: Iterable[str]) -> dict[str, object]:
    figures = post.figures_at(context.now)
    item: dict[str, object] = {"kind": "youtube#video", "etag": f"sandbox-{post.index}", "id": post.external_id}
    if "snippet" in parts:
        item["snippet"] = {
            "publishedAt": post.published_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "channelId": post.author_id,
            "title": post.title,
            "description": context.text(post, ""),
            "channelTitle": post.author_handle,
            "categoryId": "22",
            "liveBroadcastContent": "none",
        }
    if "status" in parts:
        item["status"] = {
            "uploadStatus": "processed",
            "privacyStatus": "public",
            "license": "youtube",
            "embeddable": True,
            "publicStatsViewable": True,
            "madeForKids": False,
        }
    if "statistics" in parts:
        # An owner who hides a count makes its key vanish; favoriteCount has meant nothing since 2015.
        counts = {
            "viewCount": figures.views,
            "likeCount": figures.likes,
            "favoriteCount": 0,
            "commentCount": figures.comments,
        }
        item["statistics"] = {name: str(count) for name, count in counts.items() if count is not None}
    return item


def _parameter_error(reason: str, message: str, where: dict[str, str]) -> Reply:
    return _error(400, reason, message, domain="youtube.parameter", where=where)


def _error(
    code: int, reason: str, message: str, *, domain: str = "global", where: dict[str, str] | None = None, **more: object
) -> Reply:
    first = {"message": message, "domain": domain, "reason": reason, **(where or {})}
    return json_reply(code, {"error": {"code": code, "message": message, "errors": [first], **more}})


ROUTES = (
    Route("GET", "/youtube/v3/videos", Endpoint("youtube", videos, refuse, ids)),
    Route("GET", "/youtube/v3/channels", Endpoint("youtube", channels, refuse, no_posts)),
)
