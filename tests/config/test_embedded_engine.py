"""The server as Django's database engine, in a process with nothing but the database configured."""

import json
import os
import subprocess
import sys
from pathlib import Path

from config.embedded import client
from tests.config.embedded_users import new_directory

PROGRAM_START = """
import json, sys
from pathlib import Path
from django.conf import settings
from config.embedded import database_settings
var = Path(sys.argv[1])
settings.configure(DATABASES={"default": database_settings(var)})
from django.db import connection
"""


def run(var: Path, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM_START + program, str(var)],
        cwd=client.PROJECT_ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_first_connection_starts_the_server_and_settings_alone_do_not() -> None:
    with new_directory("postgres") as directory:
        result = run(
            directory.parent,
            """
before = (var / "postgres").exists()
with connection.cursor() as cursor:
    cursor.execute("SELECT current_database(), current_setting('timezone'), current_setting('listen_addresses')")
    print(json.dumps([before, connection.vendor, *cursor.fetchone()]))
""",
        )
        assert json.loads(result.stdout) == [False, "postgresql", "claimcheck", "UTC", ""], result.stderr


def test_a_server_that_cannot_start_is_a_database_that_is_down() -> None:
    with new_directory("postgres") as directory:
        result = run(directory.parent, "connection.ensure_connection()", EMBEDDED_POSTGRES_BIN="/nonexistent")
        assert "django.db.utils.OperationalError: The embedded PostgreSQL didn't start" in result.stderr


def test_only_old_test_databases_that_nobody_uses_are_dropped() -> None:
    with new_directory("postgres") as directory:
        result = run(
            directory.parent,
            """
import psycopg
from config.embedded import test_database_name
from config.embedded.testing import drop_stale_test_databases
with connection.cursor() as cursor:
    fresh = test_database_name()
    for name in (fresh, "test_claimcheck_1000_1_gw0", "test_claimcheck_1000_2", "test_other_1000_3"):
        cursor.execute(f"CREATE DATABASE {name}")
    user = psycopg.connect(**connection.get_connection_params() | {"dbname": "test_claimcheck_1000_2"})
    drop_stale_test_databases()
    cursor.execute("SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1')")
    print(json.dumps([name.replace(fresh, "fresh") for name, in cursor.fetchall()]))
""",
        )
        kept = {"claimcheck", "fresh", "test_claimcheck_1000_2", "test_other_1000_3"}
        assert set(json.loads(result.stdout)) == kept, result.stderr
