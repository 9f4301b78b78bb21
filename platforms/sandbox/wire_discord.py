"""Discord's API v10, as far as answering interactions needs it: an application's commands, edits of its answers."""

import json
import re
from typing import Any

from platforms.sandbox.state import iso
from platforms.sandbox.wire import Context, Endpoint, Reply, Request, Route, json_reply

CONTENT_CHARS = 2000
_NAME = re.compile(r"[-_'a-z0-9]{1,32}")


def _error(status: int, code: int, message: str) -> Reply:
    return json_reply(status, {"message": message, "code": code})


def _struck(context: Context) -> Reply | None:
    """The trouble that was asked for, if it is this call's."""
    fault = context.notes.discord.next_fault()
    if fault is None:
        return None
    status, retry_after = fault
    if status == 429:
        body = {"message": "You are being rate limited.", "retry_after": retry_after, "global": False}
        headers = {"Retry-After": str(int(retry_after) + 1), "X-RateLimit-Scope": "user"}
        return json_reply(429, body, headers)
    return _error(404, 10015, "Unknown Webhook") if status == 404 else _error(status, 0, f"{status}: as you asked")


def _commands(request: Request, context: Context) -> Reply:
    """GET them, or PUT others in their place."""
    discord = context.notes.discord
    if not request.credential("Bot"):
        return _error(401, 0, "401: Unauthorized")
    struck = _struck(context)
    if struck:
        return struck
    application = request.place["application"]
    place = f"{application}/{request.place.get('guild', '')}".rstrip("/")
    if request.method == "PUT":
        wanted = _json(request)
        if not isinstance(wanted, list) or not all(_is_command(each) for each in wanted):
            return _error(400, 50035, "Invalid Form Body")
        theirs = {"application_id": application, "version": discord.snowflake(context.now)}
        discord.commands[place] = [{**each, **theirs, "id": discord.snowflake(context.now)} for each in wanted]
    return json_reply(200, discord.commands.get(place, []))


def _is_command(command: object) -> bool:
    """Whether Discord takes it: names and descriptions of its length, what is required before what is not."""
    if not isinstance(command, dict) or not isinstance(command.get("name"), str):
        return False
    options = command.get("options", [])
    if command.get("type", 1) != 1:
        return not options and not command.get("description") and 1 <= len(command["name"]) <= 32
    required = [bool(each.get("required")) for each in options]
    named = [command, *options]
    return (
        len(options) <= 25
        and required == sorted(required, reverse=True)
        and all(_NAME.fullmatch(str(each.get("name"))) for each in named)
        and all(1 <= len(str(each.get("description", ""))) <= 100 for each in named)
    )


def _webhook(request: Request, context: Context) -> Reply:
    """An edit of the answer that an interaction got (PATCH), or a further message (POST)."""
    discord = context.notes.discord
    struck = _struck(context)
    if struck:
        return struck
    token, body = request.place["token"], _json(request)
    if discord.has_expired(token, context.now):
        return _error(401, 50027, "Invalid Webhook Token")
    if not isinstance(body, dict) or not 1 <= len(str(body.get("content", ""))) <= CONTENT_CHARS:
        return _error(400, 50035, "Invalid Form Body")
    kind = discord.edits if request.method == "PATCH" else discord.follow_ups
    arrived = {"application": request.place["application"], "token": token, "body": body, "at": iso(context.now)}
    discord.note(kind, arrived)
    return json_reply(200, {"id": discord.snowflake(context.now), "content": body["content"], "flags": 64})


def _json(request: Request) -> Any:
    try:
        return json.loads(request.body)
    except ValueError:
        return None


_APPLICATION = "/discord/api/v10/applications/{application}"
_WEBHOOK = "/discord/api/v10/webhooks/{application}/{token}"
ROUTES = (
    Route("GET", f"{_APPLICATION}/commands", Endpoint("discord", _commands)),
    Route("PUT", f"{_APPLICATION}/commands", Endpoint("discord", _commands)),
    Route("GET", f"{_APPLICATION}/guilds/{{guild}}/commands", Endpoint("discord", _commands)),
    Route("PUT", f"{_APPLICATION}/guilds/{{guild}}/commands", Endpoint("discord", _commands)),
    Route("PATCH", f"{_WEBHOOK}/messages/@original", Endpoint("discord", _webhook)),
    Route("POST", _WEBHOOK, Endpoint("discord", _webhook)),
)
