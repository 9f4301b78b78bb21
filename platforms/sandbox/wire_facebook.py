"""Facebook pages on the Graph API: posts, videos, their insights, a page's posts, and the pages a person manages.

A post is `{page}_{number}`, a video a bare number; both open to their page's token, and but for insights to that of the
person who manages the page. Where nobody shared, `shares` is absent. A metric comes with several periods.
"""

from collections.abc import Callable, Iterator, Sequence

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
from platforms.sandbox.tokens import Kind, Token
from platforms.sandbox.traits import Figures
from platforms.sandbox.wire_graph import Graph
from platforms.sandbox.world import Presence, WorldPost

METRICS = (
    "post_media_view",
    "post_total_media_view_unique",
    "post_clicks",
    "post_reactions_by_type_total",
    "post_reactions_like_total",
    "post_video_views",
    "total_video_views",
)
EDGES = {"published_posts": "post", "posts": "post", "feed": "post", "videos": "video"}
# Not every reaction is a like: of 125 recorded, 119 were.
LIKES_PART = 119 / 125
THROTTLED = GraphError(32, "(#32) Page request limit reached", status=403)


def read(call: Call) -> Answer:
    world = call.context.world
    match call.parts:
        case ("me",):
            return _me(call.me(), call)
        case ("me", "accounts"):
            return {"data": [_page(call.me().author, call, call.fields("access_token", "name", "id"))]}
        case ("me", edge) if edge in EDGES and call.me().kind is Kind.PAGE:
            return _posts_of(call.me().author, edge, call)
        case (node,) if (author := world.author_of_id("facebook", node)) is not None:
            _require_page(author, call)
            return _page(author, call, call.fields("name", "id"))
        case (node, edge) if edge in EDGES and (author := world.author_of_id("facebook", node)) is not None:
            _require_page(author, call)
            return _posts_of(author, edge, call)
        case (node,):
            post = _owned(node, call)
            # Found by the id in its URL, it is still answered by the one in the API.
            shown = post.api_id if node == post.external_id else node
            return _object(shown, post, call, call.fields("created_time", "id"))
        case (node, "insights" | "video_insights"):
            return _insights(_owned(node, call), call, call.params.get("metric", ""), call.params.get("period", ""))
    raise missing(call.parts[0])


def _require_page(author: int, call: Call) -> None:
    if not call.viewer.owns(author):
        message = (
            "(#10) This endpoint requires the 'pages_read_engagement' permission or the 'Page Public Content Access' "
            "feature."
        )
        raise GraphError(10, message)


def _owned(node: str, call: Call) -> WorldPost:
    """The post or video of this id, if it is there and of the caller's page."""
    world = call.context.world
    post = world.find_by_api_id("facebook", node)
    if post is None and "_" in node:
        # A video has a post around it, which goes by the page's id and the video's.
        video = world.find_by_api_id("facebook", node.partition("_")[2])
        post = video if video is not None and node == f"{video.author_id}_{video.api_id}" else None
    if post is None and call.viewer.sees_all:
        post = world.find("facebook", node)
    if post is None or not call.viewer.owns(post.author) or post.presence_at(call.context.now) is not Presence.LIVE:
        raise missing(node)
    return post


def _object(node: str, post: WorldPost, call: Call, fields: Sequence[Field]) -> Answer:
    """A post or a video. The id comes along whether it was asked for or not."""
    as_video = post.is_video and "_" not in node
    figures = post.figures_at(call.context.now)
    known: dict[str, Callable[[Field], object]] = {
        "id": lambda each: node,
        "created_time": lambda each: moment(post),
        "from": lambda each: {"name": words.display_name(post.author), "id": post.author_id},
        "shares": lambda each: {"count": figures.shares} if figures.shares else None,
        "comments": lambda each: _counted(figures.comments, each, order="ranked"),
        "reactions": lambda each: _counted(_reactions(figures, each), each, viewer_reaction="NONE"),
        "likes": lambda each: _counted(_likes(figures), each, has_liked=False),
        "insights": lambda each: _insights(
            post, call, each.modifiers.get("metric", ""), each.modifiers.get("period", "")
        ),
    }
    text = call.context.text(post, post.title)
    if as_video:
        known |= {
            "permalink_url": lambda each: f"/{'reel' if '/reel/' in post.url else f'{post.author_id}/videos'}/{node}/",
            "title": lambda each: post.title,
            "description": lambda each: text,
            "length": lambda each: 12.5,
            "views": lambda each: figures.views,
            "post_views": lambda each: figures.views,
            "post_id": lambda each: node,
            "video_insights": known["insights"],
        }
    else:
        known |= {
            "permalink_url": lambda each: post.url,
            "message": lambda each: text,
            "status_type": lambda each: "added_video" if post.is_video else "mobile_status_update",
            "is_published": lambda each: True,
        }
    return picked(fields, known, "Video" if as_video else "Post") | {"id": node}


