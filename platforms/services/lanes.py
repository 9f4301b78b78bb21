"""What happens to lanes: parked and resumed, told to wait, paid for call by call, stopped by a platform's breaker."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Greatest

from affiliates.models import User
from affiliates.services import audit
from config import clock
from platforms import breaker, budget
from platforms.breaker import Circuit
from platforms.errors import ErrorKind, PlatformError
from platforms.models import Breaker, Connection


class NotNowError(PlatformError):
    """The call was not made, for a reason of our own that passes. It says nothing about the platform."""


class BudgetSpentError(NotNowError):
    """Our own call budget has nothing left just now."""


class BreakerOpenError(NotNowError):
    """The platform's breaker lets nobody through just now."""


def park_connection(*, connection_id: UUID, reason: str, locked: str | None = None) -> None:
    """Stop a lane whose credential fails for good; its jobs wait, other lanes go on.

    `locked` is what the lane held when it was refused: one that holds something newer by now goes on.
    """
    refused = Connection.objects.filter(pk=connection_id, state=Connection.State.ACTIVE)
    (refused if locked is None else refused.filter(locked=locked)).update(
        state=Connection.State.PARKED, parked_at=clock.now(), parked_reason=reason[:200]
    )


@transaction.atomic
def resume_connection(*, connection_id: UUID, by: User) -> bool:
    """Let a parked lane work again, once its credential is mended; returns whether it was parked."""
    connection = Connection.objects.select_for_update(of=("self",)).get(pk=connection_id)
    if connection.state != Connection.State.PARKED:
        return False
    connection.state, connection.parked_at, connection.parked_reason = Connection.State.ACTIVE, None, ""
    connection.not_before = None
    connection.save(update_fields=["state", "parked_at", "parked_reason", "not_before"])
    audit(actor=by, action="connection.resumed", row=connection)
    return True


def hold_connection(*, connection_id: UUID, wait_s: int) -> None:
    """No call on this lane for so many seconds: the platform asked for it, or the budget is spent. Of several waits
    the longest holds."""
    until = clock.now() + timedelta(seconds=wait_s)
    Connection.objects.filter(pk=connection_id).update(not_before=Greatest("not_before", Value(until)))


@transaction.atomic
def clear_wait(*, connection_id: UUID, by: User) -> bool:
    """Let a lane call before the moment it was told to wait for; returns whether it was waiting. The call budget still
    holds, and what the platform answers may make it wait again."""
    connection = Connection.objects.select_for_update(of=("self",), no_key=True).get(pk=connection_id)
    waited_for = connection.not_before
    if waited_for is None or waited_for <= clock.now():
        return False
    connection.not_before = None
    connection.save(update_fields=["not_before"])
    audit(actor=by, action="connection.wait_cleared", row=connection, changes={"not_before": waited_for.isoformat()})
    return True


# --- The call budget


@dataclass(frozen=True, slots=True)
class Purse:
    """Pays for the calls of one lane, each before it leaves. What adapters call is `pay`."""

    connection_id: UUID

    def pay(self, cost: int = 1) -> None:
        """Raises BudgetSpentError, and spends nothing, where the call may not leave now."""
        self.pay_ahead([cost])

    @transaction.atomic
    def pay_ahead(self, costs: Sequence[int]) -> int:
        """Pay for as many of these calls, in their order, as may leave now; returns how many. Raises BudgetSpentError,
        and spends nothing, where not even the first one may."""
        connection = self._locked()
        now, limits = clock.now(), connection.platform.budget
        spent, paid = connection.spent, 0
        for cost in costs:
            allowed_at = budget.spendable_at(spent, limits, now, cost)
            if allowed_at > now:
                if not paid:
                    raise _budget_spent(connection, allowed_at, now)
                break
            spent, paid = budget.spend(spent, limits, now, cost), paid + 1
        self._save(spent)
        return paid

    @transaction.atomic
    def take_back(self, cost: int) -> None:
        """What was paid for calls that were not made."""
        connection = self._locked()
        self._save(budget.take_back(connection.spent, connection.platform.budget, clock.now(), cost))

    def _locked(self) -> Connection:
        lanes = Connection.objects.select_for_update(of=("self",), no_key=True).select_related("platform")
        lane: Connection = lanes.get(pk=self.connection_id)
        return lane

    def _save(self, spent: budget.Spent) -> None:
        Connection.objects.filter(pk=self.connection_id).update(
            paid_until=spent.paid_until, quota_day=spent.day, quota_used=spent.used
        )


