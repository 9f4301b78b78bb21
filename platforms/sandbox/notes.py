"""What people and tests wrote into a running sandbox: bios, texts of posts, revoked tokens, codes that wait.

Nothing here is part of the world, and all of it goes with a reset. Safe to use from many threads.
"""

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime

from platforms.sandbox.discord_notes import Discord
from platforms.sandbox.tokens import Token


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody allowed an application, until the code that stands for it is exchanged."""

    platform: str
    author: int
    client_id: str
    redirect_uri: str
    scope: str
    challenge: str
    challenge_method: str
    offline: bool
    ends_at: datetime


@dataclass
class Notes:
    bios: dict[tuple[str, int], str] = field(default_factory=dict)
    """By platform and author."""
    texts: dict[tuple[str, str], str] = field(default_factory=dict)
    """By platform and external id."""
    discord: Discord = field(default_factory=Discord)
    _grants: dict[str, Grant] = field(default_factory=dict)
    _refused: set[str] = field(default_factory=set)
    _revoked_up_to: dict[tuple[str, int], int] = field(default_factory=dict)
    _last_number: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def clear(self) -> None:
        with self._lock:
            for each in (self.bios, self.texts, self._grants, self._refused, self._revoked_up_to):
                each.clear()
        self.discord.clear()

    def next_number(self) -> int:
        """A number for a new token: it grows, over restarts too, so that no two tokens are the same."""
        with self._lock:
            self._last_number = max(self._last_number + 1, time.time_ns() // 1_000_000)
            return self._last_number

    def keep(self, code: str, grant: Grant) -> None:
        with self._lock:
            self._grants[code] = grant

    def redeem(self, code: str) -> Grant | None:
        """What a code stands for; it works once."""
        with self._lock:
            return self._grants.pop(code, None)

    def revoke(self, token: Token) -> None:
        with self._lock:
            self._refused.add(token.text)

    def revoke_all(self, platform: str, author: int) -> None:
        """Every token that an author has given so far; one given from now on is good again."""
        number = self.next_number()
        with self._lock:
            self._revoked_up_to[platform, author] = number

    def use_up(self, token: Token) -> bool:
        """Take a token that works once; False if somebody was faster."""
        with self._lock:
            fresh = token.text not in self._refused
            self._refused.add(token.text)
            return fresh

    def is_revoked(self, token: Token) -> bool:
        with self._lock:
            up_to = self._revoked_up_to.get((token.platform, token.author), -1)
            return token.text in self._refused or token.number <= up_to
