"""Python's collector of circular garbage, and when it had better rest."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Leave the collector off for a block that makes many objects which all live to its end and form no circles. It
    would look through them again and again in vain, for a good part of the time that settling a batch takes."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
