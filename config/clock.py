"""The one clock: every part of the product asks here for the time, so that tests, demo and sandbox can move it.

The override belongs to the process. Processes that are started anew read the real time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

_moved_to: datetime | None = None


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return _moved_to or datetime.now(UTC)


def set(moment: datetime | None) -> None:
    """Stop the clock at an aware `moment`, or let it run again with None."""
    global _moved_to
    if moment is not None and moment.tzinfo is None:
        raise ValueError("the clock takes aware datetimes only")
    _moved_to = moment.astimezone(UTC) if moment else None


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Stop the clock at `moment` for the length of a block."""
    before = _moved_to
    set(moment)
    try:
        yield
    finally:
        set(before)
