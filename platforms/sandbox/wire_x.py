"""X API v2: `GET /2/tweets`, `GET /2/users/by/username/{username}` and `GET /2/users/me`.

Part errors come with status 200; where nothing at all is found there is no `data` key. Private metrics are for the
owner's token and posts under 30 days old: asked for anything else, they are part errors and take the post along. The
rate headers count down and start anew: the limit itself is reached only when a fault says so. A fault of kind `quota`
is the 429 that no waiting helps.
"""

import re
from collections.abc import Callable
from datetime import timedelta

from platforms.sandbox import words
from platforms.sandbox.tokens import Token
from platforms.sandbox.traits import Figures
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

IDS_LIMIT = 100
WINDOW_S, WINDOW_CALLS = 900, 3_500
PROBLEMS = "https://api.twitter.com/2/problems"
USERNAME_PATTERN = re.compile(r"[A-Za-z0-9_]{1,15}")
ID_PATTERN = re.compile(r"[0-9]{1,19}")
OWN_METRICS_FOR = timedelta(days=30)
TWEET_FIELDS: dict[str, Callable[[WorldPost, Context], object]] = {
    "id": lambda post, context: post.external_id,
    "text": lambda post, context: context.text(post, post.title),
    # Each edit makes a new id; every version names them all, oldest first.
    "edit_history_tweet_ids": lambda post, context: list(post.versions),
    "author_id": lambda post, context: post.author_id,
    "created_at": lambda post, context: post.published_at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    "public_metrics": lambda post, context: _public_metrics(post.figures_at(context.now)),
    "non_public_metrics": lambda post, context: _private_metrics(post.figures_at(context.now)),
    "conversation_id": lambda post, context: post.versions[0],
    "lang": lambda post, context: "en",
    "possibly_sensitive": lambda post, context: False,
}
ALWAYS = ("id", "text", "edit_history_tweet_ids")


def ids(request: Request) -> list[str]:
    return request.listed("ids")


def tweets(request: Request, context: Context) -> Reply:
    try:
        user = _user(request, context)
    except TokenRefusedError:
        return _unauthorized()
    wanted = ids(request)
    complaint = _complaint(wanted)
    if complaint is not None:
        return _invalid_request("ids", ",".join(wanted), complaint, context)
    # A field that these posts do not have (referenced_tweets, entities …) is left out, as X does.
    names = list(dict.fromkeys((*ALWAYS, *(name for name in request.listed("tweet.fields") if name in TWEET_FIELDS))))
    found, errors = [], []
    for tweet_id in context.thinned(list(dict.fromkeys(wanted))):
        post = context.world.find("x", tweet_id)
        presence = Presence.UNPUBLISHED if post is None else post.presence_at(context.now)
        if post is not None and presence is Presence.LIVE:
            if "non_public_metrics" in names and not _may_see_private(post, user, context):
                errors.append(_not_authorized_for_field(tweet_id))
            else:
                found.append(post)
        elif presence is Presence.PRIVATE:
            errors.append(_not_authorized(tweet_id))
        else:
            errors.append(_not_found("tweet", "ids", tweet_id))
    payload: dict[str, object] = {}
    if found:
        payload["data"] = [{name: TWEET_FIELDS[name](post, context) for name in names} for post in found]
        if "author_id" in request.listed("expansions"):
            authors = dict.fromkeys(post.author for post in found)
            payload["includes"] = {"users": [_profile(author, request, context) for author in authors]}
    if errors:
        payload["errors"] = errors
    return json_reply(200, payload, _rate_headers(context))


def user_by_name(request: Request, context: Context) -> Reply:
    try:
        _user(request, context)
    except TokenRefusedError:
        return _unauthorized()
    username = request.place["username"]
    if not USERNAME_PATTERN.fullmatch(username):
        complaint = f"The `username` query parameter value [{username}] does not match ^[A-Za-z0-9_]{{1,15}}$"
        return _invalid_request("username", username, complaint, context)
    author = context.world.author_of_handle("x", username)
    if author is None:
        return json_reply(200, {"errors": [_not_found("user", "username", username)]}, _rate_headers(context))
    return json_reply(200, {"data": _profile(author, request, context)}, _rate_headers(context))


