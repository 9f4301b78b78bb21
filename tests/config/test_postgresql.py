"""Whether the server is still there is seen at our end of the connection."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from config.postgresql import base
from tests.config.programs import await_that

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def other() -> Iterator[BaseDatabaseWrapper]:
    """A connection of its own."""
    one = connection.copy()
    one.ensure_connection()
    yield one
    one.close()


def session(of: BaseDatabaseWrapper) -> int:
    return int(of.connection.info.backend_pid)


def asked_last(of: BaseDatabaseWrapper) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [session(of)])
        [[query]] = cursor.fetchall()
    return str(query)


def test_a_server_that_is_there_is_asked_after_a_rest_only(other, monkeypatch):
    def ask() -> str:
        with other.cursor() as cursor:
            cursor.execute("SELECT 'the last'")
        assert other.is_usable()
        return asked_last(other)

    assert [ask(), ask()] == ["SELECT 1", "SELECT 'the last'"]
    monkeypatch.setattr(base, "ASKED_AFTER_S", -1)
    assert ask() == "SELECT 1"


def test_it_is_asked_where_something_came_unasked(other):
    with other.cursor() as cursor:
        cursor.execute("LISTEN somebody")
    with connection.cursor() as cursor:
        cursor.execute("NOTIFY somebody")
    await_that(lambda: other.is_usable() and asked_last(other) == "SELECT 1", within_s=5)
    assert other.is_usable()


def test_one_that_has_gone_away_is_noticed_before_the_next_request(other):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [session(other)])
    await_that(lambda: not other.is_usable(), within_s=5)
    other.health_check_enabled, other.health_check_done = True, False
    with other.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]


def test_one_that_was_closed_is_of_no_use(other):
    other.connection.close()
    assert not other.is_usable()
