"""What a node of Meta's Graph API is made of: who asks for which fields, pages of an edge, insights, and refusals."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from urllib.parse import urlencode

from platforms.sandbox.graph_fields import Field, FieldSyntaxError, parse
from platforms.sandbox.tokens import Token
from platforms.sandbox.wire import Context
from platforms.sandbox.world import Presence, WorldPost

ALL_SEEING = "sandbox"
PAGE_DEFAULT, PAGE_LIMIT = 25, 100
INSIGHTS_AFTER = timedelta(hours=2)
VIEWERS_FLOOR = 20

Answer = dict[str, object]


class GraphError(Exception):
    """Meta's refusal. Its type says OAuthException of nearly everything; the code is what tells them apart."""

    def __init__(self, code: int, message: str, *, status: int = 400, type: str = "OAuthException", **more: object):
        super().__init__(message)
        self.status = status
        self.body: Answer = {"error": {"message": message, "type": type, "code": code, **more, "fbtrace_id": "Sandbox"}}


def missing(node: str) -> GraphError:
    """Deleted, private, somebody else's, never there: a caller is not told which."""
    message = (
        f"Unsupported get request. Object with ID '{node}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation. Please read the Graph API documentation at "
        "https://developers.facebook.com/docs/graph-api"
    )
    return GraphError(100, message, type="GraphMethodException", error_subcode=33)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: a user or page by their token, or an application."""

    credential: str
    token: Token | None

    @property
    def sees_all(self) -> bool:
        return self.credential == ALL_SEEING

    def owns(self, author: int) -> bool:
        return self.sees_all or (self.token is not None and self.token.author == author)


@dataclass(frozen=True, slots=True)
class Call:
    """One reading: a path's parts, its parameters, and who asks. `base` is where the API is, for links to next ones."""

    parts: tuple[str, ...]
    params: Mapping[str, str]
    viewer: Viewer
    context: Context
    base: str = ""

    def fields(self, *default: str) -> tuple[Field, ...]:
        """The fields asked for; without any, what the node answers of itself."""
        try:
            return parse(self.params.get("fields", "")) or tuple(Field(name) for name in default)
        except FieldSyntaxError as error:
            raise GraphError(2500, str(error)) from error

    def next_url(self, after: str) -> str:
        """The same call from a cursor on, with the token in it as Meta has it."""
        params = {**self.params, "access_token": self.viewer.credential, "after": after}
        return f"{self.base}/{'/'.join(self.parts)}?{urlencode(params)}"

    def me(self) -> Token:
        if self.viewer.token is None:
            raise GraphError(2500, "An active access token must be used to query information about the current user.")
        return self.viewer.token


def picked(fields: Sequence[Field], known: Mapping[str, Callable[[Field], object]], node_type: str) -> Answer:
    """The fields asked for. One that the node does not have fails them all; one that has no value is left out."""
    for each in fields:
        if each.name not in known:
            raise GraphError(100, f"(#100) Tried accessing nonexisting field ({each.name}) on node type ({node_type})")
    answered = {each.key: known[each.name](each) for each in fields}
    return {key: value for key, value in answered.items() if value is not None}


def paged(
    posts: Iterator[WorldPost],
    context: Context,
    given: Mapping[str, str],
    row: Callable[[WorldPost], Answer],
    next_url: Callable[[str], str] | None = None,
) -> Answer:
    """One page of an edge; `given` says limit and after. An edge inside a node has cursors, but no link to the next.

    Cursors count through all posts, so that what goes meanwhile shifts nothing.
    """
    limit = min(_whole("limit", given, PAGE_DEFAULT), PAGE_LIMIT)
    start = _position(given.get("after", ""))
    onward = islice(enumerate(posts), start, None)
    live = ((at, post) for at, post in onward if post.presence_at(context.now) is Presence.LIVE)
    page = list(islice(live, limit))
    if not page:
        return {"data": []}
    after = _cursor(page[-1][0] + 1)
    paging: Answer = {"cursors": {"before": _cursor(page[0][0]), "after": after}}
    if next_url is not None and next(live, None):
        paging["next"] = next_url(after)
    return {"data": [row(post) for _, post in page], "paging": paging}


def insights(
    post: WorldPost, metrics: Sequence[str], context: Context, values: Mapping[str, Sequence[Answer]]
) -> Answer:
    """The metrics of a post, each with all its values; nothing at all while it is young, which is not nought."""
    if context.now - post.published_at < INSIGHTS_AFTER:
        return {"data": []}
    if (post.figures_at(context.now).views or 0) < VIEWERS_FLOOR:
        raise GraphError(10, "(#10) Not enough viewers for the media to show insights")
    return {"data": [_row(post, name, value) for name in metrics for value in values.get(name, ())]}


def _row(post: WorldPost, name: str, value: Answer) -> Answer:
    about = {"title": name.replace("_", " ").capitalize(), "description": "", "id": f"{post.api_id}/insights/{name}"}
    return {"name": name, "period": "lifetime"} | value | about


def metrics_of(text: str) -> list[str]:
    names = text.replace("[", "").replace("]", "").replace('"', "").replace(" ", "").split(",")
    return list(dict.fromkeys(name for name in names if name))


def moment(post: WorldPost) -> str:
    return post.published_at.strftime("%Y-%m-%dT%H:%M:%S+0000")


def _cursor(position: int) -> str:
    return urlsafe_b64encode(f"sandbox:{position}".encode()).decode().rstrip("=")


def _position(cursor: str) -> int:
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        text = "?"
    number = text.removeprefix("sandbox:")
    if cursor and not (number.isascii() and number.isdigit() and len(number) < 9):
        raise GraphError(100, "(#100) Invalid cursor")
    return int(number) if cursor else 0


def _whole(name: str, given: Mapping[str, str], default: int) -> int:
    text = given.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise GraphError(100, f"(#100) Param {name} must be a number")
    return int(text)
