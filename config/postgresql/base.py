"""The connection."""

import select
import time

from django.db.backends.postgresql import base

ASKED_AFTER_S = 5
"""A connection that was found usable so recently is not asked again."""


class DatabaseWrapper(base.DatabaseWrapper):
    """Asked once a request whether the server is there."""

    _found_usable_at = 0.0

    def is_usable(self) -> bool:
        """A server that has gone away has closed the connection, which its end here shows. The server itself is asked
        where something has come unasked, which may as well be a notice, and where the connection has rested: a host
        that vanished without a word shows at the next word to it only."""
        if self.connection is None or self.connection.closed:
            return False
        now = time.monotonic()
        incoming = select.poll()
        incoming.register(self.connection.fileno(), select.POLLIN)
        has_rested = now - self._found_usable_at > ASKED_AFTER_S
        if (has_rested or incoming.poll(0)) and not super().is_usable():
            return False
        self._found_usable_at = now
        return True
