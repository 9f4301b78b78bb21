"""`manage.py setup_schedules`: what the workers do by the clock. Harmless to repeat."""

from typing import Any

from django.core.management.base import BaseCommand
from django_q.models import Schedule

SCHEDULES = {"Forget expired sessions": ("affiliates.tasks.forget_expired_sessions", Schedule.DAILY)}
"""By unique name: a task of settings.TASKS, and how often. What has to happen within seconds is the sweep's."""


class Command(BaseCommand):
    help = "Set up what the workers do by the clock."

    def handle(self, *args: Any, **options: Any) -> None:
        for name, (task, often) in SCHEDULES.items():
            Schedule.objects.get_or_create(name=name, defaults={"func": task, "schedule_type": often})
            Schedule.objects.filter(name=name).update(func=task, schedule_type=often)
        Schedule.objects.exclude(name__in=SCHEDULES).delete()
