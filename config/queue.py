"""The queue: the only way from an app to one further right, and the only place that speaks to django-q2."""

from django.conf import settings
from django_q.tasks import async_task


def enqueue(task: str, *args: str | int) -> None:
    """Queue `task`, a dotted name listed in `settings.TASKS`, with ids for arguments.

    The broker's table is in the same database: inside a transaction the task commits or vanishes with the data.
    Raises ValueError for a name that is not listed.
    """
    if task not in settings.TASKS:
        raise ValueError(f"{task} is not one of settings.TASKS")
    async_task(task, *args)
