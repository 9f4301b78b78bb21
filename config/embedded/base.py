"""Django's PostgreSQL engine that sees to a running server before it connects. Used as ENGINE = "config.embedded"."""

from pathlib import Path
from typing import Any

from config.embedded.client import ensure
from config.embedded.server import EmbeddedPostgresError
from config.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        try:
            ensure(Path(self.settings_dict["DIRECTORY"]))
        except (EmbeddedPostgresError, OSError) as error:
            raise self.Database.OperationalError(str(error)) from error
        return super().get_new_connection(conn_params)
