"""Draining a lane: lease a batch, ask the platform once, settle, until nothing is due.

No transaction spans the call.
"""

import time
from dataclasses import replace
from uuid import UUID

import structlog

from config import clock
from config.cluster import is_stopping
from config.memory import collector_at_rest
from platforms.errors import ErrorKind, PlatformError, UnansweredError
from platforms.models import Connection
from platforms.services.lanes import NotNowError, hold_connection, park_connection
from reconciliation.services.asking import ask
from reconciliation.services.identifying import identify_posts
from reconciliation.services.jobs import BATCH, PACE_S, Batch, Wait, give_back, lease_batch, wake
from reconciliation.services.settling import Answer, settle

log = structlog.get_logger(__name__)

TIME_BUDGET_S = 8.0
"""A drain that has worked so long, or is to stop, hands the lane on: its last batch may take as long as calls may begin
and last, and must be settled before the queue's time-out."""
LOGGED_REQUEST_IDS = 100
RATE_LIMIT_DEFAULT_S = 60


@collector_at_rest()
def drain(*, connection_id: UUID | None, paced: bool = True) -> int:
    """Work off what is due in a lane; returns how many looks were settled.

    `paced` off is for the seeding and re-running of many looks under a clock that stands still.
    """
    started = time.monotonic()
    settled = 0
    while time.monotonic() - started < TIME_BUDGET_S and not is_stopping():
        batch = lease_batch(connection_id=connection_id, paced=paced)
        if isinstance(batch, Wait):
            time.sleep(min(PACE_S, max(0.0, (batch.until - clock.now()).total_seconds())))
            continue  # a full batch may have left meanwhile, and then it is this caller who waits for the next call
        if batch is None:
            return settled
        if len(batch.jobs) >= BATCH:
            wake(connection_id)  # there is more than one can do: whoever is free joins in
        settled += work(batch)
    wake(connection_id)
    return settled


def work(batch: Batch) -> int:
    """Take one leased batch of looks to its end; returns how many were settled, 0 when the platform failed."""
    request_ids = sorted({job.request_id for job in batch.jobs if job.request_id})[:LOGGED_REQUEST_IDS]
    with structlog.contextvars.bound_contextvars(request_ids=request_ids):
        try:
            if not all(job.post.is_identified for job in batch.jobs):
                return identify_posts(batch=batch)
            answer, unanswered, failure = ask(batch)
        except PlatformError as error:
            _after_platform_error(batch, error)
            return 0
        except Exception as error:  # our own fault: given back with its name, and raised to be seen
            give_back(batch=batch, error=type(error).__name__)
            raise
        missed: set[UUID] = set()
        for reason, jobs in unanswered:
            missed |= {job.pk for job in jobs}
            part = replace(batch, jobs=jobs)
            if reason is failure:
                _after_platform_error(part, reason)
            else:
                _after_no_answer(part, reason)
        answered = replace(batch, jobs=[job for job in batch.jobs if job.pk not in missed])
        settled = _settle(answered, answer) if answered.jobs else 0
        log.info("settled", lane=_lane(batch), looks=settled)
    return settled


def _after_no_answer(batch: Batch, reason: PlatformError) -> None:
    """Looks that an answer left open, or that no call was left for."""
    if batch.connection and reason.retry_after_s and not isinstance(reason, NotNowError):
        hold_connection(connection_id=batch.connection.pk, wait_s=reason.retry_after_s)
    counts = reason.kind != ErrorKind.RATE_LIMIT and not isinstance(reason, NotNowError)
    message = f"{reason.kind}: {reason.code}"
    give_back(batch=batch, error=message, retry_after_s=reason.retry_after_s, counts=counts)


def _settle(batch: Batch, answer: Answer) -> int:
    """Settle the batch; should that fail, each half of it by itself, so that only the look at fault is given back."""
    try:
        return settle(batch=batch, answer=answer)
    except Exception as error:
        if len(batch.jobs) == 1:
            give_back(batch=batch, error=type(error).__name__)
            raise
        log.warning("batch_not_settled", lane=_lane(batch), looks=len(batch.jobs), error=type(error).__name__)
    settled, fault = 0, None
    middle = len(batch.jobs) // 2
    for half in (batch.jobs[:middle], batch.jobs[middle:]):
        try:
            settled += _settle(replace(batch, jobs=half), answer)
        except Exception as error:  # noqa: BLE001 (raised below, once the others are settled)
            fault = error
    if fault:
        raise fault
    return settled


def _lane(batch: Batch) -> str:
    connection = batch.connection
    return f"{connection.platform.slug} {connection.pk}" if connection else "no platform"


def _after_platform_error(batch: Batch, error: PlatformError) -> None:
    """What a call that came to nothing does to its lane. (What it means for the breaker was noted where it was made.)

    The platform is away or throttles us, the quota or our own budget is spent, the breaker is open, the token is just
    being renewed: the lane rests where a time is known. None of these uses up anybody's attempts. Credential dead: the
    lane is parked, and no other. Anything else, and posts that the platform answers nothing for, uses up an attempt.
    """
    connection = batch.connection
    if connection is None:
        raise error
    log.warning("platform_error", lane=_lane(batch), kind=error.kind, code=error.code)
    message, wait_s = f"{error.kind}: {error.code}", error.retry_after_s
    if error.kind == ErrorKind.RATE_LIMIT:
        wait_s = wait_s or RATE_LIMIT_DEFAULT_S
    if isinstance(error, UnansweredError):
        give_back(batch=batch, error=message, retry_after_s=wait_s)
    elif error.retryable and error.kind != ErrorKind.MALFORMED:
        if wait_s:
            hold_connection(connection_id=connection.pk, wait_s=wait_s)
        give_back(batch=batch, error=message, retry_after_s=wait_s, counts=False)
    elif error.kind in (ErrorKind.AUTH, ErrorKind.PERMISSION, ErrorKind.QUOTA):
        park_connection(connection_id=connection.pk, reason=message, locked=connection.locked)
        give_back(batch=batch, error=message, retry_after_s=0, counts=False)
    else:
        give_back(batch=batch, error=message, retry_after_s=wait_s)


def lanes() -> list[UUID | None]:
    """Every lane that may work, and the one that asks no platform."""
    active = Connection.objects.filter(state=Connection.State.ACTIVE).order_by("platform__slug", "pk")
    return [None, *active.values_list("pk", flat=True)]
