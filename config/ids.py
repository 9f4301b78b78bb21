"""Identifiers: UUIDv7, made by the application, ordered by the time they were made."""

import uuid

import uuid_utils.compat

from config import clock


def new_id() -> uuid.UUID:
    """A fresh UUIDv7 stamped with the clock's time, so that rows made under a moved clock sort as they happened."""
    return uuid_utils.compat.uuid7(nanoseconds=int(clock.now().timestamp() * 1_000_000) * 1000)
