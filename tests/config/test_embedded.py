"""Users share a server, may end in any manner, and leave nothing. Real servers in directories of their own."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.embedded.keeper import POLL_S
from tests.config.embedded_users import (
    User,
    assert_nothing_is_left,
    has_ended,
    keeper,
    new_directory,
    postmaster,
    query,
    started_at,
    until,
    using,
)


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """Shared by the tests that need no server of their own, so that its data is made once."""
    with new_directory("postgres") as path:
        yield path


def test_processes_that_start_at_once_share_one_server(directory: Path) -> None:
    users = [User(directory) for _ in range(4)]
    for user in users:
        user.await_ready()
    assert postmaster(directory).name() == "postgres"  # of the only keeper
    first = started_at(directory)
    for user in users[:3]:
        user.leave()
    time.sleep(3 * POLL_S)
    assert started_at(directory) == first
    users[3].leave()
    assert_nothing_is_left(directory)


def test_joining_a_running_server_starts_no_other(directory: Path) -> None:
    with using(directory) as user:
        first = started_at(directory)
        for _ in range(10):
            user.request()
            user.await_ready()
        assert started_at(directory) == first


def test_data_outlives_the_server(directory: Path) -> None:
    with using(directory):
        query(directory, "SELECT lo_from_bytea(4242, 'kept')")
    assert_nothing_is_left(directory)
    with using(directory):
        assert query(directory, "SELECT convert_from(lo_get(4242), 'UTF8')") == "kept"


@pytest.mark.parametrize("after_s", [0, 0.1, POLL_S, 0.3])
def test_one_may_come_at_any_moment_of_anothers_leaving(directory: Path, after_s: float) -> None:
    with using(directory):
        pass
    time.sleep(after_s)
    with using(directory):
        assert started_at(directory)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_user_who_ends_by_a_signal_has_left(directory: Path, sent: signal.Signals) -> None:
    user = User(directory)
    user.await_ready()
    user.process.send_signal(sent)
    user.leave()
    assert_nothing_is_left(directory)


def test_a_killed_server_is_replaced_for_its_users(directory: Path) -> None:
    with using(directory) as user:
        first, old_server = started_at(directory), postmaster(directory)
        old_server.kill()
        until(lambda: has_ended(old_server))
        user.request()
        user.await_ready()
        assert started_at(directory) > first


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_an_ended_keeper_takes_its_server_along_and_is_replaced(directory: Path, sent: signal.Signals) -> None:
    with using(directory) as user:
        old_keeper, old_server = keeper(directory), postmaster(directory)
        old_keeper.send_signal(sent)
        until(lambda: has_ended(old_keeper))
        user.request()
        user.await_ready()
        assert has_ended(old_server)
        assert postmaster(directory).pid != old_server.pid
