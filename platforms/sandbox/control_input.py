"""What control paths are sent, read strictly: each reader returns the value or raises ControlError with the reason."""

import json
from collections.abc import Mapping
from datetime import datetime

from platforms.sandbox.state import utc_moment
from platforms.sandbox.wire import Request


class ControlError(ValueError):
    """What was sent to a control path makes no sense; the message says why."""


def body(request: Request, names: set[str]) -> Mapping[str, object]:
    """The JSON object in the body, which may have no names but these."""
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


def moment(value: object) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ControlError("now: null or an ISO 8601 time")
    try:
        return utc_moment(value)
    except ValueError as error:
        raise ControlError(f"now: {error}") from error


def choice(name: str, value: object, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise ControlError(f"{name}: one of {', '.join(choices)}")
    return value


def text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ControlError(f"{name}: a text")
    return value


def number(name: str, value: object, ceiling: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= ceiling:
        raise ControlError(f"{name}: a number from 0 to {ceiling:,}")
    return float(value)


def whole(name: str, query: Mapping[str, str], default: int) -> int:
    given = query.get(name) or str(default)
    if not (given.isascii() and given.isdigit() and len(given) <= 9):
        raise ControlError(f"{name}: a whole number, 0 or more")
    return int(given)
