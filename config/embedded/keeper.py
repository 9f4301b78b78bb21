"""The process that runs the embedded server while somebody uses it: `python -m config.embedded.keeper DIRECTORY`.

Ends with 0 when another keeper is at work, when the last user has gone, or when a server that was ready has died;
anything else is an error, told in the log. Users hold a shared lock on `users.lock`, so the exclusive one is to be had
only when none is left; the kernel drops a lock when its holder ends, in whatever manner.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg

from config.embedded import client, server
from config.embedded.server import EmbeddedPostgresError, Way

POLL_S = 0.2
LEFTOVER_TIMEOUT_S = 30
READY_TIMEOUT_S = 50
STOP_TIMEOUT_S = 30
SETTINGS = {
    "listen_addresses": "",
    "port": server.PORT,
    "unix_socket_permissions": "0700",
    "max_connections": "100",  # a demo, a test run with its threads and a developer's shell at once
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "log",  # a failed statement is its sender's to report
    "log_checkpoints": "off",
    "jit": "off",
    "io_method": "sync",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
}


def main(directory: Path) -> None:
    lock = os.open(directory / "keeper.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    ready = directory / "ready"
    ready.unlink(missing_ok=True)
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]  # somebody else's server
    os.environ |= {"TZ": "UTC", "LC_ALL": "C"}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    way = server.choose_way(directory)
    sockets = server.link_socket_directory(directory, way)
    data = _initialised(way)
    _end_leftovers(data)
    for stale in (data / "postmaster.pid", *(way.home / "sock").glob(".s.*")):
        stale.unlink(missing_ok=True)
    postgres = _start(way, data, sockets)
    try:
        _wait_until_it_answers(postgres, sockets)
        _create_database(sockets)
        ready.touch(mode=0o600)
        _stay_while_used(postgres, directory / "users.lock")
    finally:
        ready.unlink(missing_ok=True)
        _stop(postgres)


def _initialised(way: Way) -> Path:
    """The data directory, made now if there is none; one half made by a keeper that was killed is made anew."""
    data, unfinished = way.home / "data", way.home / "data.unfinished"
    if not data.exists():
        shutil.rmtree(unfinished, ignore_errors=True)
        initdb = [str(way.binaries / "initdb"), "-D", str(unfinished), f"--username={server.USER}", "--auth=trust"]
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
        subprocess.run([*way.prefix, *initdb, *locale], check=True, cwd=way.home, stdout=subprocess.DEVNULL)
        unfinished.rename(data)
    return data


def _end_leftovers(data: Path) -> None:
    """Wait for what is left of a server whose keeper was killed. We hold the keeper's lock, so it has no other.

    Where the kernel can't tell a server that its keeper has died, it is told here, and only if the process that its
    pid file names really works in this directory.
    """
    deadline = time.monotonic() + LEFTOVER_TIMEOUT_S
    here, told = os.path.realpath(data), False
    while pids := [
        process.pid
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == "postgres" and process.info["cwd"] == here
    ]:
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(f"An old server still runs in {data}: {pids}")
        if not told:
            told = True
            with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
                if (pid := int((data / "postmaster.pid").read_text().split()[0])) in pids:
                    os.kill(pid, signal.SIGINT)
        time.sleep(0.05)


def _start(way: Way, data: Path, sockets: Path) -> subprocess.Popen[bytes]:
    quoted = '"{}"'.format(str(sockets).replace('"', '""'))  # the setting is a list
    options = [
        argument
        for name, value in (SETTINGS | {"unix_socket_directories": quoted}).items()
        for argument in ("-c", f"{name}={value}")
    ]
    return subprocess.Popen([*way.prefix, str(way.binaries / "postgres"), "-D", str(data), *options], cwd=way.home)


def _wait_until_it_answers(postgres: subprocess.Popen[bytes], sockets: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not client.answers(sockets):
        if postgres.poll() is not None:
            raise EmbeddedPostgresError(f"The server ended while starting, with {postgres.returncode}")
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(f"The server wasn't ready within {READY_TIMEOUT_S} s")
        time.sleep(0.01)


def _create_database(sockets: Path) -> None:
    with psycopg.connect(client.conninfo(sockets), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [server.DATABASE]).fetchone():
            connection.execute(f"CREATE DATABASE {server.DATABASE}")


def _stay_while_used(postgres: subprocess.Popen[bytes], path: Path) -> None:
    """Return when nobody uses the server (late comers then wait for us to end) or when it has died."""
    users = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    while postgres.poll() is None:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(POLL_S)


def _stop(postgres: subprocess.Popen[bytes]) -> None:
    """A fast shutdown, and an immediate one if that takes too long."""
    if postgres.poll() is None:
        postgres.send_signal(signal.SIGINT)
        try:
            postgres.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            postgres.send_signal(signal.SIGQUIT)
            postgres.wait()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (EmbeddedPostgresError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(str(error))
