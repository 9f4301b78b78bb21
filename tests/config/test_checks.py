"""Settings that would lose or double work are refused at start."""

from typing import Any

import pytest
from django.conf import settings as given

from config.checks import nothing_queued_is_lost_or_doubled

LEFT_OUT = object()

QUEUE = [
    ({"orm": "other"}, ["E010"]),
    ({"broker_class": LEFT_OUT}, ["E010"]),
    ({"redis": {"host": "localhost"}}, ["E010"]),
    ({"timeout": None}, ["E011"]),
    ({"timeout": LEFT_OUT}, ["E011"]),
    ({"workers": 2, "queue_limit": 3}, ["E012"]),
    ({"workers": 2, "queue_limit": 3, "retry": 121}, ["E012"]),
    ({"workers": 2, "queue_limit": LEFT_OUT, "retry": 120}, ["E012"]),
    ({"bulk": 2}, ["E012"]),
    ({"timeout": 30, "retry": 90}, []),
    ({"timeout": 30, "retry": 89}, ["E013"]),
    ({"timeout": 30, "retry": LEFT_OUT}, ["E013"]),
    ({"timeout": 31, "retry": 91}, ["E013"]),
    ({"max_attempts": 0}, ["E014"]),
    ({"max_attempts": LEFT_OUT}, ["E014"]),
    ({"ack_failures": True}, ["E015"]),
    ({"save_limit": 0}, ["E016"]),
    ({"save_limit": LEFT_OUT}, ["E016"]),
    ({"catch_up": LEFT_OUT}, ["E017"]),
    ({"recycle": 500}, ["E018"]),
    ({"recycle": LEFT_OUT}, ["E018"]),
    ({"max_rss": 100_000}, ["E018"]),
    ({"scheduler": False}, ["E019"]),
    ({"sync": True}, ["E020"]),
    ({}, []),
]
DATABASE = [
    ({"OPTIONS": {"pool": True}}, ["E030"]),
    ({"CONN_MAX_AGE": 0}, ["E031"]),
    ({"CONN_MAX_AGE": None}, []),  # kept for ever
    ({"CONN_HEALTH_CHECKS": False}, ["E032"]),
    ({"ATOMIC_REQUESTS": True}, ["E033"]),
]


def changed(before: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (before | change).items() if value is not LEFT_OUT}


def found() -> list[str]:
    messages = nothing_queued_is_lost_or_doubled(None)
    assert all(message.hint and message.is_serious() for message in messages)
    return [str(message.id).removeprefix("config.") for message in messages]


@pytest.mark.parametrize(("change", "faults"), QUEUE)
def test_a_queue_that_loses_or_doubles_work_is_refused(settings, change: dict[str, Any], faults: list[str]):
    settings.Q_CLUSTER = changed(given.Q_CLUSTER, change)
    assert found() == faults


@pytest.mark.parametrize(("change", "faults"), DATABASE)
def test_a_database_reached_in_a_way_that_loses_work_is_refused(monkeypatch, change: dict[str, Any], faults: list[str]):
    monkeypatch.setattr(given, "DATABASES", {"default": changed(given.DATABASES["default"], change)})
    assert found() == faults
