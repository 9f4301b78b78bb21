"""The circuit breaker of one platform: when do we stop asking, and when do we try again?

Values in, values out; the row that all workers share is kept by `services.lanes`. The steps:

- *Closed*: calls go out. Failures in a row are counted; an answer ends the count, and so many of them open it.
- *Open*: no call goes out until `retry_at`. The wait doubles each time it opens anew, up to a limit.
- *Half-open*: one call, the probe, is under way. Its answer closes the breaker, its failure opens it again. A
  probe that is never heard of again (its worker died) is given up after PROBE_S, and the next caller is the probe.

What comes back late from calls that left before it opened changes nothing. A failure is a platform that is away or
throttles us; a refused credential or a wrong call is an answer: the platform is there.

The moments are those of the clock on the wall, which may step back. A breaker that changed in what is now the future
was written before such a step: it lets a probe out instead of keeping everybody waiting for as long as the step was.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

PROBE_S = 45
"""As long as a batch is leased: by then its caller has come back or is dead."""
LONGEST_OPEN_S = 900
"""What staff may set at most."""
SKEW_S = 60
"""So far the clocks of two machines may differ; what lies further in the future was written before a clock stepped
back."""


class CircuitState(StrEnum):
    """Whether calls go out."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """Thresholds: failures in a row that open it, and how long it stays open the first time and at most."""

    failures: int = 5
    open_s: int = 15
    open_max_s: int = 300


@dataclass(frozen=True, slots=True)
class Circuit:
    """How a breaker stands. `opened` counts how often in a row it has opened; `retry_at` is when the next probe may
    go out (open), or when the present one is given up (half-open); `since` when it opened, or the probe left."""

    state: CircuitState = CircuitState.CLOSED
    failures: int = 0
    opened: int = 0
    retry_at: datetime | None = None
    since: datetime | None = field(default=None, compare=False)

    def closed_until(self, now: datetime) -> datetime | None:
        """The moment before which no call goes out; None: one may go now."""
        if self.state is CircuitState.CLOSED or self.retry_at is None or self.retry_at <= now:
            return None
        stepped_back = self.since is not None and self.since > now + timedelta(seconds=SKEW_S)
        return None if stepped_back else self.retry_at


def admitted(circuit: Circuit, now: datetime) -> Circuit | None:
    """The breaker with one more call under way; None where no call may go out."""
    if circuit.state is CircuitState.CLOSED:
        return circuit
    if circuit.closed_until(now):
        return None
    return replace(circuit, state=CircuitState.HALF_OPEN, retry_at=now + timedelta(seconds=PROBE_S), since=now)


def answered(circuit: Circuit) -> Circuit:
    """The platform answered."""
    return circuit if circuit.state is CircuitState.OPEN else Circuit()


def failed(circuit: Circuit, now: datetime, limits: BreakerLimits) -> Circuit:
    """The platform did not answer, or asked for fewer calls."""
    if circuit.state is CircuitState.OPEN:
        return circuit
    failures = circuit.failures + 1
    if circuit.state is CircuitState.CLOSED and failures < limits.failures:
        return replace(circuit, failures=failures)
    wait_s = min(limits.open_s * 2 ** min(circuit.opened, 16), limits.open_max_s)
    return Circuit(CircuitState.OPEN, failures, circuit.opened + 1, now + timedelta(seconds=wait_s), since=now)
