"""What the sandbox remembers as Discord: commands, interactions it sent, and what came back for them."""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

TOKEN_LIFE = timedelta(minutes=15)
EPOCH_MS = 1_420_070_400_000
KEPT = 200
"""So many of each kind are remembered, the newest."""


@dataclass
class Discord:
    """Safe to use from many threads."""

    commands: dict[str, list[Any]] = field(default_factory=dict)
    """By application, or application and server."""
    sent: list[dict[str, Any]] = field(default_factory=list)
    edits: list[dict[str, Any]] = field(default_factory=list)
    follow_ups: list[dict[str, Any]] = field(default_factory=list)
    _faults: list[tuple[int, float]] = field(default_factory=list)
    _issued: dict[str, datetime] = field(default_factory=dict)
    _number: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def clear(self) -> None:
        with self._lock:
            for each in (self.commands, self.sent, self.edits, self.follow_ups, self._faults, self._issued):
                each.clear()

    def note(self, kind: list[dict[str, Any]], what: dict[str, Any]) -> None:
        with self._lock:
            kind.append(what)
            del kind[:-KEPT]

    def set_faults(self, status: int, retry_after: float, count: int) -> None:
        """Trouble for the next calls, in place of what is left of any before."""
        with self._lock:
            self._faults[:] = [(status, retry_after)] * count

    def next_fault(self) -> tuple[int, float] | None:
        with self._lock:
            return self._faults.pop(0) if self._faults else None

    def snowflake(self, now: datetime) -> str:
        """An id of this moment, as Discord makes them; no two are the same."""
        with self._lock:
            self._number += 1
            return str(((int(now.timestamp() * 1000) - EPOCH_MS) << 22) + self._number)

    def issue(self, token: str, now: datetime) -> None:
        with self._lock:
            self._issued[token] = now

    def has_expired(self, token: str, now: datetime) -> bool:
        """Whether a token that was sent is too old; one that somebody else made up is taken for good."""
        issued = self._issued.get(token)
        return issued is not None and now >= issued + TOKEN_LIFE
