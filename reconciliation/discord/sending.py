"""What is sent to Discord: edits of answers, and the list of our commands."""

import math
from collections.abc import Sequence
from typing import Any

from django.conf import settings

from platforms.errors import ErrorKind, PlatformError
from platforms.transport import Response, shared_http

_UNKNOWN_MESSAGE, _UNKNOWN_WEBHOOK = 10008, 10015
DEFAULT_WAIT_S = 5
MAX_WAIT_S = 3600
"""Longer than any answer can be edited; Discord may name a time that is no time at all."""


class RefusedError(Exception):
    """Discord does not take this, and will not take it later either; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def edit_answer(*, token: str, content: str) -> None:
    """Put other words into the answer to an interaction. Raises RefusedError where that can't be done any more, and
    PlatformError where it may work later: the answer itself may not have reached Discord yet."""
    path = f"webhooks/{settings.DISCORD_APPLICATION_ID}/{token}/messages/@original"
    answer = _call("PATCH", path, {"content": content, "allowed_mentions": {"parse": []}})
    if answer.status == 404 and _code(answer) in (_UNKNOWN_MESSAGE, _UNKNOWN_WEBHOOK):
        raise PlatformError(ErrorKind.UNAVAILABLE, str(_code(answer)), "Discord does not know the answer yet.")
    if not answer.ok:
        raise RefusedError(f"{answer.status}/{_code(answer)}")


def replace_commands(commands: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make these all of the application's commands; returns them as Discord has them. Raises RefusedError and
    PlatformError."""
    path = f"applications/{settings.DISCORD_APPLICATION_ID}/commands"
    answer = _call("PUT", path, list(commands), {"Authorization": f"Bot {settings.DISCORD_BOT_TOKEN}"})
    if not answer.ok:
        raise RefusedError(f"{answer.status}/{_code(answer)}")
    known = answer.json()
    return known if isinstance(known, list) else []


def _call(method: str, path: str, body: object, headers: dict[str, str] | None = None) -> Response:
    """Raises PlatformError where Discord can't be reached, is in trouble, or asks us to wait."""
    url = f"{settings.DISCORD_BASE_URL}/{path}"
    sent = {"User-Agent": "DiscordBot (https://claimcheck.example, 1)", **(headers or {})}
    answer = shared_http.request(method, url, platform="discord", headers=sent, json=body)
    if answer.status == 429:
        raise PlatformError(ErrorKind.RATE_LIMIT, "429", "Discord asks us to wait.", _wait_s(answer))
    if answer.status >= 500:
        raise PlatformError(ErrorKind.UNAVAILABLE, str(answer.status), "Discord is in trouble.")
    return answer


def _wait_s(answer: Response) -> int:
    named = _body(answer).get("retry_after", answer.headers.get("retry-after"))
    try:
        return min(MAX_WAIT_S, max(1, math.ceil(float(str(named)))))
    except (ValueError, OverflowError):
        return DEFAULT_WAIT_S


def _code(answer: Response) -> object:
    return _body(answer).get("code")


def _body(answer: Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except PlatformError:
        return {}
    return body if isinstance(body, dict) else {}
