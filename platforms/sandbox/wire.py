"""What every wire module speaks in: requests, replies, and the faults a platform can be told to have."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from urllib.parse import parse_qs

from platforms.sandbox.world import World

JSON_TYPE = "application/json; charset=UTF-8"


class FaultKind(StrEnum):
    """RESET, TIMEOUT, SLOW and MALFORMED befall the connection or the body; the others are answers of the platform."""

    RATE_LIMIT = "rate_limit"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    MALFORMED = "malformed"
    QUOTA = "quota"
    AUTH = "auth"
    RESET = "reset"
    SLOW = "slow"


@dataclass(frozen=True)
class Request:
    """One HTTP request; header names are in lower case."""

    method: str
    path: str
    query_string: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @cached_property
    def query(self) -> dict[str, str]:
        """The query's parameters; one that is repeated is the same as one with commas."""
        return {name: ",".join(values) for name, values in parse_qs(self.query_string, keep_blank_values=True).items()}

    def listed(self, name: str) -> list[str]:
        """A comma-separated parameter, empty places kept; [] if it is absent or blank."""
        value = self.query.get(name, "")
        return value.split(",") if value else []

    def credential(self, scheme: str) -> str:
        """What follows `Bearer` or `Basic` in Authorization; "" if there is none."""
        name, _, value = self.headers.get("authorization", "").partition(" ")
        return value.strip() if name.lower() == scheme.lower() else ""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE


@dataclass(frozen=True, slots=True)
class Context:
    """What a platform answers from: the world, the sandbox's time, and how many data calls it has had, this one too."""

    world: World
    now: datetime
    data_calls: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path of a platform. `ids` reads the posts asked for and makes it a data call; None = a token call.

    `refuse` words a fault: its kind, the context, and the seconds until it ends.
    """

    platform: str
    answer: Callable[[Request, Context], Reply]
    refuse: Callable[[FaultKind, Context, int], Reply]
    ids: Callable[[Request], list[str]] | None = None


def json_reply(status: int, payload: object, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode(), headers or {})
