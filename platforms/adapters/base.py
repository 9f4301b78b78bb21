"""What the adapters share: one batch in, one reading for each post out, and strict eyes for what platforms send."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from config import clock
from config.counts import MAX_COUNT
from platforms.errors import ErrorKind, PlatformError, retry_after_s
from platforms.metrics import PLATFORM_NAMES, Availability, PostReading, UnifiedMetrics
from platforms.transport import Http, Response

_COUNT = re.compile(r"[0-9]{1,16}")
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")

_KINDS = {
    401: ErrorKind.AUTH,
    402: ErrorKind.QUOTA,
    403: ErrorKind.PERMISSION,
    404: ErrorKind.NOT_FOUND,
    408: ErrorKind.UNAVAILABLE,
    429: ErrorKind.RATE_LIMIT,
}
_SENTENCES = {
    ErrorKind.RATE_LIMIT: "asks for fewer calls",
    ErrorKind.QUOTA: "says that the allowance of calls is used up",
    ErrorKind.AUTH: "does not accept the credential",
    ErrorKind.PERMISSION: "does not allow this to the credential",
    ErrorKind.NOT_FOUND: "does not know what was asked for",
    ErrorKind.INVALID: "says that the call is wrong",
    ErrorKind.UNAVAILABLE: "is out of order",
}


@dataclass(frozen=True, slots=True)
class PlatformAPIResponse:
    """A reading for every id asked for, and how many calls for data it took (a token's renewal is none)."""

    readings: dict[str, PostReading]
    data_calls: int


class Adapter(ABC):
    """One platform. `config` is its entry in the settings: base_url, credentials, and what else it needs.

    `id_pattern` is what the platform takes for an id: one that it would choke on is not sent, since it could make the
    call fail for its whole batch.
    """

    slug: ClassVar[str]
    batch_size: ClassVar[int]
    id_pattern: ClassVar[re.Pattern[str]]

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.base_url = config["base_url"].rstrip("/")
        self.name = PLATFORM_NAMES[self.slug]

    def fetch(self, http: Http, ids: Sequence[str]) -> PlatformAPIResponse:
        """What the platform says now about the posts `ids`, at most `batch_size` of them, in one call.

        An id that the platform does not answer is a MISSING reading. Raises PlatformError.
        """
        if len(ids) > self.batch_size:
            raise ValueError(f"{len(ids)} ids, {self.slug} takes {self.batch_size} a call")
        askable = [each for each in dict.fromkeys(ids) if self.id_pattern.fullmatch(each)]
        readings, data_calls = self.ask(http, askable) if askable else ((), 0)
        answered = {reading.external_id: reading for reading in readings}
        return PlatformAPIResponse(
            {each: answered.get(each) or PostReading(each, Availability.MISSING) for each in ids}, data_calls
        )

    @abstractmethod
    def ask(self, http: Http, ids: Sequence[str]) -> tuple[Iterable[PostReading], int]:
        """One batch of well-formed, distinct ids: the readings in the answer, and the number of calls for data."""

    def credential(self, name: str) -> str:
        """A credential that can stand in a request. Raises PlatformError (auth) before any call is made."""
        value = self.config["credentials"].get(name)
        if not value:
            raise PlatformError(ErrorKind.AUTH, "credentials_missing", f"{self.name}: no {name} is set.")
        if not is_token(value):
            raise PlatformError(ErrorKind.AUTH, "credentials_malformed", f"{self.name}: the {name} has odd characters.")
        return str(value)

    def refusal(
        self, answer: Response, kind: ErrorKind | None = None, code: object = None, wait_s: int | None = None
    ) -> PlatformError:
        """The error an answer amounts to: by its status alone, unless the adapter read more out of it.

        A 5xx is `unavailable` whatever its body says. Where waiting is what is asked for, Retry-After goes before
        `wait_s`, the platform's own clock.
        """
        if answer.status >= 500:
            kind = wait_s = None
        kind = kind or kind_of(answer.status)
        if kind in (ErrorKind.RATE_LIMIT, ErrorKind.UNAVAILABLE):
            asked_s = retry_after_s(answer.headers.get("retry-after"), clock.now())
            wait_s = wait_s if asked_s is None else asked_s
        if not (isinstance(code, str) and _CODE.fullmatch(code)):
            code = f"http_{answer.status}"
        return PlatformError(kind, code, f"{self.name} {_SENTENCES[kind]} ({code}).", wait_s)


def is_token(value: object) -> bool:
    """Whether a value can stand in a header as it is."""
    return isinstance(value, str) and value != "" and value.isascii() and value.isprintable()


def kind_of(status: int) -> ErrorKind:
    """What a status that is no 2xx means where nothing better is known. A redirect leads away from the platform."""
    if status >= 500 or status < 400:
        return ErrorKind.UNAVAILABLE
    return _KINDS.get(status, ErrorKind.INVALID)


def error_body(answer: Response) -> Mapping[str, Any]:
    """The JSON object in an error answer; empty where there is none, as with a proxy's HTML page."""
    try:
        return as_object(answer.json())
    except PlatformError:
        return {}


# --- Shapes: what is not as it must be makes the whole answer malformed, so that no post is called missing by mistake.


def _unexpected_shape() -> PlatformError:
    return PlatformError(ErrorKind.MALFORMED, "unexpected_shape", "The platform's answer has an unexpected shape.")


def as_object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _unexpected_shape()
    return value


def as_objects(value: object) -> list[Mapping[str, Any]]:
    if not isinstance(value, list):
        raise _unexpected_shape()
    return [as_object(each) for each in value]


def as_id(value: object) -> str:
    """An id is text: as a number it may have lost its last digits."""
    if not isinstance(value, str):
        raise _unexpected_shape()
    return value


# --- Values: one that cannot be read is None, and the rest of the reading stands.


def read_metrics(**given: object) -> tuple[UnifiedMetrics, str | None]:
    """Figures as the platform sent them (None: not sent) → the metrics, and the error code if one was unreadable."""
    read = {name: _count(value) for name, value in given.items()}
    malformed = any(value is not None and read[name] is None for name, value in given.items())
    return UnifiedMetrics(**read), "malformed_figure" if malformed else None


def _count(value: object) -> int | None:
    """A whole number from 0 to 2^53 - 1, as a JSON number or as its digits; anything else is no count."""
    if isinstance(value, str) and _COUNT.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT:
        return value
    return None


def as_text(value: object, max_chars: int = 300) -> str | None:
    """Text on one line, without invisible characters (bidi controls among them), cut to `max_chars`."""
    if not isinstance(value, str):
        return None
    words = " ".join(value[: 4 * max_chars].split())
    return "".join(each for each in words if each.isprintable())[:max_chars] or None


def as_moment(value: object) -> datetime | None:
    """An RFC 3339 time or seconds since 1970, in UTC; None for what is neither, or lies outside 2000 to 2100."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
        elif isinstance(value, int | float):
            moment = datetime.fromtimestamp(value, UTC)
        else:
            return None
        if moment.tzinfo is None:
            return None
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if 2000 <= moment.year < 2100 else None