def _counted(count: int | None, field: Field, **more: object) -> Answer:
    """An edge; how many there are is said only if a summary is asked for."""
    data: Answer = {"data": []}
    if field.modifiers.get("summary") in ("true", "1", "total_count"):
        data["summary"] = {**more, "total_count": count}
    return data


def _reactions(figures: Figures, field: Field) -> int | None:
    """All of them, or those of one type; only likes are told apart here."""
    kind = field.modifiers.get("type", "")
    if kind in ("", "NONE"):
        return figures.likes
    return _likes(figures) if kind == "LIKE" else (figures.likes or 0) - _likes(figures)


def _likes(figures: Figures) -> int:
    return int((figures.likes or 0) * LIKES_PART)


def _insights(post: WorldPost, call: Call, metric: str, period: str) -> Answer:
    token = call.viewer.token
    if token is not None and token.kind is not Kind.PAGE:
        raise GraphError(190, "(#190) This method must be called with a Page Access Token")
    names = metrics_of(metric)
    if not names or any(name not in METRICS for name in names):
        raise GraphError(100, "(#100) The value must be a valid insights metric")
    answer = insights(post, names, call.context, _values(post.figures_at(call.context.now)))
    rows = answer["data"]
    return {"data": [row for row in rows if period in ("", row["period"])]} if isinstance(rows, list) else answer


def _values(figures: Figures) -> dict[str, Sequence[Answer]]:
    views = figures.views or 0
    likes, others = _likes(figures), (figures.likes or 0) - _likes(figures)
    return {
        # The same name twice: what came in the last day, and all of it.
        "post_media_view": [_value(views // 30, period="day"), _value(views)],
        "post_total_media_view_unique": [_value(views * 3 // 4)],
        "post_clicks": [_value(views // 40)],
        "post_reactions_by_type_total": [_value({"like": likes, "love": others})],
        "post_reactions_like_total": [_value(likes)],
        "post_video_views": [_value(views)],
        "total_video_views": [_value(views)],
    }


def _value(value: object, *, period: str = "lifetime") -> Answer:
    return {"period": period, "values": [{"value": value}]}


def _posts_of(author: int, edge: str, call: Call) -> Answer:
    """A page's posts, those around its videos included, or its videos."""
    fields, world = call.fields("created_time", "id"), call.context.world
    posts: Iterator[WorldPost] = world.posts_of("facebook", author)
    if EDGES[edge] == "video":
        posts = (post for post in posts if post.is_video)

    def row(post: WorldPost) -> Answer:
        bare = EDGES[edge] == "video" or not post.is_video
        return _object(post.api_id if bare else f"{post.author_id}_{post.api_id}", post, call, fields)

    return paged(posts, call.context, call.params, row, call.next_url)


def _me(token: Token, call: Call) -> Answer:
    """The page, if the token is a page's; else the person who manages it."""
    if token.kind is Kind.PAGE:
        return _page(token.author, call, call.fields("name", "id"))
    known: dict[str, Callable[[Field], object]] = {
        "id": lambda each: str(int(call.context.world.author_id("facebook", token.author)) + 10**16),
        "name": lambda each: words.display_name(token.author),
    }
    return picked(call.fields("name", "id"), known, "User")


def _page(author: int, call: Call, fields: Sequence[Field]) -> Answer:
    context, page_id = call.context, call.context.world.author_id("facebook", author)
    known: dict[str, Callable[[Field], object]] = {
        "id": lambda each: page_id,
        "name": lambda each: words.display_name(author),
        "username": lambda each: words.handle("facebook", author),
        "link": lambda each: f"https://www.facebook.com/{words.handle('facebook', author)}",
        "about": lambda each: context.bio("facebook", author),
        "category": lambda each: "Digital creator",
        "fan_count": lambda each: words.followers(author),
        "followers_count": lambda each: words.followers(author),
        "tasks": lambda each: ["ANALYZE", "CREATE_CONTENT", "MANAGE"],
        "access_token": lambda each: _page_token(author, call),
    }
    return picked(fields, known, "Page") | {"id": page_id}


def _page_token(author: int, call: Call) -> str | None:
    """The page's token, for who manages it. It ends with a short-lived token, and never with a long-lived one."""
    token = call.viewer.token
    if token is None:
        return None
    expiry = token.expiry if token.kind is Kind.SHORT else 0
    return Token("facebook", author, token.number, expiry, Kind.PAGE).text


GRAPH = Graph("facebook", "pages", THROTTLED, read)
ROUTES = GRAPH.routes()
