"""How people and tests move a running sandbox: its clock, its faults, its counters, and the list of its posts.

Faults, `POST /__sandbox__/faults {"platform", "kind", "rate", "seconds"}`: `platform` is a slug or "*" for all,
`rate` the part of the data calls that meet it, `seconds` how long it stays in force in real time (rate 0 takes it away
and needs none). `rate_limit`, `quota`, `auth` and `server_error` answer as the platform does (`auth` refuses Reddit's
token calls too); `malformed` cuts the body in half; `slow` adds 2 seconds; `timeout` leaves the call without an answer
until the fault ends, at most 60 seconds, and then closes the connection; `reset` drops the connection at once.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import islice

from platforms.sandbox.state import SandboxState, utc_moment
from platforms.sandbox.wire import FaultKind, Reply, Request, json_reply
from platforms.sandbox.world import PLATFORMS, Series

PREFIX = "/__sandbox__/"
POSTS_LIMIT = 1_000
POSTS_DEFAULT = 20
FAULT_LIMIT_S = 86_400

PAGE = """\
Claimcheck sandbox
==================

A stand-in for the platforms: it speaks their wire protocols for a made-up world of posts.
Nothing here is real, and any non-empty credential is accepted.

World      seed {seed}, epoch {epoch}
Its time   {now}{frozen}

Platforms
  GET  /youtube/v3/videos       YouTube Data API v3
  POST /api/v1/access_token     Reddit, token
  GET  /api/info                Reddit
  GET  /2/tweets                X API v2

Control
  GET  /__sandbox__/clock
  POST /__sandbox__/clock       {{"now": "2026-11-01T12:00:00Z" or null, "frozen": true or false}}
  POST /__sandbox__/faults      {{"platform": "youtube" or "*", "kind": KIND, "rate": 0 to 1, "seconds": 60}}
                                KIND: {kinds}
  GET  /__sandbox__/stats
  POST /__sandbox__/reset       clears faults and counters
  GET  /__sandbox__/posts?platform=youtube&series=current&count=20&offset=0
                                series: {series}
"""


class ControlError(ValueError):
    """What was sent to a control path makes no sense; the message says why."""


def answer(request: Request, state: SandboxState) -> Reply:
    """The reply of a control path or of the front page. Bad input: 400 with a reason."""
    action = ACTIONS.get((request.method, request.path))
    if action is None:
        known = any(path == request.path for _, path in ACTIONS)
        return json_reply(405 if known else 404, {"error": f"nothing at {request.method} {request.path}; see /"})
    try:
        return action(request, state)
    except ControlError as error:
        return json_reply(400, {"error": str(error)})


def _page(request: Request, state: SandboxState) -> Reply:
    text = PAGE.format(
        seed=state.world.seed,
        epoch=_iso(state.world.epoch),
        now=_iso(state.now()),
        frozen=", standing still" if state.frozen else "",
        kinds=", ".join(FaultKind),
        series=", ".join(Series),
    )
    return Reply(200, text.encode(), content_type="text/plain; charset=UTF-8")


def _clock(request: Request, state: SandboxState) -> Reply:
    return json_reply(200, {"now": _iso(state.now()), "frozen": state.frozen})


def _set_clock(request: Request, state: SandboxState) -> Reply:
    given = _object(request, {"now", "frozen"})
    frozen = given.get("frozen", False)
    if not isinstance(frozen, bool):
        raise ControlError("frozen: true or false")
    state.set_clock(_moment(given.get("now")), frozen=frozen)
    return _clock(request, state)


def _set_fault(request: Request, state: SandboxState) -> Reply:
    given = _object(request, {"platform", "kind", "rate", "seconds"})
    platforms = PLATFORMS if given.get("platform") == "*" else (_choice("platform", given.get("platform"), PLATFORMS),)
    kind = FaultKind(_choice("kind", given.get("kind"), tuple(FaultKind)))
    rate = _number("rate", given.get("rate"), 1)
    seconds = _number("seconds", given.get("seconds"), FAULT_LIMIT_S) if rate else 0
    for platform in platforms:
        state.set_fault(platform, kind, rate, seconds)
    in_force = [
        {"platform": fault.platform, "kind": fault.kind, "rate": fault.rate, "seconds": round(fault.seconds_left, 3)}
        for fault in state.faults()
    ]
    return json_reply(200, {"faults": in_force})


def _stats(request: Request, state: SandboxState) -> Reply:
    return json_reply(200, state.stats())


def _reset(request: Request, state: SandboxState) -> Reply:
    state.reset()
    return json_reply(200, {"faults": []})


def _posts(request: Request, state: SandboxState) -> Reply:
    query = request.query
    platform = _choice("platform", query.get("platform"), PLATFORMS)
    series = Series(_choice("series", query.get("series", Series.CURRENT).lower(), tuple(Series)))
    count, offset = _whole("count", query, POSTS_DEFAULT), _whole("offset", query, 0)
    if count > POSTS_LIMIT:
        raise ControlError(f"count: at most {POSTS_LIMIT}")
    now = state.now()
    listed = [
        {
            "platform": post.platform,
            "url": post.url,
            "external_id": post.external_id,
            "published_at": _iso(post.published_at),
            "presence": post.presence_at(now),
            "views": post.figures_at(now).views,
        }
        for post in islice(state.world.posts(platform, series, offset), count)
    ]
    return json_reply(200, {"posts": listed})


ACTIONS: dict[tuple[str, str], Callable[[Request, SandboxState], Reply]] = {
    ("GET", "/"): _page,
    ("GET", PREFIX + "clock"): _clock,
    ("POST", PREFIX + "clock"): _set_clock,
    ("POST", PREFIX + "faults"): _set_fault,
    ("GET", PREFIX + "stats"): _stats,
    ("POST", PREFIX + "reset"): _reset,
    ("GET", PREFIX + "posts"): _posts,
}


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _object(request: Request, names: set[str]) -> Mapping[str, object]:
    try:
        given = json.loads(request.body)
    except ValueError as error:
        raise ControlError(f"the body is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise ControlError("the body must be a JSON object")
    strange = sorted(given.keys() - names)
    if strange:
        raise ControlError(f"{strange[0]}: unknown; known are {', '.join(sorted(names))}")
    return given


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ControlError("now: null or an ISO 8601 time")
    try:
        return utc_moment(value)
    except ValueError as error:
        raise ControlError(f"now: {error}") from error


def _choice(name: str, value: object, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise ControlError(f"{name}: one of {', '.join(choices)}")
    return value


def _number(name: str, value: object, ceiling: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= ceiling:
        raise ControlError(f"{name}: a number from 0 to {ceiling:,}")
    return float(value)


def _whole(name: str, query: Mapping[str, str], default: int) -> int:
    text = query.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ControlError(f"{name}: a whole number, 0 or more")
    return int(text)