class Calls:
    """The calls of one piece of work on a lane: each is paid for before it leaves, and the platform's breaker is asked
    before the first. As a context it notes with the breaker what they came to, takes back what was paid ahead and not
    used, and says nothing of work that made no call.

    What adapters call is `pay`; several threads may, once the first call has been answered. Raises NotNowError where a
    call may not leave.
    """

    def __init__(self, lane: Connection) -> None:
        self.lane = lane
        self.made = 0
        self.failure: PlatformError | None = None
        """What ended a work in the middle of which some calls were answered."""
        self._paid_ahead = 0
        self._purse = Purse(lane.pk)
        self._paying = threading.Lock()

    def pay_ahead(self, costs: Sequence[int]) -> int:
        """Pay for calls before they are made, in one go; returns how many may leave now. Raises BudgetSpentError."""
        paid = self._purse.pay_ahead(costs)
        self._paid_ahead += sum(costs[:paid])
        return paid

    def pay(self, cost: int = 1) -> None:
        """Once paid for and let through, the call leaves."""
        with self._paying:
            if self._paid_ahead >= cost:
                self._paid_ahead -= cost
            else:
                self._purse.pay(cost)
            if not self.made and admit_call(connection=self.lane):
                self._paid_ahead += cost
                raise BreakerOpenError(
                    ErrorKind.UNAVAILABLE, "breaker_open", f"{self.lane.platform}: the breaker is open.", 1
                )
            self.made += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._paid_ahead:
            self._purse.take_back(self._paid_ahead)
        if not self.made:
            return
        error = error or self.failure
        if isinstance(error, NotNowError):
            error = None  # this one did not leave; those before it were answered
        if isinstance(error, PlatformError) and error.is_failure:
            note_failure(connection=self.lane, error=f"{error.kind}: {error.code}")
        elif error is None or isinstance(error, PlatformError):
            note_answer(connection=self.lane)


def _budget_spent(connection: Connection, allowed_at: datetime, now: datetime) -> BudgetSpentError:
    limits = connection.platform.budget
    kind = ErrorKind.QUOTA if allowed_at == limits.next_day(now) else ErrorKind.RATE_LIMIT
    wait = allowed_at - now
    wait_s = wait.days * 86_400 + wait.seconds + (wait.microseconds > 0)
    return BudgetSpentError(kind, "call_budget", f"{connection.platform}: the call budget is spent.", wait_s)


# --- The breaker


def shut_until(*, connection: Connection) -> datetime | None:
    """The moment before which the platform's breaker lets nobody through; None: a call may be tried."""
    return _breaker_of(connection).circuit.closed_until(clock.now())


def admit_call(*, connection: Connection) -> datetime | None:
    """Ask the platform's breaker for one call. None: it may leave; else the moment to come back at.

    Of several who come when a probe is due, one is let through.
    """
    now = clock.now()
    found = _breaker_of(connection)
    if found.circuit.state is breaker.CircuitState.CLOSED:
        return None
    circuit = breaker.admitted(found.circuit, now)
    if circuit and _swap(found, circuit):
        return None
    return found.circuit.closed_until(now) or now + timedelta(seconds=1)


@transaction.atomic
def note_answer(*, connection: Connection) -> None:
    """The platform answered this lane just now."""
    Connection.objects.filter(pk=connection.pk).update(last_success_at=clock.now())
    found = _breaker_of(connection)
    circuit = breaker.answered(found.circuit)
    if circuit != found.circuit:
        _swap(found, circuit)


def note_failure(*, connection: Connection, error: str) -> Circuit:
    """The platform did not answer this lane, or throttled it; returns how its breaker stands now."""
    limits = connection.platform.breaker_limits
    while True:  # counted one after the other: a swap that fails means that somebody else's came first
        found = _breaker_of(connection)
        circuit = breaker.failed(found.circuit, clock.now(), limits)
        if circuit == found.circuit or _swap(found, circuit, last_error=error[:200]):
            return circuit


@transaction.atomic
def reset_breaker(*, breaker_id: UUID, by: User) -> bool:
    """Close a breaker by hand; returns whether it was open."""
    found = Breaker.objects.select_for_update(of=("self",)).get(pk=breaker_id)
    if found.circuit == Circuit():
        return False
    _swap(found, Circuit())
    audit(actor=by, action="breaker.reset", row=found, changes={"state": found.state, "failures": found.failures})
    return True


def _breaker_of(connection: Connection) -> Breaker:
    found: Breaker = Breaker.objects.get(platform_id=connection.platform_id, livemode=connection.livemode)
    return found


def _swap(found: Breaker, circuit: Circuit, **more: str) -> bool:
    """Put `circuit` in place of what was found, unless somebody changed it meanwhile."""
    if (circuit.state, circuit.retry_at) != (found.state, found.retry_at):
        more["changed_at"] = clock.now()  # type: ignore[assignment]
    unchanged = Breaker.objects.filter(
        pk=found.pk, state=found.state, failures=found.failures, opened=found.opened, retry_at=found.retry_at
    )
    new = {
        "state": circuit.state,
        "failures": circuit.failures,
        "opened": circuit.opened,
        "retry_at": circuit.retry_at,
    }
    return bool(unchanged.update(**new, **more))
