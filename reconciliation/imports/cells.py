"""Reading the cells of a row."""

import unicodedata
from uuid import UUID

from config import words
from config.counts import MAX_COUNT
from config.errors import DomainError


class CellError(DomainError):
    """A cell that can't be read. `field` is its column."""

    code = "invalid"


def count(values: dict[str, str], column: str) -> int | None:
    """A whole number in plain digits; None for an empty cell. Raises CellError."""
    text = values.get(column, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_COUNT)) and int(text) <= MAX_COUNT):
        raise CellError(f"A whole number from 0 to {MAX_COUNT}, in digits only.", field=column)
    return int(text)


def flag(values: dict[str, str], column: str) -> bool:
    """Raises CellError unless it says true or false, yes or no, 1 or 0."""
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if values[column].lower() not in known:
        raise CellError("True or false.", field=column)
    return known[values[column].lower()]


def text(values: dict[str, str], column: str, *, most: int, multiline: bool = False) -> str:
    """Words of people, NFC. Raises CellError for what is too long or has characters that are not seen."""
    given = values.get(column, "")
    if code := words.refusal(given, multiline=multiline):
        raise CellError(words.REASONS[code], field=column)
    written = unicodedata.normalize("NFC", given)
    if len(written) > most:
        raise CellError(f"At most {most} characters.", field=column, code="too_long")
    return written


def as_id(given: str) -> UUID | None:
    """The id that a cell holds, if it is one."""
    try:
        return UUID(given)
    except ValueError:
        return None
