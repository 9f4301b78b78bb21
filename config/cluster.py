"""The processes that work the queue together: whose a lease is, and whether they have been told to stop.

Both are known before the cluster forks, and shared by all that are forked from it.
"""

import mmap
import secrets
from uuid import UUID

_HALF = 8

_told_to_stop = mmap.mmap(-1, 1)  # memory that forked processes share
_identity = secrets.token_bytes(_HALF)


def identity() -> str:
    """What tells our cluster from all others."""
    return _identity.hex()


def join(identity: str) -> None:
    """Be a process of this cluster, and all that are forked from here."""
    global _identity
    _identity = bytes.fromhex(identity)


def is_stopping() -> bool:
    """Whether we have been told to stop: what has begun is finished, and nothing else is begun."""
    return _told_to_stop[0] != 0


def stop() -> None:
    """Tell the whole cluster to stop."""
    _told_to_stop[0] = 1


def new_lease() -> UUID:
    """A lease that tells whose it is: its first half is our cluster's identity."""
    return UUID(bytes=_identity + secrets.token_bytes(_HALF))


def leases_of(identity: str) -> tuple[UUID, UUID]:
    """The first and the last lease that this cluster can hold."""
    first_half = bytes.fromhex(identity)
    return UUID(bytes=first_half + bytes(_HALF)), UUID(bytes=first_half + b"\xff" * _HALF)
