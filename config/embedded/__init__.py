"""PostgreSQL without an installation: the project's own server from a wheel, for demo, tests and development.

Used as a Django database engine (`base`). Whoever connects holds a shared lock (`client`). The first one starts a
keeper, a process of its own (`keeper`), which runs the server (`server`) and ends it once nobody holds that lock any
more, however its holders ended. Nothing outlives its users, nothing is added to the system, and no port is opened.
"""

import os
import time
from pathlib import Path
from typing import Any

from config.embedded import server


def database_settings(var: Path) -> dict[str, Any]:
    """The entry of DATABASES for a server that lives under `var`; it is started by the first connection, not before."""
    directory = var / "postgres"
    return {
        "ENGINE": "config.embedded",
        "NAME": server.DATABASE,
        "USER": server.USER,
        "HOST": str(server.socket_directory(directory)),
        "PORT": server.PORT,
        "DIRECTORY": str(directory),
        "TEST": {"NAME": test_database_name()},
    }


def test_database_name() -> str:
    """A name per test process, so that runs at the same time don't meet. It tells when it was made (epoch seconds)."""
    return f"test_{server.DATABASE}_{int(time.time())}_{os.getpid()}"
