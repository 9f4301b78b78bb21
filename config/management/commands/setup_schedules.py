"""`manage.py setup_schedules`: what the workers do by the clock. Harmless to repeat."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django_q.models import Schedule

from config.locks import take_turn

SCHEDULES: dict[str, tuple[str, dict[str, Any]]] = {
    "Forget expired sessions": ("affiliates.tasks.forget_expired_sessions", {"schedule_type": Schedule.DAILY}),
    "Forget idempotency keys": ("affiliates.tasks.forget_idempotency_keys", {"schedule_type": Schedule.HOURLY}),
    "Renew connections": ("platforms.tasks.renew_connections", {"schedule_type": Schedule.HOURLY}),
    "Check accounts": ("platforms.tasks.check_waiting_accounts", {"schedule_type": Schedule.MINUTES, "minutes": 1}),
    "Forget click salts": ("campaigns.tasks.forget_click_salts", {"schedule_type": Schedule.MINUTES, "minutes": 1}),
    "Merge forgotten twins": ("reconciliation.tasks.sweep_twins", {"schedule_type": Schedule.HOURLY}),
    "Seal receipts": ("reconciliation.tasks.seal", {"schedule_type": Schedule.HOURLY}),
    "Open forgotten alerts": ("alerts.tasks.sweep", {"schedule_type": Schedule.MINUTES, "minutes": 5}),
}
"""By unique name: a task of settings.TASKS, and how often. What has to happen within seconds is the sweep's."""


class Command(BaseCommand):
    help = "Set up what the workers do by the clock."

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        take_turn("schedules")  # workers that start at once; a schedule's name is not unique by itself
        for name, (task, often) in SCHEDULES.items():
            Schedule.objects.update_or_create(name=name, defaults={"func": task, **often})
