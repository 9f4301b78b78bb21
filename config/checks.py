"""What a server is told before it serves."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.utils.module_loading import import_string


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


@register
def upload_scanner_is_there(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """Otherwise every upload would be refused, and nobody told why."""
    try:
        if settings.UPLOAD_SCANNER and not callable(import_string(settings.UPLOAD_SCANNER)):
            raise ImportError(f"{settings.UPLOAD_SCANNER} can't be called")
    except ImportError as error:
        return [Error(f"UPLOAD_SCANNER names no scanner: {error}", id="config.E001")]
    return []
