"""Draining a lane: lease a batch, ask the platform once, settle, until nothing is due.

No transaction spans the call.
"""

import random
import time
from dataclasses import replace
from uuid import UUID

import structlog

from config import clock
from platforms.adapters import adapter_for
from platforms.errors import ErrorKind, PlatformError
from platforms.models import Connection
from platforms.services import hold_connection, note_failure, note_success, park_connection
from platforms.transport import shared_http
from reconciliation.services.jobs import PACE_S, Batch, Wait, give_back, lease_batch, wake
from reconciliation.services.settling import Answer, settle

log = structlog.get_logger(__name__)

TIME_BUDGET_S = 12.0
"""A drain that has worked so long hands the lane on, well before the queue's time-out would kill it."""
RATE_LIMIT_DEFAULT_S = 60
OUTAGE_WAIT_MAX_S = 300


def drain(*, connection_id: UUID | None, paced: bool = True) -> int:
    """Work off what is due in a lane; returns how many looks were settled.

    `paced` off is for the seeding and re-running of many looks under a clock that stands still.
    """
    started = time.monotonic()
    settled = 0
    while time.monotonic() - started < TIME_BUDGET_S:
        batch = lease_batch(connection_id=connection_id, paced=paced)
        if isinstance(batch, Wait):
            time.sleep(min(PACE_S, max(0.0, (batch.until - clock.now()).total_seconds())))
            continue  # a full batch may have left meanwhile, and then it is this caller who waits for the next call
        if batch is None:
            return settled
        settled += work(batch)
    wake(connection_id)
    return settled


def work(batch: Batch) -> int:
    """Take one leased batch of looks to its end; returns how many were settled, 0 when the platform failed."""
    request_ids = sorted({job.request_id for job in batch.jobs if job.request_id})
    with structlog.contextvars.bound_contextvars(request_ids=request_ids):
        try:
            answer = ask(batch)
        except PlatformError as error:
            _after_platform_error(batch, error)
            return 0
        except Exception as error:  # our own fault: given back with its name, and raised to be seen
            give_back(batch=batch, error=type(error).__name__)
            raise
        settled = _settle(batch, answer)
        log.info("settled", lane=_lane(batch), looks=settled)
    return settled


def _settle(batch: Batch, answer: Answer) -> int:
    """Settle the batch; should that fail, each look by itself, so that only the one at fault is given back."""
    try:
        return settle(batch=batch, answer=answer)
    except Exception as error:
        if len(batch.jobs) == 1:
            give_back(batch=batch, error=type(error).__name__)
            raise
        log.warning("batch_not_settled", lane=_lane(batch), error=type(error).__name__)
    settled, fault = 0, None
    for job in batch.jobs:
        try:
            settled += _settle(replace(batch, jobs=[job]), answer)
        except Exception as error:  # noqa: BLE001 (raised below, once the others are settled)
            fault = error
    if fault:
        raise fault
    return settled


def _lane(batch: Batch) -> str:
    connection = batch.connection
    return f"{connection.platform.slug} {connection.pk}" if connection else "no platform"


def ask(batch: Batch) -> Answer:
    """One call for the whole batch, or none where no platform needs to be asked. Raises PlatformError.

    The moment of the fetch is the one before the call: a claim that comes while the answer is under way is later
    than it, and gets a look of its own.
    """
    fetched_at = clock.now()
    if batch.connection is None:
        return Answer(fetched_at=fetched_at, readings=None)
    adapter = adapter_for(batch.connection.platform.slug, livemode=batch.connection.livemode)
    ids = list(dict.fromkeys(job.post.external_id for job in batch.jobs))
    response = adapter.fetch(shared_http, ids)
    note_success(connection_id=batch.connection.pk)
    return Answer(fetched_at=fetched_at, readings=response.readings)


def _after_platform_error(batch: Batch, error: PlatformError) -> None:
    """Throttled or away: the lane rests. Credential dead: the lane is parked. Anything else: an attempt is used up.

    A platform that is away uses up nobody's attempts: the claims wait, and its lane is tried again after a wait that
    doubles up to OUTAGE_WAIT_MAX_S.
    """
    connection = batch.connection
    if connection is None:
        raise error
    log.warning("platform_error", lane=_lane(batch), kind=error.kind, code=error.code)
    message = f"{error.kind}: {error.code}"
    if error.retryable and error.kind != ErrorKind.MALFORMED:
        away = error.kind == ErrorKind.UNAVAILABLE
        wait_s = error.retry_after_s or (_outage_wait_s(connection) if away else RATE_LIMIT_DEFAULT_S)
        hold_connection(connection_id=connection.pk, wait_s=wait_s)
        give_back(batch=batch, error=message, retry_after_s=wait_s, counts=False)
    elif error.kind in (ErrorKind.AUTH, ErrorKind.PERMISSION, ErrorKind.QUOTA):
        park_connection(connection_id=connection.pk, reason=message)
        give_back(batch=batch, error=message, retry_after_s=0, counts=False)
    else:
        give_back(batch=batch, error=message, retry_after_s=error.retry_after_s)


def _outage_wait_s(connection: Connection) -> int:
    """Twice as long with each call in a row that failed, with full jitter."""
    failures = note_failure(connection_id=connection.pk)
    return random.randint(1, min(OUTAGE_WAIT_MAX_S, 2 ** min(failures, 16)))  # noqa: S311 (jitter, no secret)


def lanes() -> list[UUID | None]:
    """Every lane that may work, and the one that asks no platform."""
    active = Connection.objects.filter(state=Connection.State.ACTIVE).order_by("platform__slug", "pk")
    return [None, *active.values_list("pk", flat=True)]
