"""Keeping the server free of what killed test runs left."""

import contextlib
import re
import time

import psycopg
from django.db import connection
from psycopg import sql

from config.embedded import server

STALE_AFTER_S = 3600


def drop_stale_test_databases() -> None:
    """Drop the databases of test runs that began over an hour ago and that nobody is connected to.

    Age is asked too, because a run at work beside this one may have no connection at the moment. Works on any server
    that the tests use, and before pytest-django has opened the database to them.
    """
    parameters = connection.get_connection_params() | {"dbname": "postgres", "autocommit": True}
    with contextlib.closing(connection.get_new_connection(parameters)) as session:
        unused = session.execute(
            "SELECT datname FROM pg_database WHERE datname NOT IN"
            " (SELECT datname FROM pg_stat_activity WHERE datname IS NOT NULL)"
        ).fetchall()
        for (name,) in unused:
            made = re.match(rf"test_{server.DATABASE}_(\d+)_", name)
            if made and int(made[1]) < time.time() - STALE_AFTER_S:
                with contextlib.suppress(psycopg.OperationalError):  # somebody has just connected
                    session.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
