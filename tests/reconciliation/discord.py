"""Discord, as the endpoint meets it: signed interactions in the shapes of a server and of direct messages."""

import json
from itertools import count
from typing import Any

from django.test import Client

from affiliates import discord
from affiliates.models import Affiliate
from platforms.sandbox.control_discord import sign

ENDPOINT = "/discord/interactions"
USER = "80351110224678912"
TOKEN = "A_UNIQUE_TOKEN"
_numbers = count(786008729715212338)


def linked(affiliate: Affiliate, user: str = USER) -> Affiliate:
    """The affiliate, who has shown this Discord user's code."""
    _, code = discord.make_code(affiliate=affiliate, by=affiliate.user)
    return discord.link(discord_user_id=user, code=code)[0]


def interaction(kind: int, data: Any = None, *, user: str = USER, dm: bool = False, **more: Any) -> dict[str, Any]:
    """As Discord documents it, with fields that nobody here knows."""
    person = {"id": user, "username": "mila", "discriminator": "0", "global_name": "@everyone", "avatar": None}
    who: dict[str, Any] = {"user": person, "context": 1}
    if not dm:
        member = {"user": person, "roles": ["1"], "permissions": "2147483647", "joined_at": "2020-01-01T00:00:00Z"}
        who = {"member": member, "guild_id": "290926798626357999", "guild": {"id": "290926798626357999"}, "context": 0}
    return {
        "id": str(next(_numbers)),
        "application_id": "845027738276462632",
        "type": kind,
        "token": TOKEN,
        "version": 1,
        "locale": "en-GB",
        "entitlements": [],
        "authorizing_integration_owners": {"0": "290926798626357999"},
        "attachment_size_limit": 10485760,
        "channel": {"id": "645027906669510667", "type": 0},
        **who,
        **({"data": data} if data is not None else {}),
        **more,
    }


def slash(name: str, *, kind: int = 2, focused: str = "", user: str = USER, dm: bool = False, **options: Any) -> Any:
    """A slash command, or (`kind` 4) one that is being typed."""
    given = [
        {"name": each, "type": 4 if each in ("views", "clicks", "conversions") else 3, "value": value}
        | ({"focused": True} if each == focused else {})
        for each, value in options.items()
    ]
    data = {"id": "771825006014889984", "name": name, "type": 1} | ({"options": given} if given else {})
    return interaction(kind, data, user=user, dm=dm)


def on_message(content: Any, *, message_id: str = "867793854505943041", **more: Any) -> Any:
    """The message command."""
    message = {"id": message_id, "content": content, "author": {"id": "53908232506183680"}, "embeds": [], "flags": 0}
    data = {"id": "866818195033292851", "name": "Submit as post", "type": 3, "target_id": message_id}
    return interaction(2, data | {"resolved": {"messages": {message_id: message}}}, **more)


def filled_in(modal: dict[str, Any], *, rows: bool = False, values: dict[str, Any], **more: Any) -> Any:
    """The modal that was answered, submitted: its fields in labels, or in the rows of old."""
    fields = []
    for number, label in enumerate(modal["data"]["components"], 1):
        asked = label["component"]
        value = values.get(asked["custom_id"], "")
        field = {"type": asked["type"], "custom_id": asked["custom_id"], "id": 10 + number}
        field |= {"values": [value] if value else []} if asked["type"] == 3 else {"value": value}
        fields.append({"type": 1, "components": [field]} if rows else {"type": 18, "id": number, "component": field})
    return interaction(5, {"custom_id": modal["data"]["custom_id"], "components": fields}, **more)


def post_raw(body: bytes, headers: dict[str, str]) -> Any:
    """Whatever is answered to these bytes under these headers."""
    client = Client(enforce_csrf_checks=True)
    return client.post(ENDPOINT, body, content_type="application/json", headers=headers)


def send(what: dict[str, Any]) -> dict[str, Any]:
    """What is answered to a signed interaction: 200, and JSON."""
    raw = json.dumps(what).encode()
    answer = post_raw(raw, sign(raw, "1763640000"))
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json"), answer.content
    body: dict[str, Any] = answer.json()
    return body


def said(what: dict[str, Any]) -> str:
    """The words of an answer that only the one who asked can see, and that pings nobody."""
    answer = send(what)
    assert set(answer) == {"type", "data"}
    data = answer["data"]
    assert (answer["type"], data["flags"], data["allowed_mentions"]) == (4, 64, {"parse": []})
    assert 0 < len(data["content"]) <= 2000
    text: str = data["content"]
    return text
