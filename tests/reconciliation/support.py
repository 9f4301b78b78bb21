"""What several tests of claims, looks and verdicts do."""

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from platforms.models import Connection
from reconciliation.services import jobs
from tests import hostile

NEVER_THERE = "https://www.youtube.com/watch?v=AAAAAAAAAAA"
"""The address of a post that the sandbox does not know."""


def rows() -> dict[str, int]:
    """How many rows every table has."""
    return {model._meta.label: model._default_manager.count() for model in apps.get_models()}


def unchanged(
    status: int | range, send: Callable[..., Any], *request: Any, field: str = "", code: str = "", **more: Any
) -> dict[str, Any]:
    """Sending this is refused with a problem of this status, about this field, and no table has another row."""
    before = rows()
    document = hostile.assert_problem(send(*request, **more), status)
    assert rows() == before
    for name, value in (("field", field), ("code", code)):
        assert not value or document["errors"][0][name] == value
    return document


def tamper(sql: str, **parameters: Any) -> None:
    """Change rows as a database's superuser can, past every trigger and foreign key. What must be checked at the end of
    the test's transaction is checked before."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql, parameters or None)
        cursor.execute("SET session_replication_role = origin")


def queries(api: APIClient, address: str) -> int:
    """How many queries reading this takes."""
    api.get(address)  # the key's last use is noted once a minute
    with CaptureQueriesContext(connection) as captured:
        assert api.get(address).status_code == 200
    return len(captured)


def lane_of(slug: str) -> Connection:
    """The application's own live connection for a platform."""
    lanes = Connection.objects.select_related("platform")
    lane: Connection = lanes.get(platform__slug=slug, affiliate=None, livemode=True)
    return lane


def leased(slug: str = "youtube") -> jobs.Batch:
    """The lane's next batch, without pacing."""
    batch = jobs.lease_batch(connection_id=lane_of(slug).pk, paced=False)
    assert isinstance(batch, jobs.Batch)
    return batch
