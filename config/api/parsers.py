"""The one way in for bodies: strict JSON. What plain parsers would let through is refused here with a reason."""

import json
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

MAX_DEPTH = 20
MAX_INTEGER_DIGITS = 20


class BodyTooLarge(APIException):
    """More bytes than any request of ours needs."""

    status_code = 413
    default_code = "body_too_large"

    def __init__(self) -> None:
        super().__init__(f"The body is larger than {settings.REQUEST_BODY_LIMIT_BYTES // 1024} KB.")


class StrictJSONParser(BaseParser):
    """JSON objects in UTF-8 of bounded size and depth, without duplicate keys, NaN, NUL or lone surrogates."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Raises ParseError naming what is wrong, BodyTooLarge before reading on."""
        body = stream.read(settings.REQUEST_BODY_LIMIT_BYTES + 1)
        if len(body) > settings.REQUEST_BODY_LIMIT_BYTES:
            raise BodyTooLarge
        if not body.strip():
            return {}
        try:
            data = json.loads(
                body.decode("utf-8"),
                object_pairs_hook=_object,
                parse_int=_integer,
                parse_constant=_no_constant,
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
    names = [name for name, _ in pairs]
    twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if twice:
        raise ParseError(f"The name {min(twice)[:80]!a} is given twice in one object.")
    return dict(pairs)


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > MAX_INTEGER_DIGITS:
        raise ParseError(f"A number has more than {MAX_INTEGER_DIGITS} digits.")
    return int(text)


def _no_constant(text: str) -> None:
    raise ParseError(f"{text} is not a JSON number.")


def _check(value: Any, *, path: str, depth: int) -> None:
    """Refuse depth, NUL and lone surrogates anywhere, names included."""
    if depth > MAX_DEPTH:
        raise ParseError(f"The JSON is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_text(name, where=f"a name in {path or 'the body'}")
            _check(inner, path=f"{path}.{name}".lstrip("."), depth=depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check(inner, path=f"{path}[{index}]", depth=depth + 1)
    elif isinstance(value, str):
        _check_text(value, where=path)
    elif isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise ParseError(f"{path}: this number is too large.")


def _check_text(text: str, *, where: str) -> None:
    if "\0" in text:
        raise ParseError(f"{_printable(where)}: a NUL character is not allowed.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ParseError(f"{_printable(where)}: this is not valid Unicode (a lone surrogate).")


def _printable(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()[:120]
