"""The queue: the only way from an app to one further right, and the only place that speaks to django-q2."""

from django.conf import settings
from django_q.models import OrmQ
from django_q.tasks import async_task


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
