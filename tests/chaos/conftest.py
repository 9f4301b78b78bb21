"""What the tests of faults share."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from config import clock
from config.demo.seeding import run_queued_tasks
from reconciliation.models import Job
from reconciliation.tasks import sweep
from tests.factories import TODAY


@pytest.fixture
def ticking() -> Iterator[Callable[[timedelta], None]]:
    """The clock stands at TODAY, and moves on by what it is told."""
    with clock.at(TODAY):
        yield lambda span: clock.set(clock.now() + span)


@pytest.fixture
def recover(ticking: Callable[[timedelta], None], drain_all: Callable[[], int]) -> Callable[[], None]:
    """What a healthy worker does about what the dead left, once their leases have lapsed: until nothing is due."""

    def work() -> None:
        for _ in range(6):
            ticking(timedelta(minutes=2))
            sweep()
            drain_all()
            run_queued_tasks()
            if not Job.objects.pending().filter(due_at__lte=clock.now() + timedelta(minutes=1)).exists():
                return
        raise AssertionError("work is left that nobody finishes")

    return work
