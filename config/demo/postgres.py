"""Holding the embedded PostgreSQL while the demo runs, and seeing it end."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENDS_WITHIN_S = 35
POLL_S = 0.05


@contextmanager
def kept(directory: Path | None) -> Iterator[None]:
    """For the length of a block, keep the server in `directory` from ending between two of its users; afterwards wait
    for its end, unless somebody else uses it. None: the database is not ours to keep.

    The supervisor never connects to it: a connection's own hold is for the life of a process.
    """
    if directory is None:
        yield
        return
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    users = os.open(directory / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(users, fcntl.LOCK_SH)
        yield
    finally:
        os.close(users)
        deadline = time.monotonic() + ENDS_WITHIN_S
        while _is_kept(directory) and not _is_used(directory) and time.monotonic() < deadline:
            time.sleep(POLL_S)


def _is_kept(directory: Path) -> bool:
    """Whether a keeper is at work."""
    return not _may_lock(directory / "keeper.lock", fcntl.LOCK_SH)


def _is_used(directory: Path) -> bool:
    """Whether somebody has a shared hold; an exclusive one is the keeper's, who is about to end."""
    users = directory / "users.lock"
    return not _may_lock(users, fcntl.LOCK_EX) and _may_lock(users, fcntl.LOCK_SH)


def _may_lock(path: Path, kind: int) -> bool:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
