"""Reddit: `POST /api/v1/access_token`, `GET /api/info` and `GET /user/{name}/about`.

There is no view count. Unknown, private and not yet published ids are silently left out; what moderators removed or
the author deleted is still answered, marked, with its last counts. The rate headers count down and start anew: the
limit itself is reached only when a fault says so. A fault of kind `quota`, a word Reddit does not know, is its other
429: JSON, and no header that says how long.
"""

from hashlib import blake2b
from html import escape
from urllib.parse import parse_qs

from platforms.sandbox import words
from platforms.sandbox.wire import Context, Endpoint, FaultKind, Reply, Request, Route, json_reply, no_posts
from platforms.sandbox.world import Presence, WorldPost

IDS_LIMIT = 100
TOKEN_LIFETIME_S = 86_400
WINDOW_S, WINDOW_CALLS = 600, 1_000
REMOVED_BY = {Presence.LIVE: None, Presence.REMOVED: "moderator", Presence.DELETED: "deleted"}
SELFTEXT = {Presence.LIVE: "", Presence.REMOVED: "[removed]", Presence.DELETED: "[deleted]"}
RATE_LIMIT_PAGE = (
    b"<!doctype html><html><head><title>Too Many Requests</title></head><body>whoa there, pardner!</body></html>"
)


def ids(request: Request) -> list[str]:
    return request.listed("id")


def access_token(request: Request, context: Context) -> Reply:
    client_id, secret = request.application()
    if not (client_id and secret):
        return _unauthorized('Basic realm="reddit"')
    form = parse_qs(request.body.decode("ascii", "replace"))
    if form.get("grant_type") != ["client_credentials"]:
        # An OAuth error that comes as a success.
        return json_reply(200, {"error": "unsupported_grant_type"})
    token = blake2b(f"{client_id}:{secret}:{context.now}".encode(), digest_size=24).hexdigest()
    grant = {"access_token": token, "token_type": "bearer", "expires_in": TOKEN_LIFETIME_S, "scope": "*"}
    return json_reply(200, grant)


def info(request: Request, context: Context) -> Reply:
    if not request.credential("Bearer"):
        return _unauthorized('Bearer realm="reddit", error="invalid_token"')
    fullnames = ids(request)
    if len(fullnames) > IDS_LIMIT:
        return json_reply(400, {"message": "Bad Request", "error": 400}, _rate_headers(context))
    found = (context.world.find("reddit", name[3:]) for name in dict.fromkeys(fullnames) if name.startswith("t3_"))
    raw = request.query.get("raw_json") == "1"
    children = [
        {"kind": "t3", "data": _link(post, context, raw=raw)}
        for post in found
        if post is not None and post.presence_at(context.now) in REMOVED_BY
    ]
    children = list(context.thinned(children))
    listing = {
        "after": None,
        "dist": len(children),
        "modhash": None,
        "geo_filter": "",
        "children": children,
        "before": None,
    }
    return json_reply(200, {"kind": "Listing", "data": listing}, _rate_headers(context))


def about(request: Request, context: Context) -> Reply:
    """Somebody's profile; what they say about themselves is its `subreddit.public_description`."""
    if not request.credential("Bearer"):
        return _unauthorized('Bearer realm="reddit", error="invalid_token"')
    author = context.world.author_of_handle("reddit", request.place["name"])
    if author is None:
        return json_reply(404, {"message": "Not Found", "error": 404}, _rate_headers(context))
    name = words.handle("reddit", author)
    profile = {
        "id": context.world.author_id("reddit", author).removeprefix("t2_"),
        "name": name,
        "created_utc": 1_600_000_000.0 + author * 86_400,
        "is_suspended": False,
        "subreddit": {
            "display_name": f"u_{name}",
            "public_description": context.bio("reddit", author),
            "subscribers": words.followers(author),
        },
    }
    return json_reply(200, {"kind": "t2", "data": profile}, _rate_headers(context))


def refuse(kind: FaultKind, context: Context, retry_after_s: int) -> Reply:
    match kind:
        case FaultKind.RATE_LIMIT:
            return Reply(429, RATE_LIMIT_PAGE, {"retry-after": str(retry_after_s)}, "text/html; charset=UTF-8")
        case FaultKind.QUOTA:
            return json_reply(429, {"message": "Too Many Requests", "error": 429})
        case FaultKind.AUTH:
            return _unauthorized('Bearer realm="reddit", error="invalid_token"')
        case _:
            return Reply(503, b"", content_type="text/html; charset=UTF-8")


def _unauthorized(challenge: str) -> Reply:
    return json_reply(401, {"message": "Unauthorized", "error": 401}, {"www-authenticate": challenge})


def _rate_headers(context: Context) -> dict[str, str]:
    """`remaining` is a float in text and `reset` the seconds left, both as Reddit has them."""
    used = context.data_calls % WINDOW_CALLS
    return {
        "x-ratelimit-used": str(used),
        "x-ratelimit-remaining": str(float(WINDOW_CALLS - used)),
        "x-ratelimit-reset": str(WINDOW_S - int(context.now.timestamp()) % WINDOW_S),
    }


def _link(post: WorldPost, context: Context, *, raw: bool) -> dict[str, object]:
    presence, figures = post.presence_at(context.now), post.figures_at(context.now)
    deleted = presence is Presence.DELETED
    selftext = SELFTEXT[presence] or context.text(post, "")
    return {
        "id": post.external_id,
        "name": f"t3_{post.external_id}",
        # Without raw_json=1 Reddit escapes &, < and > in every text.
        "title": post.title if raw else escape(post.title, quote=False),
        "author": "[deleted]" if deleted else post.author_handle,
        **({} if deleted else {"author_fullname": post.author_id}),
        "subreddit": post.subreddit,
        "selftext": selftext if raw else escape(selftext, quote=False),
        "is_self": True,
        "permalink": post.url.removeprefix("https://www.reddit.com"),
        "url": post.url,
        "created": post.published_at.timestamp(),
        "created_utc": post.published_at.timestamp(),
        "score": figures.likes,
        "ups": figures.likes,
        "downs": 0,
        "upvote_ratio": 0.93,
        "num_comments": figures.comments,
        "num_crossposts": figures.shares,
        "view_count": None,
        # The vote of whoever asks, not a count.
        "likes": None,
        "removed_by_category": REMOVED_BY[presence],
        "over_18": False,
        "locked": False,
        "archived": False,
    }


ROUTES = (
    Route("POST", "/api/v1/access_token", Endpoint("reddit", access_token, refuse)),
    Route("GET", "/api/info", Endpoint("reddit", info, refuse, ids)),
    Route("GET", "/user/{name}/about", Endpoint("reddit", about, refuse, no_posts)),
)
