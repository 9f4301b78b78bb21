"""Commands that answer standard input line by line on standard output."""

import os
import sys
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

MAX_LINE_BYTES = 16 * 1024 * 1024
"""What is kept of a line; no question needs as much: it is for who wants to see again what was sent."""


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Write to standard output within this, and flush: a reader that went away is no failure of ours."""
    try:
        yield
    except BrokenPipeError:
        # What is left in the buffer must not fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def lines(stream: IO[bytes]) -> Iterator[str]:
    """The lines of a stream, without a byte order mark before the first. Only a line feed ends one; of a line that
    never ends, the start is kept."""
    mark = BOM_UTF8
    while line := stream.readline(MAX_LINE_BYTES):
        rest = line
        while len(rest) == MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_LINE_BYTES)
        yield line.removeprefix(mark).decode(errors="replace")
        mark = b""
