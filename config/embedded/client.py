"""Having a server when one is needed, as one of its users."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from psycopg import pq
from psycopg.conninfo import make_conninfo

from config.embedded import server
from config.embedded.server import EmbeddedPostgresError

START_TIMEOUT_S = 60
POLL_S = 0.02
PROJECT_ROOT = Path(__file__).resolve().parents[2]

_held: dict[Path, int] = {}
_children: list[subprocess.Popen[bytes]] = []  # keepers that we started; they may outlive us
_starting = threading.Lock()


def ensure(directory: Path) -> None:
    """Return when the server in `directory` answers, started if need be. It then lives as long as this process.

    Costs one to three milliseconds where the server is running. Raises EmbeddedPostgresError naming the log.
    """
    with _starting:
        _hold(directory)
        deadline = time.monotonic() + START_TIMEOUT_S
        keeper: subprocess.Popen[bytes] | None = None
        while not _is_ready(directory):
            if keeper is not None and (keeper.poll() or 0) > 0:  # below 0 it was killed, which says nothing
                raise EmbeddedPostgresError(_explanation(directory))
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"No embedded PostgreSQL within {START_TIMEOUT_S} s: see {_log(directory)}")
            if (keeper is None or keeper.returncode is not None) and not _has_keeper(directory):
                keeper = _start_keeper(directory)
            time.sleep(POLL_S)


def conninfo(sockets: Path) -> str:
    return make_conninfo(host=str(sockets), port=server.PORT, user=server.USER, dbname="postgres", connect_timeout=5)


def answers(sockets: Path) -> bool:
    """Whether a server accepts connections there; not so while it starts or shuts down."""
    return pq.PGconn.ping(conninfo(sockets).encode()) == pq.Ping.OK


def _hold(directory: Path) -> None:
    """Become a user. The lock is never given back: the kernel does that when this process and its forks have ended.

    Blocks while a server is being shut down.
    """
    if directory not in _held:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        users = os.open(directory / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(users, fcntl.LOCK_SH)
        _held[directory] = users


def _is_ready(directory: Path) -> bool:
    return (directory / "ready").exists() and _has_keeper(directory) and answers(server.socket_directory(directory))


def _has_keeper(directory: Path) -> bool:
    lock = os.open(directory / "keeper.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(lock)


def _start_keeper(directory: Path) -> subprocess.Popen[bytes]:
    """In a session of its own, so that neither Ctrl-C nor a hang-up meant for this process reaches it."""
    _children[:] = [keeper for keeper in _children if keeper.poll() is None]
    with _log(directory).open("ab") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "config.embedded.keeper", str(directory)],
            cwd=PROJECT_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _children.append(keeper)
    return keeper


def _log(directory: Path) -> Path:
    return directory / "log"


def _explanation(directory: Path) -> str:
    lines = _log(directory).read_text(errors="replace").splitlines() or ["no reason given"]
    return f"The embedded PostgreSQL didn't start: {lines[-1]} (the whole log: {_log(directory)})"
