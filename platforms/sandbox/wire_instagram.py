"""Instagram on the Graph API: media, their insights, an account's media, and business discovery.

The API's media id is another number than the one in the URL and has to be looked up in a listing. A media opens to its
owner's token alone; of anybody else's, business discovery tells likes and comments. A hidden like count is absent.
"""

from collections.abc import Callable, Mapping, Sequence

from platforms.sandbox import words
from platforms.sandbox.graph import (
    Answer,
    Call,
    GraphError,
    insights,
    metrics_of,
    missing,
    moment,
    paged,
    picked,
)
from platforms.sandbox.graph_fields import Field
from platforms.sandbox.identifiers import SHAPES
from platforms.sandbox.traits import Figures
from platforms.sandbox.wire_graph import Graph
from platforms.sandbox.world import Presence, WorldPost

METRICS = (
    *("comments", "crossposted_views", "facebook_views", "follows", "ig_reels_avg_watch_time"),
    *("ig_reels_video_view_total_time", "likes", "link_clicks", "navigation", "profile_activity", "profile_visits"),
    *("reach", "reels_skip_rate", "replies", "reposts", "saved", "shares", "total_comments", "total_interactions"),
    *("total_likes", "total_views", "views"),
)
THROTTLED = GraphError(
    80002, "There have been too many calls to this Instagram account. Wait a bit and try again.", is_transient=False
)


def read(call: Call) -> Answer:
    world = call.context.world
    match call.parts:
        case ("me",):
            return _account(call.me().author, call)
        case ("me", "media"):
            return _media_of(call.me().author, call)
        case (node,) if (author := world.author_of_id("instagram", node)) is not None:
            return _account(author, call)
        case (node, "media") if (author := world.author_of_id("instagram", node)) is not None:
            if not call.viewer.owns(author):
                raise missing(node)
            return _media_of(author, call)
        case (node,):
            return _media(_owned(node, call), call, call.fields("id"))
        case (node, "insights"):
            return _insights(_owned(node, call), call, metrics_of(call.params.get("metric", "")))
    raise missing(call.parts[0])


def _owned(node: str, call: Call) -> WorldPost:
    """The media of this id, if it is there and the caller's own."""
    world = call.context.world
    post = world.find_by_api_id("instagram", node)
    if post is None and call.viewer.sees_all:
        post = world.find("instagram", node)
    if post is None or not call.viewer.owns(post.author) or post.presence_at(call.context.now) is not Presence.LIVE:
        raise missing(node)
    return post


def _media(post: WorldPost, call: Call, fields: Sequence[Field], *, own: bool = True) -> Answer:
    """Of somebody else's media there are no insights and no counts but likes and comments."""
    figures = post.figures_at(call.context.now)
    known: dict[str, Callable[[Field], object]] = {
        "id": lambda each: post.api_id,
        "shortcode": lambda each: post.external_id,
        "permalink": lambda each: post.url,
        "media_type": lambda each: "VIDEO" if "/reel/" in post.url else "IMAGE",
        "media_product_type": lambda each: "REELS" if "/reel/" in post.url else "FEED",
        "timestamp": lambda each: moment(post),
        "caption": lambda each: call.context.text(post, post.title),
        "username": lambda each: post.author_handle,
        "owner": lambda each: {"id": post.author_id},
        "like_count": lambda each: figures.likes,
        "comments_count": lambda each: figures.comments,
    }
    if own:
        known |= {
            "ig_id": lambda each: str(SHAPES["instagram"].to_number(post.external_id)),
            "is_comment_enabled": lambda each: True,
            "view_count": lambda each: figures.views,
            "shares_count": lambda each: figures.shares,
            "saved_count": lambda each: _saved(figures),
            "reposts_count": lambda each: _reposts(figures),
            "total_like_count": lambda each: figures.likes,
            "total_comments_count": lambda each: figures.comments,
            "total_views_count": lambda each: figures.views,
            "insights": lambda each: _insights(post, call, metrics_of(each.modifiers.get("metric", "")), each.inner),
        }
    # The id comes along whether it was asked for or not.
    return {"id": post.api_id} | picked(fields, known, "Media")


