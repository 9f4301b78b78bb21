"""Draining a lane: lease a batch, ask the platform once, settle, until nothing is due.

No transaction spans the call.
"""

import time
from uuid import UUID

import structlog

from config import clock
from platforms.adapters import adapter_for
from platforms.errors import ErrorKind, PlatformError
from platforms.models import Connection
from platforms.services import hold_connection, note_success, park_connection
from platforms.transport import shared_http
from reconciliation.services.jobs import Batch, Wait, give_back, lease_batch, wake
from reconciliation.services.settling import Answer, settle

log = structlog.get_logger(__name__)

TIME_BUDGET_S = 12.0
"""A drain that has worked so long hands the lane on, well before the queue's time-out would kill it."""
RATE_LIMIT_DEFAULT_S = 60


def drain(*, connection_id: UUID | None, paced: bool = True) -> int:
    """Work off what is due in a lane; returns how many looks were settled.

    `paced` off is for the seeding and re-running of many looks under a clock that stands still.
    """
    started = time.monotonic()
    settled = 0
    while time.monotonic() - started < TIME_BUDGET_S:
        batch = lease_batch(connection_id=connection_id, paced=paced)
        if isinstance(batch, Wait):
            time.sleep(max(0.0, (batch.until - clock.now()).total_seconds()))
            continue  # a full batch may have left meanwhile, and then it is this caller who waits for the next call
        if batch is None:
            return settled
        settled += work(batch)
    wake(connection_id)
    return settled


def work(batch: Batch) -> int:
    """Take one leased batch of looks to its end; returns how many were settled, 0 when the platform failed."""
    try:
        settled = settle(batch=batch, answer=ask(batch))
    except PlatformError as error:
        _after_platform_error(batch, error)
        return 0
    except Exception as error:  # our own fault: given back with its name, and raised to be seen
        give_back(batch=batch, error=f"{type(error).__name__}: {error}")
        raise
    log.info(
        "settled",
        lane=str(batch.connection or "no platform"),
        looks=settled,
        request_ids=sorted({job.request_id for job in batch.jobs if job.request_id}),
    )
    return settled


def ask(batch: Batch) -> Answer:
    """One call for the whole batch, or none where no platform needs to be asked. Raises PlatformError.

    The moment of the fetch is the one before the call: a claim that comes while the answer is under way is later
    than it, and gets a look of its own.
    """
    fetched_at = clock.now()
    if batch.connection is None:
        return Answer(fetched_at=fetched_at, readings=None)
    adapter = adapter_for(batch.connection.platform.slug)
    ids = list(dict.fromkeys(job.post.external_id for job in batch.jobs))
    response = adapter.fetch(shared_http, ids)
    note_success(connection_id=batch.connection.pk)
    return Answer(fetched_at=fetched_at, readings=response.readings)


def _after_platform_error(batch: Batch, error: PlatformError) -> None:
    """Throttled: the lane rests. Credential dead: the lane is parked. Anything else: tried again after a backoff."""
    connection = batch.connection
    if connection is None:
        raise error
    log.warning("platform_error", lane=str(connection), kind=error.kind, code=error.code)
    message = f"{error.kind}: {error.code}"
    if error.kind in (ErrorKind.RATE_LIMIT, ErrorKind.QUOTA) and error.retryable:
        wait_s = error.retry_after_s or RATE_LIMIT_DEFAULT_S
        hold_connection(connection_id=connection.pk, wait_s=wait_s)
        give_back(batch=batch, error=message, retry_after_s=wait_s, counts=False)
    elif error.kind in (ErrorKind.AUTH, ErrorKind.PERMISSION, ErrorKind.QUOTA):
        park_connection(connection_id=connection.pk, reason=message)
        give_back(batch=batch, error=message, retry_after_s=0, counts=False)
    else:
        give_back(batch=batch, error=message, retry_after_s=error.retry_after_s)


def lanes() -> list[UUID | None]:
    """Every lane that may work, and the one that asks no platform."""
    active = Connection.objects.filter(state=Connection.State.ACTIVE).order_by("platform__slug", "pk")
    return [None, *active.values_list("pk", flat=True)]
