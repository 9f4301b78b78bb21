"""A platform's word, by the signs for it."""

from datetime import UTC, datetime, timedelta

import pytest

from platforms.breaker import Circuit, CircuitState
from platforms.health import Signs, health

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("signs", "word"),
    [
        (Signs(Circuit()), "up"),
        (Signs(Circuit(CircuitState.OPEN, retry_at=at(60))), "down"),
        (Signs(Circuit(CircuitState.OPEN, retry_at=at(-60))), "down"),  # nobody has tried since
        (Signs(Circuit(CircuitState.HALF_OPEN, retry_at=at(60))), "down"),
        (Signs(Circuit(), parked=True), "down"),
        (Signs(Circuit(failures=3), parked=True, free_at=at(60)), "down"),
        (Signs(Circuit(failures=1)), "up"),
        (Signs(Circuit(failures=2)), "degraded"),
        (Signs(Circuit(), free_at=at(-60)), "up"),
        (Signs(Circuit(), free_at=at(10)), "up"),
        (Signs(Circuit(), free_at=at(10.001)), "degraded"),
        (Signs(Circuit(), oldest_due_at=at(-600)), "up"),
        (Signs(Circuit(), oldest_due_at=at(-600.001)), "degraded"),
        (Signs(Circuit(failures=1), free_at=at(5), oldest_due_at=at(-60)), "up"),
    ],
)
def test_how_a_platform_is_doing(signs, word):
    assert health(signs, NOW) == word
