"""What every upload goes through before anything reads it: its size, and a scanner where there is one.

The setting UPLOAD_SCANNER names a callable `scan(file: BinaryIO, *, name: str) -> str` that answers with the reason why
a file must not be taken, or "" for a clean one. A scanner that fails refuses the file: it was asked for.
"""

import os
from typing import BinaryIO

import structlog
from django.conf import settings
from django.utils.module_loading import import_string

from config.tables.errors import FileRefusedError, ScannerUnavailableError

log = structlog.get_logger(__name__)


def check_upload(file: BinaryIO, *, name: str) -> None:
    """Let a file pass, which then stands at its start.

    Raises FileRefusedError (file_too_large, file_infected) and ScannerUnavailableError.
    """
    if file.seek(0, os.SEEK_END) > settings.MAX_UPLOAD_MB * 2**20:
        raise FileRefusedError(f"The file is larger than {settings.MAX_UPLOAD_MB} MB.", code="file_too_large")
    file.seek(0)
    if settings.UPLOAD_SCANNER:
        if reason := _scan(file, name):
            raise FileRefusedError(f"The scanner refuses this file: {reason}", code="file_infected")
        file.seek(0)


def _scan(file: BinaryIO, name: str) -> str:
    try:
        reason = import_string(settings.UPLOAD_SCANNER)(file, name=name)
    except Exception as error:
        log.exception("upload_scanner_failed", scanner=settings.UPLOAD_SCANNER)
        raise ScannerUnavailableError(
            "The file could not be scanned, so it was not taken. Try again later.", field="file"
        ) from error
    return str(reason)
