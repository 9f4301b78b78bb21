"""Discord's other side, for people and tests: sending signed interactions, seeing what came back, causing trouble.

`POST /__sandbox__/discord/send` signs an interaction with a key of the sandbox's own and posts it to an endpoint on
this machine; what an interaction needs and is not given (`id`, `application_id`, `token`, `version`) is filled in.
`POST /__sandbox__/discord/faults` makes the next `count` calls answer with a `status`, 429 with its `retry_after`.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from platforms.sandbox import control_input as given
from platforms.sandbox.control_input import ControlError
from platforms.sandbox.state import SandboxState
from platforms.sandbox.wire import Reply, Request, json_reply

APPLICATION_ID = "100000000000000001"
SEND_TIMEOUT_S = 10
ANSWER_LIMIT_BYTES = 1 << 20
_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"the sandbox plays Discord").digest())
PUBLIC_KEY = _KEY.public_key().public_bytes_raw().hex()


def show(request: Request, state: SandboxState) -> Reply:
    """Everything that was sent, and what came back."""
    discord = state.notes.discord
    lists = {name: getattr(discord, name) for name in ("commands", "sent", "edits", "follow_ups")}
    return json_reply(200, {"public_key": PUBLIC_KEY, **lists})


def set_faults(request: Request, state: SandboxState) -> Reply:
    """Trouble for the next calls; count 0 ends what is left of it."""
    body = given.body(request, {"status", "retry_after", "count"})
    status = int(given.number("status", body.get("status", 429), 599))
    if status < 400:
        raise ControlError("status: one from 400 to 599")
    retry_after = given.number("retry_after", body.get("retry_after", 1.0), 3600)
    count = int(given.number("count", body.get("count", 1), 1000))
    state.notes.discord.set_faults(status, retry_after, count)
    return json_reply(200, {"status": status, "count": count})


def send(request: Request, state: SandboxState) -> Reply:
    """Sign an interaction and post it, as Discord would; what was answered is in the answer."""
    body = given.body(request, {"url", "interaction"})
    interaction = body.get("interaction")
    if not isinstance(interaction, dict):
        raise ControlError("interaction: an object")
    return json_reply(200, _deliver(given.text("url", body.get("url")), interaction, state))


def sign(body: bytes, timestamp: str) -> dict[str, str]:
    """The headers that show that a body comes from here."""
    signature = _KEY.sign(timestamp.encode() + body).hex()
    return {"X-Signature-Ed25519": signature, "X-Signature-Timestamp": timestamp}


def _deliver(url: str, interaction: Mapping[str, Any], state: SandboxState) -> dict[str, Any]:
    discord, now = state.notes.discord, state.now()
    snowflake = discord.snowflake(now)
    filled_in = {"id": snowflake, "application_id": APPLICATION_ID, "token": f"sandbox-{snowflake}", "version": 1}
    whole = filled_in | dict(interaction)
    discord.issue(str(whole["token"]), now)
    raw = json.dumps(whole, ensure_ascii=False).encode("utf-8", "replace")
    status, answered = _posted(url, raw, sign(raw, str(int(time.time()))))
    arrived = {"interaction": whole, "status": status, "answer": answered}
    discord.note(discord.sent, arrived)
    return arrived


def _posted(url: str, raw: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
    """Raises ControlError for an address that is not on this machine, or where nobody answers."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError as error:
        raise ControlError(f"url: {error}") from error
    if parts.scheme != "http" or "@" in parts.netloc or not _is_here(host):
        raise ControlError("url: http:// at this machine only: 127.0.0.1, [::1] or localhost")
    connection = HTTPConnection("127.0.0.1" if host == "localhost" else host, port, timeout=SEND_TIMEOUT_S)
    try:
        connection.request("POST", parts.path or "/", raw, {**headers, "Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read(ANSWER_LIMIT_BYTES).decode("utf-8", "replace")
    except (OSError, HTTPException, ValueError) as error:
        raise ControlError(f"url: nobody answers there ({type(error).__name__})") from error
    finally:
        connection.close()
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, text


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
