"""The connection."""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Asked once a request whether the server is there."""

    def is_usable(self) -> bool:
        """A server that has gone away has closed the connection, which its end here shows. Only where something has
        come unasked, which may as well be a notice, is the server asked."""
        if self.connection is None or self.connection.closed:
            return False
        incoming = select.poll()
        incoming.register(self.connection.fileno(), select.POLLIN)
        return not incoming.poll(0) or bool(super().is_usable())
