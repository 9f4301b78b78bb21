"""Why a file is refused as a whole. What is wrong with one row is that row's problem instead."""

from config.errors import DomainError


class FileRefusedError(DomainError):
    """This file can't be taken as it is; the message says what to change."""

    code = "file_malformed"

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message, field="file", code=code)
        self.status = 413 if code == "file_too_large" else 422


class ScannerUnavailableError(DomainError):
    """Nobody could say whether the file is clean, so it isn't taken. Trying again later may help."""

    code = "scanner_unavailable"
    status = 503
