"""The queue: the only way from an app to one further right, and the only place that speaks to django-q2."""

from django.conf import settings
from django_q.models import OrmQ, Schedule
from django_q.tasks import async_task

from config import clock


def enqueue(task: str, *args: str | int) -> None:
    """Queue `task`, a dotted name listed in `settings.TASKS`, with ids for arguments.

    The broker's table is in the same database: inside a transaction the task commits or vanishes with the data.
    Raises ValueError for a name that is not listed.
    """
    if task not in settings.TASKS:
        raise ValueError(f"{task} is not one of settings.TASKS")
    async_task(task, *args)


def unreadable() -> list[str]:
    """The ids of queued rows that no worker can do anything with: signed with another key, or not one of ours."""
    rows = OrmQ.objects.order_by("pk").iterator(chunk_size=1000)
    return [str(row.pk) for row in rows if row.task.get("func") not in settings.TASKS]


def bring_schedules_forward() -> None:
    """What is done by the clock comes in its turn, counted from now: the clock may have stepped back."""
    now = clock.now()
    for schedule in Schedule.objects.filter(next_run__gt=now):
        if schedule.next_run > schedule.calculate_next_run(now):
            Schedule.objects.filter(pk=schedule.pk, next_run=schedule.next_run).update(next_run=now)
