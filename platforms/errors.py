"""What a call to a platform can come to, when it does not come to an answer. The question each kind settles: is it
worth trying again?

PlatformError
├── worth it    rate_limit · unavailable · malformed · quota that resets by itself (it then says when)
└── useless     auth · permission · not_found · invalid · quota that somebody must raise or pay for
"""

import math
import re
from datetime import UTC, datetime
from enum import StrEnum

from config.errors import DomainError

MAX_WAIT_S = 24 * 60 * 60

_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]*)?")


class ErrorKind(StrEnum):
    RATE_LIMIT = "rate_limit"  # too many calls just now
    QUOTA = "quota"  # the allowance of a day, a month or a purse is used up
    AUTH = "auth"  # our credential is missing, wrong, expired or revoked
    PERMISSION = "permission"  # the credential is right, and this is not for it
    NOT_FOUND = "not_found"  # the platform does not know what the whole call is about
    INVALID = "invalid"  # the platform says that the call is wrong
    UNAVAILABLE = "unavailable"  # network errors, time-outs, redirects, and every 5xx whatever its body
    MALFORMED = "malformed"  # a 2xx that cannot be read


class PlatformError(Exception):
    """A platform gave no answer. `code` is the platform's own where it has one, `retry_after_s` its own clock, if any.

    Messages are our sentences, never the platform's text: theirs have been seen to quote keys.
    """

    def __init__(self, kind: ErrorKind, code: str, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later without anybody doing anything."""
        if self.kind is ErrorKind.QUOTA:
            return self.retry_after_s is not None
        return self.kind in (ErrorKind.RATE_LIMIT, ErrorKind.UNAVAILABLE, ErrorKind.MALFORMED)

    @property
    def is_failure(self) -> bool:
        """Whether the platform is away, or asks for fewer calls. A refusal is an answer."""
        return self.kind in (ErrorKind.RATE_LIMIT, ErrorKind.UNAVAILABLE)


class UnansweredError(PlatformError):
    """The platform answered, and for none of the posts that were asked for: that is about the posts, not about it."""

    @property
    def is_failure(self) -> bool:
        return False


def wait_s(seconds: float) -> int | None:
    """A wait that a platform asked for, in whole seconds and at most a day; None for one that lies in the past."""
    if not seconds >= 0:  # NaN as well
        return None
    return math.ceil(min(seconds, MAX_WAIT_S))


def seconds_in(header: str | None) -> float | None:
    """The plain number in a header ("4", "597.0"); None where there is none."""
    return float(header) if header and _SECONDS.fullmatch(header) else None


def retry_after_s(header: str | None, now: datetime) -> int | None:
    """The wait in a Retry-After header, seconds or HTTP date (RFC 9110, 10.2.3); None where it makes no sense."""
    seconds = seconds_in(header)
    if seconds is None and header:
        try:
            until = datetime.strptime(header, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
        except ValueError:
            return None
        seconds = (until - now).total_seconds()
    return None if seconds is None else wait_s(seconds)


class SettingRefusedError(DomainError):
    """A setting of a platform that is unknown, or out of bounds."""

    code = "invalid_setting"
    status = 400
