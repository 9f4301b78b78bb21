"""Tokens that say whose they are: `sb.<platform>.<author>.<number>.<expiry>`.

Whoever runs the sandbox can read one, and write one by hand: nothing is signed, and nothing is stored, so that tokens
outlive a restart. A letter before the number says what a token is for; none is an ordinary access token. The expiry is
in seconds since 1970 by the sandbox's clock; 0 is never.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

_PATTERN = re.compile(r"sb\.([a-z]{1,12})\.([0-9]{1,6})\.([rsp]?)([0-9]{1,18})\.([0-9]{1,12})")


class Kind(StrEnum):
    """SHORT is Meta's token of an hour or two, PAGE that of a Facebook page."""

    ACCESS = ""
    REFRESH = "r"
    SHORT = "s"
    PAGE = "p"


@dataclass(frozen=True, slots=True)
class Token:
    platform: str
    author: int
    number: int
    expiry: int
    kind: Kind = Kind.ACCESS

    @property
    def text(self) -> str:
        return f"sb.{self.platform}.{self.author}.{self.kind}{self.number}.{self.expiry}"

    def has_expired(self, now: datetime) -> bool:
        return 0 < self.expiry <= now.timestamp()


def looks_issued(credential: str) -> bool:
    """Whether a credential claims to be one of the sandbox's tokens. Any other is an application's."""
    return credential.startswith("sb.")


def parse(text: str) -> Token | None:
    found = _PATTERN.fullmatch(text)
    if found is None:
        return None
    platform, author, kind, number, expiry = found.groups()
    return Token(platform, int(author), int(number), int(expiry), Kind(kind))
