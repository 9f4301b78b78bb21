"""How a platform is doing, in one word: signs in, a word out.

- *down*: nothing comes through. The breaker is open or tries a first call, or the application's credential is refused.
- *degraded*: it works, but not as it should: calls fail in a row, the platform or our own budget makes the
  application's lane rest, or a look has been due for long.
- *up*: otherwise.

One failed call is everyday, and so are rests of some seconds between calls: neither is worth a word. What concerns an
affiliate's own connection says nothing about the platform.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from platforms.breaker import Circuit, CircuitState

FAILURES_IN_A_ROW = 2
REST_S = 10
LATE_S = 600


class Health(StrEnum):
    """How a platform is doing."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Signs:
    """What tells how a platform is doing: its breaker, whether the application's lane is parked, when that lane may
    call again, and since when the oldest look has been due; None: at once, and none is."""

    circuit: Circuit
    parked: bool = False
    free_at: datetime | None = None
    oldest_due_at: datetime | None = None


def health(signs: Signs, now: datetime) -> Health:
    """The word for these signs."""
    if signs.parked or signs.circuit.state is not CircuitState.CLOSED:
        return Health.DOWN
    failing = signs.circuit.failures >= FAILURES_IN_A_ROW
    resting = signs.free_at is not None and signs.free_at > now + timedelta(seconds=REST_S)
    late = signs.oldest_due_at is not None and signs.oldest_due_at < now - timedelta(seconds=LATE_S)
    return Health.DEGRADED if failing or resting or late else Health.UP
