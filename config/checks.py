"""What a server is told before it serves."""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.utils.module_loading import import_string

BROKER = "config.broker.Broker"
OTHER_BROKERS = {"redis", "sqs", "iron_mq", "mongo"}
ENDLESS = 1_000_000


@register
def secret_key_is_kept(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """A key of one process's own ends with it, and no other process reads what it signed."""
    if settings.SECRET_KEY_IS_KEPT:
        return []
    return [
        Warning(
            "SECRET_KEY is not set and none could be kept under var/, so this process made one for itself.",
            hint="Set SECRET_KEY, or let var/ be written: otherwise sessions and queued hints end with the process.",
            id="config.W001",
        )
    ]


@register
def upload_scanner_is_there(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """Otherwise every upload would be refused, and nobody told why."""
    try:
        if settings.UPLOAD_SCANNER and not callable(import_string(settings.UPLOAD_SCANNER)):
            raise ImportError(f"{settings.UPLOAD_SCANNER} can't be called")
    except ImportError as error:
        return [Error(f"UPLOAD_SCANNER names no scanner: {error}", id="config.E001")]
    return []


@register
def nothing_queued_is_lost_or_doubled(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """Several of the queue's defaults, and some ways to reach a database, lose or repeat work."""
    faults = [*_faults_of_queue(settings.Q_CLUSTER), *_faults_of_database(settings.DATABASES["default"])]
    return [Error(what, hint=hint, id=f"config.{number}") for number, what, hint in faults]


Fault = tuple[str, str, str]
"""Its number, what is wrong, and what to do."""


def _faults_of_queue(queue: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with Q_CLUSTER; what it leaves out has django-q2's default."""
    workers, timeout_s, bulk = queue.get("workers") or 1, queue.get("timeout"), queue.get("bulk", 1)
    limit = queue.get("queue_limit", workers**2)
    if queue.get("orm") != "default" or queue.get("broker_class") != BROKER or queue.keys() & OTHER_BROKERS:
        yield (
            "E010",
            "The queue is not in our own database.",
            f'Set orm "default" and broker_class "{BROKER}", and no other broker: elsewhere a task is neither rolled'
            " back nor kept with what it is about.",
        )
    if timeout_s is None:
        yield "E011", "A task of the queue may run for ever.", "Set timeout, in seconds: a task that hangs would block."
    if limit > workers or bulk > 1:
        yield (
            "E012",
            "More tasks are handed out than there are workers.",
            "Set queue_limit to no more than workers, and bulk 1: what waits in memory is repeated when its time is"
            " up, and lost to others when its process dies.",
        )
    if timeout_s is not None and queue.get("retry", 60) < (least := timeout_s * (ceil(limit / workers) + 1) + 30):
        yield (
            "E013",
            "A task may be repeated while it still runs or waits.",
            f"Set retry to {least} at least: timeout × (queue_limit ÷ workers + 1) + 30.",
        )
    if not queue.get("max_attempts", 0):
        yield "E014", "A task that fails is repeated for ever.", "Set max_attempts to 1 or more."
    if queue.get("ack_failures", False):
        yield "E015", "A task that fails is taken for done.", "Leave ack_failures out."
    if queue.get("save_limit", 250) >= 0:
        yield (
            "E016",
            "Every task that is done is kept.",
            "Set save_limit -1: keeping them locks those kept before, which is slow and repeats tasks under load.",
        )
    if queue.get("catch_up", True):
        yield "E017", "Schedules that were missed all run at once.", "Set catch_up False."
    if queue.get("recycle", 500) < ENDLESS or queue.get("max_rss"):
        yield (
            "E018",
            "Workers end by themselves.",
            f"Set recycle to {ENDLESS} or more, and no max_rss: the watchdog takes every process that vanishes for"
            " dead and ends all of them. It watches their memory itself.",
        )
    if not queue.get("scheduler", True):
        yield "E019", "What workers do by the clock is not done.", "Leave scheduler out."
    if queue.get("sync", False):
        yield "E020", "Tasks run inside the request that queues them.", "Leave sync out."


def _faults_of_database(database: Mapping[str, Any]) -> Iterator[Fault]:
    if "pool" in database.get("OPTIONS", {}):
        yield (
            "E030",
            "The database is reached through a pool of the process.",
            "Remove pool from OPTIONS: forked workers would share its sockets.",
        )
    if database.get("CONN_MAX_AGE") == 0:
        yield (
            "E031",
            "Every task connects to the database anew.",
            "Set DATABASE_CONN_MAX_AGE_S to some seconds: 0 makes the queue five times slower.",
        )
    if not database.get("CONN_HEALTH_CHECKS"):
        yield (
            "E032",
            "A connection that was lost is noticed by the task that fails.",
            "Set CONN_HEALTH_CHECKS: the database may restart.",
        )
    if database.get("ATOMIC_REQUESTS"):
        yield (
            "E033",
            "A request is one transaction.",
            "Leave ATOMIC_REQUESTS out: use cases have their own, and what is recorded of a refusal would vanish.",
        )
