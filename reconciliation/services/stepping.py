"""The clock stepped back: what was to be waited for before is not waited for again.

All moments are those of the clock on the wall. When it steps back by an hour, what was due is due in an hour only, and
a lease lasts an hour longer. Whoever notices says how far the clock had come before; doing this twice changes nothing.

- What was due by then is due now, and so is what waited for another attempt. What had been planned for later keeps its
  moment: no plan is lost, and none comes twice.
- A lease lasts no longer than one that is taken now.
- A lane that has called in what is now the future was told to wait there too; it calls, and is told again.
- What workers do by the clock is due, where it would come later than its turn.

Breakers, budgets, pace, renewals and the queue see by themselves that what they kept lies too far ahead.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from config import clock
from config.queue import bring_schedules_forward
from platforms.models import Account, Connection
from reconciliation.models import DiscordInteraction, Import, Job
from reconciliation.services.importing import LEASE as IMPORT_LEASE
from reconciliation.services.jobs import BACKOFF_MAX_S, LEASE_S, due_from


@transaction.atomic
def step_back(*, reached: datetime) -> None:
    """The clock had reached this moment, and is behind it now."""
    now = clock.now()
    retried_by = reached + timedelta(seconds=BACKOFF_MAX_S)
    waiting = Q(due_at__lte=reached) | Q(due_at__lte=retried_by, attempts__gt=0)
    _hurry(Q(waiting, state=Job.State.DUE, due_at__gt=now), **due_from(now))
    lapses_at = now + timedelta(seconds=LEASE_S)
    _hurry(Q(state=Job.State.LEASED, leased_until__gt=lapses_at), leased_until=lapses_at)
    Connection.objects.filter(not_before__gt=now, last_call_at__gt=now).update(not_before=None)
    Account.objects.filter(check_due_at__gt=now, check_due_at__lte=reached).update(check_due_at=now)
    Import.objects.filter(leased_until__gt=now + IMPORT_LEASE).update(leased_until=now + IMPORT_LEASE)
    DiscordInteraction.objects.filter(tell_at__gt=now, tell_at__lte=retried_by).update(tell_at=now)
    bring_schedules_forward()


def _hurry(which: Q, **moments: Any) -> None:
    """Locked in the order in which all take jobs; what somebody holds at this instant is at work."""
    jobs = Job.objects.filter(which).select_for_update(skip_locked=True, of=("self",)).order_by("post_id")
    Job.objects.filter(pk__in=list(jobs.values_list("pk", flat=True))).update(**moments)
