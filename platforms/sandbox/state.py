"""What a running sandbox remembers: clock, faults in force, counters and notes. Safe to use from many threads."""

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from platforms.sandbox.notes import Notes
from platforms.sandbox.traits import PLATFORMS
from platforms.sandbox.wire import FaultKind
from platforms.sandbox.world import World

YEARS = range(2000, 2100)


def utc_moment(text: str) -> datetime:
    """An ISO 8601 time; one without an offset is UTC. Raises ValueError with a reason."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an ISO 8601 time, such as 2026-11-01T12:00:00Z") from error
    if moment.year not in YEARS:
        raise ValueError(f"{text!r} is not between the years {YEARS.start} and {YEARS.stop - 1}")
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


@dataclass(slots=True)
class Fault:
    """A platform's trouble: each call has it with probability `rate` until `ends_at` on the machine's monotonic clock.

    The draws are a sequence fixed by seed, platform and kind: the n-th call after the fault was set always fares alike.
    """

    platform: str
    kind: FaultKind
    rate: float
    ends_at: float
    draws: Random
    cleared: threading.Event = field(default_factory=threading.Event)

    @property
    def seconds_left(self) -> float:
        return max(0.0, self.ends_at - time.monotonic())


class SandboxState:
    def __init__(self, world: World) -> None:
        self.world = world
        self.notes = Notes()
        self._lock = threading.Lock()
        self._faults: dict[tuple[str, FaultKind], Fault] = {}
        self._calls = dict.fromkeys(PLATFORMS, 0)
        self._posts = dict.fromkeys(PLATFORMS, 0)
        self.set_clock(None, frozen=False)

    def set_clock(self, now: datetime | None, *, frozen: bool) -> None:
        """Make it `now` (aware; None = the real time). Time then stands still if frozen, else runs on from there."""
        started = time.monotonic()
        base = now or datetime.fromtimestamp(time.time(), UTC)
        with self._lock:
            self._base, self._started, self._frozen = base, started, frozen

    @property
    def frozen(self) -> bool:
        return self._frozen

    def now(self) -> datetime:
        with self._lock:
            elapsed_s = 0.0 if self._frozen else time.monotonic() - self._started
            return self._base + timedelta(seconds=elapsed_s)

    def set_fault(self, platform: str, kind: FaultKind, rate: float, seconds: float) -> None:
        """Put a fault in force for `seconds` of real time, in place of one of the same kind; rate 0 only takes it away.

        Seconds are real ones whatever the sandbox's clock does, or a frozen clock would keep a fault for ever.
        """
        draws = Random(f"{self.world.seed}:{platform}:{kind}")
        with self._lock:
            previous = self._faults.pop((platform, kind), None)
            if rate > 0:
                self._faults[platform, kind] = Fault(platform, kind, rate, time.monotonic() + seconds, draws)
        if previous is not None:
            previous.cleared.set()

    def faults(self) -> list[Fault]:
        """The faults in force."""
        with self._lock:
            return [fault for fault in self._faults.values() if fault.seconds_left > 0]

    def strike(self, platform: str, only: FaultKind | None = None) -> Fault | None:
        """The fault that the next call of a platform meets, if any: the first in force whose draw says so."""
        with self._lock:
            for fault in self._faults.values():
                in_force = fault.platform == platform and only in (None, fault.kind) and fault.seconds_left > 0
                if in_force and fault.draws.random() < fault.rate:
                    return fault
        return None

    def count(self, platform: str, posts: int) -> None:
        """Note one data call that asked for so many posts."""
        with self._lock:
            self._calls[platform] += 1
            self._posts[platform] += posts

    def data_calls(self, platform: str) -> int:
        return self._calls.get(platform, 0)

    def stats(self) -> dict[str, dict[str, int]]:
        """Data calls that arrived, answered or not, and the posts they asked for; calls for tokens are not counted."""
        with self._lock:
            return {name: {"data_calls": self._calls[name], "posts": self._posts[name]} for name in PLATFORMS}

    def reset(self) -> None:
        """Clear faults (calls that hang in one are let go), counters and notes; the clock stays."""
        self.notes.clear()
        with self._lock:
            ended = list(self._faults.values())
            self._faults.clear()
            self._calls = dict.fromkeys(PLATFORMS, 0)
            self._posts = dict.fromkeys(PLATFORMS, 0)
        for fault in ended:
            fault.cleared.set()
