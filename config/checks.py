"""What a server is told before it serves."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register


@register
def secret_key_is_kept(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """A key of one process's own ends with it, and no other process reads what it signed."""
    if settings.SECRET_KEY_IS_KEPT:
        return []
    return [
        Warning(
            "SECRET_KEY is not set and none could be kept under var/, so this process made one for itself.",
            hint="Set SECRET_KEY, or let var/ be written: otherwise sessions and queued hints end with the process.",
            id="config.W001",
        )
    ]
