"""How people and tests move a running sandbox: its clock, its faults, its counters, its posts and its people.

Faults, `POST /__sandbox__/faults {"platform", "kind", "rate", "seconds"}`: `platform` is a slug or "*" for all,
`rate` the part of the data calls that meet it, `seconds` how long it stays in force in real time (rate 0 takes it away
and needs none). `rate_limit`, `quota`, `auth` and `server_error` answer as the platform does (`auth` refuses calls
for tokens too); `malformed` cuts the body in half; `slow` adds 2 seconds; `timeout` leaves the call without an answer
until the fault ends, at most 60 seconds, and then closes the connection; `reset` drops the connection at once;
`partial` leaves out every second post of an answer.
"""

from collections.abc import Callable

from platforms.sandbox import control_discord, control_world, routes
from platforms.sandbox import control_input as given
from platforms.sandbox.control_input import ControlError
from platforms.sandbox.state import SandboxState, iso
from platforms.sandbox.traits import PLATFORMS
from platforms.sandbox.wire import FaultKind, Reply, Request, json_reply
from platforms.sandbox.world import Series

PREFIX = "/__sandbox__/"
FAULT_LIMIT_S = 86_400

PAGE = """\
Claimcheck sandbox
==================

A stand-in for the platforms: it speaks their wire protocols for a made-up world of posts.
Nothing here is real, and any non-empty credential of an application is accepted. TikTok, and what Instagram and
Facebook tell owners alone, need the token of an account: allow an application at /v2/auth/authorize/,
/instagram/v26.0/oauth/authorize or /facebook/v26.0/dialog/oauth (X: /i/oauth2/authorize, Google: /o/oauth2/v2/auth),
or write one by hand: sb.PLATFORM.AUTHOR.NUMBER.EXPIRY, such as sb.tiktok.3.1.0.

World      seed {seed}, epoch {epoch}
Its time   {now}{frozen}

{platforms}
Control
  GET  /__sandbox__/clock
  POST /__sandbox__/clock       {{"now": "2026-11-01T12:00:00Z" or null, "frozen": true or false}}
  POST /__sandbox__/faults      {{"platform": "youtube" or "*", "kind": KIND, "rate": 0 to 1, "seconds": 60}}
                                KIND: {kinds}
  GET  /__sandbox__/stats
  POST /__sandbox__/reset       clears faults, counters, bios, texts, and what was revoked
  GET  /__sandbox__/posts?platform=youtube&series=current&count=20&offset=0
                                series: {series}
                                handle=NAME: one author's posts, on TikTok, Instagram and Facebook
  POST /__sandbox__/profiles    {{"platform": "x", "handle": NAME, "bio": TEXT}}
  POST /__sandbox__/texts       {{"platform": "x", "external_id": ID, "text": TEXT}}
  POST /__sandbox__/revoke      {{"platform": "x", "handle": NAME}} or {{"token": TOKEN}}

Discord      public key {discord_key}
  GET  /__sandbox__/discord     commands, what was sent, and what came back: edits and follow-ups
  POST /__sandbox__/discord/send    {{"url": "http://127.0.0.1:8000/discord/interactions",
                                     "interaction": {{"type": 1}}}}
  POST /__sandbox__/discord/faults  {{"status": 429, "retry_after": 1.5, "count": 1}}

Short links
  GET  /__links__/HOST/PATH     such as /__links__/vm.tiktok.com/CODE: a post's short_url without its https://
"""


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
    listed = "".join(
        f"{name}\n" + "".join(f"  {route.method:4} {route.path}\n" for route in each) + "\n"
        for name, each in routes.ROUTES.items()
    )
    text = PAGE.format(
        platforms=listed,
        seed=state.world.seed,
        epoch=iso(state.world.epoch),
        now=iso(state.now()),
        frozen=", standing still" if state.frozen else "",
        kinds=", ".join(FaultKind),
        series=", ".join(Series),
        discord_key=control_discord.PUBLIC_KEY,
    )
    return Reply(200, text.encode(), content_type="text/plain; charset=UTF-8")


def _clock(request: Request, state: SandboxState) -> Reply:
    return json_reply(200, {"now": iso(state.now()), "frozen": state.frozen})


def _set_clock(request: Request, state: SandboxState) -> Reply:
    body = given.body(request, {"now", "frozen"})
    frozen = body.get("frozen", False)
    if not isinstance(frozen, bool):
        raise ControlError("frozen: true or false")
    state.set_clock(given.moment(body.get("now")), frozen=frozen)
    return _clock(request, state)


def _set_fault(request: Request, state: SandboxState) -> Reply:
    body = given.body(request, {"platform", "kind", "rate", "seconds"})
    named = body.get("platform")
    platforms = PLATFORMS if named == "*" else (given.choice("platform", named, PLATFORMS),)
    kind = FaultKind(given.choice("kind", body.get("kind"), tuple(FaultKind)))
    rate = given.number("rate", body.get("rate"), 1)
    seconds = given.number("seconds", body.get("seconds"), FAULT_LIMIT_S) if rate else 0
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


ACTIONS: dict[tuple[str, str], Callable[[Request, SandboxState], Reply]] = {
    ("GET", "/"): _page,
    ("GET", PREFIX + "clock"): _clock,
    ("POST", PREFIX + "clock"): _set_clock,
    ("POST", PREFIX + "faults"): _set_fault,
    ("GET", PREFIX + "stats"): _stats,
    ("POST", PREFIX + "reset"): _reset,
    ("GET", PREFIX + "posts"): control_world.posts,
    ("POST", PREFIX + "profiles"): control_world.set_bio,
    ("POST", PREFIX + "texts"): control_world.set_text,
    ("POST", PREFIX + "revoke"): control_world.revoke,
    ("GET", PREFIX + "discord"): control_discord.show,
    ("POST", PREFIX + "discord/send"): control_discord.send,
    ("POST", PREFIX + "discord/faults"): control_discord.set_faults,
}