def me(request: Request, context: Context) -> Reply:
    try:
        user = _user(request, context)
    except TokenRefusedError:
        return _unauthorized()
    if user is None:
        problem = {
            "title": "Unsupported Authentication",
            "detail": "Authenticating with OAuth 2.0 Application-Only is forbidden for this endpoint.  "
            "Supported authentication types are [OAuth 1.0a User Context, OAuth 2.0 User Context].",
            "type": f"{PROBLEMS}/unsupported-authentication",
            "status": 403,
        }
        return json_reply(403, problem, _rate_headers(context))
    return json_reply(200, {"data": _profile(user.author, request, context)}, _rate_headers(context))


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


def _user(request: Request, context: Context) -> Token | None:
    """Whose token is used; None for an application's. Raises TokenRefusedError, with no token at all too."""
    credential = request.credential("Bearer")
    if not credential:
        raise TokenRefusedError(expired=False)
    return context.token(credential, "x")


def _may_see_private(post: WorldPost, user: Token | None, context: Context) -> bool:
    is_own = user is not None and user.author == post.author
    return is_own and context.now - post.published_at < OWN_METRICS_FOR


def _invalid_request(parameter: str, value: str, complaint: str, context: Context) -> Reply:
    problem = {
        "errors": [{"parameters": {parameter: [value]}, "message": complaint}],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": f"{PROBLEMS}/invalid-request",
    }
    return json_reply(400, problem, _rate_headers(context))


def _unauthorized() -> Reply:
    return _problem(401, "Unauthorized")


def _problem(status: int, title: str, headers: dict[str, str] | None = None) -> Reply:
    return json_reply(status, {"title": title, "type": "about:blank", "status": status, "detail": title}, headers)


def _not_found(kind: str, parameter: str, value: str) -> dict[str, str]:
    detail = f"Could not find {kind} with {parameter}: [{value}]."
    return _part_error(kind, parameter, value, "Not Found Error", detail, "resource-not-found")


def _not_authorized(tweet_id: str) -> dict[str, str]:
    detail = f"Sorry, you are not authorized to see the Tweet with ids: [{tweet_id}]."
    return _part_error("tweet", "ids", tweet_id, "Authorization Error", detail, "not-authorized-for-resource")


def _not_authorized_for_field(tweet_id: str) -> dict[str, str]:
    detail = "Sorry, you are not authorized to access 'non_public_metrics' on the Tweet."
    error = _part_error("tweet", "ids", tweet_id, "Field Authorization Error", detail, "not-authorized-for-field")
    return error | {"field": "non_public_metrics"}


def _part_error(kind: str, parameter: str, value: str, title: str, detail: str, problem: str) -> dict[str, str]:
    return {
        "value": value,
        "detail": detail,
        "title": title,
        "resource_type": kind,
        "parameter": parameter,
        "resource_id": value,
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


def _private_metrics(figures: Figures) -> dict[str, int | None]:
    """Clicks on links and on the author's name, as parts of the views."""
    views = figures.views or 0
    return {
        "impression_count": figures.views,
        "url_link_clicks": views // 50,
        "user_profile_clicks": views // 120,
        "engagements": views // 25,
    }


def _profile(author: int, request: Request, context: Context) -> dict[str, object]:
    profile: dict[str, object] = {
        "id": context.world.author_id("x", author),
        "name": words.display_name(author),
        "username": words.handle("x", author),
    }
    more: dict[str, object] = {
        "description": context.bio("x", author),
        "public_metrics": {"followers_count": words.followers(author), "following_count": 40 + author % 300},
    }
    return profile | {name: more[name] for name in request.listed("user.fields") if name in more}


def _epoch(context: Context) -> int:
    return int(context.now.timestamp())


def _rate_headers(context: Context) -> dict[str, str]:
    """`reset` is the moment itself, in seconds since 1970."""
    return {
        "x-rate-limit-limit": str(WINDOW_CALLS),
        "x-rate-limit-remaining": str(WINDOW_CALLS - context.data_calls % WINDOW_CALLS),
        "x-rate-limit-reset": str(_epoch(context) // WINDOW_S * WINDOW_S + WINDOW_S),
    }


ROUTES = (
    Route("GET", "/2/tweets", Endpoint("x", tweets, refuse, ids)),
    Route("GET", "/2/users/by/username/{username}", Endpoint("x", user_by_name, refuse, no_posts)),
    Route("GET", "/2/users/me", Endpoint("x", me, refuse, no_posts)),
)
