"""X API v2: `GET /2/tweets`.

Part errors come with status 200; where nothing at all is found there is no `data` key. The rate headers count down and
start anew: the limit itself is reached only when a fault says so. A fault of kind `quota` is the 429 that no waiting
helps.
"""

import re
from collections.abc import Callable
from datetime import datetime

from platforms.sandbox.wire import Context, FaultKind, Reply, Request, json_reply
from platforms.sandbox.world import Figures, Presence, WorldPost

PATH = "/2/tweets"
IDS_LIMIT = 100
WINDOW_S, WINDOW_CALLS = 900, 3_500
PROBLEMS = "https://api.twitter.com/2/problems"
ID_PATTERN = re.compile(r"[0-9]{1,19}")
TWEET_FIELDS: dict[str, Callable[[WorldPost, datetime], object]] = {
    "id": lambda post, now: post.external_id,
    "text": lambda post, now: post.title,
    "edit_history_tweet_ids": lambda post, now: [post.external_id],
    "author_id": lambda post, now: post.author_id,
    "created_at": lambda post, now: post.published_at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    "public_metrics": lambda post, now: _public_metrics(post.figures_at(now)),
    "conversation_id": lambda post, now: post.external_id,
    "lang": lambda post, now: "en",
    "possibly_sensitive": lambda post, now: False,
}
ALWAYS = ("id", "text", "edit_history_tweet_ids")


def ids(request: Request) -> list[str]:
    return request.listed("ids")


def tweets(request: Request, context: Context) -> Reply:
    if not request.credential("Bearer"):
        return _unauthorized()
    wanted = ids(request)
    complaint = _complaint(wanted)
    if complaint is not None:
        return _invalid_request(wanted, complaint, context)
    # A field that these posts do not have (referenced_tweets, entities …) is left out, as X does.
    names = dict.fromkeys((*ALWAYS, *(name for name in request.listed("tweet.fields") if name in TWEET_FIELDS)))
    found, errors = [], []
    for tweet_id in dict.fromkeys(wanted):
        post = context.world.find("x", tweet_id)
        presence = Presence.UNPUBLISHED if post is None else post.presence_at(context.now)
        if post is not None and presence is Presence.LIVE:
            found.append(post)
        elif presence is Presence.PRIVATE:
            errors.append(_not_authorized(tweet_id))
        else:
            errors.append(_not_found(tweet_id))
    payload: dict[str, object] = {}
    if found:
        payload["data"] = [{name: TWEET_FIELDS[name](post, context.now) for name in names} for post in found]
        if "author_id" in request.listed("expansions"):
            payload["includes"] = {"users": _users(found)}
    if errors:
        payload["errors"] = errors
    return json_reply(200, payload, _rate_headers(context))


def refuse(kind: FaultKind, context: Context, retry_after_s: int) -> Reply:
    match kind:
        case FaultKind.RATE_LIMIT:
            spent = {"x-rate-limit-remaining": "0", "x-rate-limit-reset": str(_epoch(context) + retry_after_s)}
            return _problem(429, "Too Many Requests", headers={**_rate_headers(context), **spent})
        case FaultKind.QUOTA:
            cap = {
                "title": "UsageCapExceeded",
                "detail": "Usage cap exceeded: Monthly product cap",
                "type": f"{PROBLEMS}/usage-capped",
                "period": "Monthly",
                "scope": "Product",
            }
            return json_reply(429, cap, _rate_headers(context))
        case FaultKind.AUTH:
            return _unauthorized()
        case _:
            return _problem(503, "Service Unavailable")


def _complaint(wanted: list[str]) -> str | None:
    if not wanted:
        return "The `ids` query parameter can not be empty"
    if len(wanted) > IDS_LIMIT:
        return (
            f"The number of values in the `ids` query parameter list [{len(wanted)}] is not between 1 and {IDS_LIMIT}"
        )
    for tweet_id in wanted:
        if not ID_PATTERN.fullmatch(tweet_id):
            return f"The `ids` query parameter value [{tweet_id}] does not match ^[0-9]{{1,19}}$"
    return None


def _invalid_request(wanted: list[str], complaint: str, context: Context) -> Reply:
    problem = {
        "errors": [{"parameters": {"ids": [",".join(wanted)]}, "message": complaint}],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": f"{PROBLEMS}/invalid-request",
    }
    return json_reply(400, problem, _rate_headers(context))


def _unauthorized() -> Reply:
    return _problem(401, "Unauthorized")


def _problem(status: int, title: str, headers: dict[str, str] | None = None) -> Reply:
    return json_reply(status, {"title": title, "type": "about:blank", "status": status, "detail": title}, headers)


def _not_found(tweet_id: str) -> dict[str, str]:
    detail = f"Could not find tweet with ids: [{tweet_id}]."
    return _part_error(tweet_id, "Not Found Error", detail, "resource-not-found")


def _not_authorized(tweet_id: str) -> dict[str, str]:
    detail = f"Sorry, you are not authorized to see the Tweet with ids: [{tweet_id}]."
    return _part_error(tweet_id, "Authorization Error", detail, "not-authorized-for-resource")


def _part_error(tweet_id: str, title: str, detail: str, problem: str) -> dict[str, str]:
    return {
        "value": tweet_id,
        "detail": detail,
        "title": title,
        "resource_type": "tweet",
        "parameter": "ids",
        "resource_id": tweet_id,
        "type": f"{PROBLEMS}/{problem}",
    }


def _public_metrics(figures: Figures) -> dict[str, int | None]:
    """The world's `shares` are the reposts; quotes and bookmarks come on top, as parts of the likes."""
    likes = figures.likes or 0
    return {
        "retweet_count": figures.shares,
        "reply_count": figures.comments,
        "like_count": figures.likes,
        "quote_count": likes // 40,
        "bookmark_count": likes // 12,
        "impression_count": figures.views,
    }


def _users(posts: list[WorldPost]) -> list[dict[str, str]]:
    handles = {post.author_id: post.author_handle for post in posts}
    return [{"id": author_id, "name": handle, "username": handle} for author_id, handle in handles.items()]


def _epoch(context: Context) -> int:
    return int(context.now.timestamp())


def _rate_headers(context: Context) -> dict[str, str]:
    """`reset` is the moment itself, in seconds since 1970."""
    return {
        "x-rate-limit-limit": str(WINDOW_CALLS),
        "x-rate-limit-remaining": str(WINDOW_CALLS - context.data_calls % WINDOW_CALLS),
        "x-rate-limit-reset": str(_epoch(context) // WINDOW_S * WINDOW_S + WINDOW_S),
    }