def _insights(post: WorldPost, call: Call, names: Sequence[str], inner: Sequence[Field] = ()) -> Answer:
    for at, name in enumerate(names or [""]):
        if name not in METRICS:
            raise GraphError(100, f"(#100) metric[{at}] must be one of the following values: {', '.join(METRICS)}")
    answer = insights(post, names, call.context, _values(post.figures_at(call.context.now)))
    return answer if not inner else {"data": [_only(row, inner) for row in _rows(answer)]}


def _rows(answer: Answer) -> list[Mapping[str, object]]:
    rows = answer["data"]
    return rows if isinstance(rows, list) else []


def _only(row: Mapping[str, object], fields: Sequence[Field]) -> Answer:
    names = {"id", *(each.name for each in fields)}
    return {name: value for name, value in row.items() if name in names}


def _values(figures: Figures) -> dict[str, Sequence[Answer]]:
    """What each metric is; a valid one that is not here has nothing to say. The sum comes in the other shape."""
    single = {
        "views": figures.views,
        "total_views": figures.views,
        "reach": (figures.views or 0) * 4 // 5,
        "likes": figures.likes,
        "total_likes": figures.likes,
        "comments": figures.comments,
        "total_comments": figures.comments,
        "shares": figures.shares,
        "saved": _saved(figures),
        "reposts": _reposts(figures),
    }
    total = sum(value or 0 for value in (figures.likes, figures.comments, figures.shares, _saved(figures)))
    values: dict[str, Sequence[Answer]] = {"total_interactions": [{"total_value": {"value": total}}]}
    for name, value in single.items():
        values[name] = [] if value is None else [{"values": [{"value": value}]}]
    return values


def _saved(figures: Figures) -> int:
    return (figures.comments or 0) * 2


def _reposts(figures: Figures) -> int:
    return (figures.shares or 0) // 4


def _media_of(author: int, call: Call) -> Answer:
    fields = call.fields("id")
    posts = call.context.world.posts_of("instagram", author)
    return paged(posts, call.context, call.params, lambda post: _media(post, call, fields), call.next_url)


def _account(author: int, call: Call) -> Answer:
    """One's own account."""
    if not call.viewer.owns(author):
        raise missing(call.parts[0])
    return _profile(author, call, call.fields("id"), own=True)


def _profile(author: int, call: Call, fields: Sequence[Field], *, own: bool) -> Answer:
    context, account_id = call.context, call.context.world.author_id("instagram", author)
    posts = context.world.posts_of("instagram", author)
    known: dict[str, Callable[[Field], object]] = {
        "id": lambda each: account_id,
        "username": lambda each: words.handle("instagram", author),
        "name": lambda each: words.display_name(author),
        "biography": lambda each: context.bio("instagram", author),
        "followers_count": lambda each: words.followers(author),
        "media_count": lambda each: 500,
        "media": lambda each: paged(
            posts, context, each.modifiers, lambda post: _media(post, call, each.inner or (Field("id"),), own=own)
        ),
    }
    if own:
        known |= {
            "user_id": lambda each: account_id,
            "account_type": lambda each: "BUSINESS",
            "business_discovery": lambda each: _discovered(each, call),
        }
    return {"id": account_id} | picked(fields, known, "IGUser")


def _discovered(field: Field, call: Call) -> Answer:
    """Another professional account, as anybody may see it who has one."""
    author = call.context.world.author_of_handle("instagram", field.modifiers.get("username", ""))
    if author is None:
        raise GraphError(
            110,
            "Invalid user id",
            error_subcode=2207013,
            error_user_title="Cannot find User",
            error_user_msg=f"The user with username: {field.modifiers.get('username', '')} cannot be found.",
        )
    return _profile(author, call, field.inner or (Field("id"),), own=False)


GRAPH = Graph("instagram", "instagram", THROTTLED, read)
ROUTES = GRAPH.routes()
