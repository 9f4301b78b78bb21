"""YouTube Data API v3: `GET /youtube/v3/videos`.

Counts are strings. Whatever is gone, private or unknown is silently left out of a 200. Every error is told apart by
`errors[0].reason`, not by its status. The daily quota of 10,000 units is not enforced: it ends when a fault says so.
"""

from collections.abc import Iterable

from platforms.sandbox.wire import Context, FaultKind, Reply, Request, json_reply
from platforms.sandbox.world import Figures, Presence, WorldPost

PATH = "/youtube/v3/videos"
IDS_LIMIT = 50
PARTS = ("contentDetails", "id", "liveStreamingDetails", "player", "snippet", "statistics", "status", "topicDetails")
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
    if not (request.query.get("key") or request.headers.get("x-goog-api-key") or request.credential("Bearer")):
        return _error(403, "forbidden", NO_KEY_MESSAGE, status="PERMISSION_DENIED")
    refusal = _wrong_parameters(request)
    if refusal is not None:
        return refusal
    parts = request.listed("part")
    items = [
        _item(post, post.figures_at(context.now), parts)
        for post in (context.world.find("youtube", video_id) for video_id in dict.fromkeys(ids(request)))
        if post is not None and post.presence_at(context.now) is Presence.LIVE
    ]
    page = {"totalResults": len(items), "resultsPerPage": len(items)}
    return json_reply(200, {"kind": "youtube#videoListResponse", "etag": "sandbox", "items": items, "pageInfo": page})


def _wrong_parameters(request: Request) -> Reply | None:
    parts = request.listed("part")
    if not parts:
        return _error(
            400, "required", "Required parameter: part", where={"locationType": "parameter", "location": "part"}
        )
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        where = {"locationType": "parameter", "location": "part"}
        return _error(400, "unknownPart", f"'{unknown[0]}'", domain="youtube.part", where=where)
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


def _item(post: WorldPost, figures: Figures, parts: Iterable[str]) -> dict[str, object]:
    item: dict[str, object] = {"kind": "youtube#video", "etag": f"sandbox-{post.index}", "id": post.external_id}
    if "snippet" in parts:
        item["snippet"] = {
            "publishedAt": post.published_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "channelId": post.author_id,
            "title": post.title,
            "description": "",
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
