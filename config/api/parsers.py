"""The one way in for bodies: strict JSON. What plain parsers would let through is refused here with a reason."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

MAX_DEPTH = 20
MAX_INTEGER_DIGITS = 20
_SURROGATE = re.compile("[\ud800-\udfff]")


class BodyTooLarge(APIException):
    """More bytes than any request of ours needs."""

    status_code = 413
    default_code = "body_too_large"

    def __init__(self, limit_bytes: int = settings.REQUEST_BODY_LIMIT_BYTES) -> None:
        super().__init__(f"The body is larger than {limit_bytes // 1024} KB.")


class FieldParseError(ParseError):
    """What can't be read stands at `field`, the path of a value or the name of one."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field.encode("ascii", "backslashreplace").decode()[:120]
        super().__init__(f"{self.field}: {reason}" if self.field else reason)


class StrictJSONParser(BaseParser):
    """JSON objects in UTF-8 of bounded size and depth, without duplicate keys, NaN, NUL or lone surrogates."""

    media_type = "application/json"
    read_fraction: Callable[[str], Any] = float
    limit_bytes = settings.REQUEST_BODY_LIMIT_BYTES

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Raises ParseError naming what is wrong, BodyTooLarge before reading on."""
        body = stream.read(self.limit_bytes + 1)
        if len(body) > self.limit_bytes:
            raise BodyTooLarge(self.limit_bytes)
        if not body.strip():
            return {}
        try:
            data = json.loads(
                body.decode("utf-8"),
                object_pairs_hook=_object,
                parse_int=_integer,
                parse_float=self.read_fraction,
                parse_constant=float,  # NaN and the infinities, which are refused where they stand
            )
        except UnicodeDecodeError as error:
            raise ParseError("The body is not UTF-8.") from error
        except RecursionError as error:
            raise ParseError(f"The JSON is nested deeper than {MAX_DEPTH} levels.") from error
        except json.JSONDecodeError as error:
            raise ParseError(f"This is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from error
        if not isinstance(data, dict):
            raise ParseError("The body must be a JSON object.")
        _check(data, path="", depth=1)
        return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        twice = (name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise FieldParseError(min(twice), "this name is given twice in one object.")
    return data


def _integer(text: str) -> int:
    """The number; of one with more digits than any field takes, the first of them: enough for the field to say no."""
    return int(text[: MAX_INTEGER_DIGITS + 1])


def _check(value: Any, *, path: str, depth: int) -> None:
    """Refuse depth, NUL and lone surrogates anywhere, names included."""
    if depth > MAX_DEPTH:
        raise ParseError(f"The JSON is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_text(name, field=f"{path}.{name}".lstrip("."))
            _check(inner, path=f"{path}.{name}".lstrip("."), depth=depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check(inner, path=f"{path}[{index}]", depth=depth + 1)
    elif isinstance(value, str):
        _check_text(value, field=path)
    elif isinstance(value, float) and not math.isfinite(value):
        raise FieldParseError(path, "this is not a number that JSON knows, or it is too large.")


def _check_text(text: str, *, field: str) -> None:
    if "\0" in text:
        raise FieldParseError(field, "a NUL character is not allowed.")
    if _SURROGATE.search(text):
        raise FieldParseError(field, "this is not valid Unicode (a lone surrogate).")
