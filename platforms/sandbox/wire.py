"""What every wire module speaks in: requests, replies, and the faults a platform can be told to have."""

import json
import re
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TypeVar
from urllib.parse import parse_qs, unquote

from platforms.sandbox import tokens, words
from platforms.sandbox.notes import Notes
from platforms.sandbox.tokens import Kind, Token
from platforms.sandbox.world import World, WorldPost

Item = TypeVar("Item")

JSON_TYPE, HTML_TYPE = "application/json; charset=UTF-8", "text/html; charset=UTF-8"


class FaultKind(StrEnum):
    """RESET, TIMEOUT, SLOW and MALFORMED befall the connection or the body; the others are answers of the platform.

    PARTIAL is a success in which every second post asked for is missing.
    """

    RATE_LIMIT = "rate_limit"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    MALFORMED = "malformed"
    QUOTA = "quota"
    AUTH = "auth"
    RESET = "reset"
    SLOW = "slow"
    PARTIAL = "partial"


@dataclass(frozen=True)
class Request:
    """One HTTP request; header names are in lower case. `place` holds what the route's `{names}` stand for."""

    method: str
    path: str
    query_string: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    place: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def query(self) -> dict[str, str]:
        """The query's parameters; one that is repeated is the same as one with commas."""
        return {name: ",".join(values) for name, values in parse_qs(self.query_string, keep_blank_values=True).items()}

    @cached_property
    def form(self) -> dict[str, str]:
        """The body's parameters, if it is a form; the first of each."""
        fields = parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return {name: values[0] for name, values in fields.items()}

    def listed(self, name: str) -> list[str]:
        """A comma-separated parameter, empty places kept; [] if it is absent or blank."""
        value = self.query.get(name, "")
        return value.split(",") if value else []

    def credential(self, scheme: str) -> str:
        """What follows `Bearer` or `Basic` in Authorization; "" if there is none."""
        name, _, value = self.headers.get("authorization", "").partition(" ")
        return value.strip() if name.lower() == scheme.lower() else ""

    def application(self) -> tuple[str, str]:
        """The client id and secret of the Basic header; empty where there are none."""
        try:
            client_id, _, secret = b64decode(self.credential("Basic"), validate=True).decode().partition(":")
        except ValueError:
            return "", ""
        return client_id, secret


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE


class TokenRefusedError(Exception):
    """A token of the sandbox that opens nothing here; `expired` if only for its age."""

    def __init__(self, *, expired: bool) -> None:
        super().__init__("expired" if expired else "revoked or malformed")
        self.expired = expired


@dataclass(frozen=True, slots=True)
class Context:
    """What a platform answers from: the world, what was written into it, the sandbox's time, and how many data calls
    the platform has had, this one too. `partial`: every second post is to be missing.
    """

    world: World
    now: datetime
    data_calls: int
    notes: Notes
    partial: bool = False

    def thinned(self, items: Sequence[Item]) -> Sequence[Item]:
        return items[::2] if self.partial else items

    def text(self, post: WorldPost, default: str) -> str:
        """What stands in a post: what somebody wrote into it, else `default`."""
        return self.notes.texts.get((post.platform, post.versions[-1]), default)

    def bio(self, platform: str, author: int) -> str:
        return self.notes.bios.get((platform, author), "")

    def token(self, credential: str, platform: str) -> Token | None:
        """The user's token that a credential is; None if it is an application's. Raises TokenRefusedError."""
        if not tokens.looks_issued(credential):
            return None
        token = tokens.parse(credential)
        if token is None or token.platform != platform or token.author >= words.AUTHORS or token.kind is Kind.REFRESH:
            raise TokenRefusedError(expired=False)
        if token.has_expired(self.now) or self.notes.is_revoked(token):
            raise TokenRefusedError(expired=token.has_expired(self.now))
        return token


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path of a platform. `ids` reads the posts asked for and makes it a data call; None = a token call.

    `refuse` words a fault: its kind, the context, and the seconds until it ends. None = no fault reaches this path.
    """

    platform: str
    answer: Callable[[Request, Context], Reply]
    refuse: Callable[[FaultKind, Context, int], Reply] | None = None
    ids: Callable[[Request], list[str]] | None = None


@dataclass(frozen=True)
class Route:
    """Where an endpoint is: `path` is what people read, with `{names}`; `pattern` only where that is not exact."""

    method: str
    path: str
    endpoint: Endpoint
    pattern: str = ""

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern or re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path.replace(".", r"\.")))

    def matched(self, request: Request) -> Request | None:
        """The request with its place filled in; None if it goes elsewhere."""
        if request.method != self.method:
            return None
        found = self._compiled.fullmatch(request.path)
        return (
            None
            if found is None
            else replace(request, place={k: unquote(v or "") for k, v in found.groupdict().items()})
        )


def no_posts(request: Request) -> list[str]:
    """For data calls that ask for no posts by id."""
    return []


def json_reply(status: int, payload: object, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode(), headers or {})
