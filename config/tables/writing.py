"""Writing a table as a file somebody downloads: CSV, XLSX or JSON Lines, from rows of plain values, as a stream.

| value | CSV | XLSX | JSON Lines |
|---|---|---|---|
| None | empty | empty | null |
| text | defused | text | text |
| a whole number | digits | number | number |
| Decimal | digits | number | text, as the API gives money |
| true, false | true, false | true, false | true, false |
| a moment, a day, an id | ISO 8601 in UTC, as text, everywhere | | |

A text that a spreadsheet would take for a formula gets an apostrophe in front in CSV; a cell of XLSX says itself that
it is text; JSON Lines holds what there is. A number is never touched, however negative. CSV begins with a byte order
mark: without one Excel reads UTF-8 wrongly.

A table that breaks off must not look whole. An XLSX is made before its first byte is sent. The other two then end with
a line that says so, and the connection is cut, which a client sees as an incomplete transfer.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from io import StringIO
from itertools import chain
from tempfile import TemporaryFile
from typing import IO, Any
from uuid import UUID

from django.http import StreamingHttpResponse
from xlsxwriter import Workbook

from config import clock

Value = str | int | bool | Decimal | datetime | date | UUID | None
PIECE_CHARS = 64 * 1024
SHEET_ROWS = 1_048_576
CELL_CHARS = 32_767
EXACT_BELOW = 10**15
"""A workbook keeps 15 digits of a number: one that has more is written as text."""
BROKEN_OFF = "INCOMPLETE: the export broke off here. Take it again."
_FORMULA = re.compile(r"[\t\r]|[\s\u200b-\u200f\u2060\ufeff]*[=+\-@＝＋－＠]")


class Format(StrEnum):
    """How a table is written, by the ending of its file's name."""

    CSV = "csv"
    XLSX = "xlsx"
    JSONL = "jsonl"


CONTENT_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.JSONL: "application/jsonl; charset=utf-8",
}


def table_response(
    format: Format, *, name: str, columns: Sequence[str], rows: Iterable[Sequence[Value]]
) -> StreamingHttpResponse:
    """The download `<name>-<today in UTC>.<format>`. What goes wrong with the first rows is raised here still."""
    response = StreamingHttpResponse(stream(format, columns, rows), content_type=CONTENT_TYPES[format])
    response["Content-Disposition"] = f'attachment; filename="{name}-{clock.now():%Y-%m-%d}.{format}"'
    response["Cache-Control"] = "no-store"
    return response


def stream(format: Format, columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> Iterator[bytes]:
    """The file in pieces, the first of which is made at once."""
    make: Callable[[Sequence[str], Iterable[Sequence[Value]]], Iterator[bytes]] = {
        Format.CSV: _csv,
        Format.XLSX: _xlsx,
        Format.JSONL: _json_lines,
    }[format]
    pieces = make(columns, rows)
    return chain([next(pieces, b"")], pieces)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> Iterator[bytes]:
    buffer = StringIO()
    buffer.write("\ufeff")
    writer = csv.writer(buffer)
    writer.writerow(columns)
    return _pieces(buffer, rows, lambda row: writer.writerow(map(_defused, row)), f"{BROKEN_OFF}\r\n")


def _json_lines(columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> Iterator[bytes]:
    buffer = StringIO()

    def write(row: Sequence[Value]) -> None:
        named = {column: _plain(value) for column, value in zip(columns, row, strict=True)}
        buffer.write(json.dumps(named, ensure_ascii=False) + "\n")

    return _pieces(buffer, rows, write, json.dumps({"incomplete": BROKEN_OFF}) + "\n")


def _pieces(
    buffer: StringIO,
    rows: Iterable[Sequence[Value]],
    write: Callable[[Sequence[Value]], object],
    broken_off: str,
) -> Iterator[bytes]:
    """What `write` puts into the buffer; `broken_off` behind it if there is an error after the first piece."""
    is_under_way = False
    try:
        for row in rows:
            write(row)
            if buffer.tell() > PIECE_CHARS:
                yield _taken(buffer)
                is_under_way = True
    except Exception:
        if is_under_way:
            buffer.write(broken_off)
            yield _taken(buffer)
        raise
    yield _taken(buffer)


def _taken(buffer: StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def _xlsx(columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> Iterator[bytes]:
    with TemporaryFile() as file:
        _write_workbook(file, columns, rows)
        file.seek(0)
        while piece := file.read(PIECE_CHARS):
            yield piece


def _write_workbook(file: IO[bytes], columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> None:
    """Rows beyond what a sheet holds go on in another, below a header of its own."""
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(file, options) as book:
        bold = book.add_format({"bold": True})
        line, sheet = SHEET_ROWS, None
        for row in chain([None], rows):
            if sheet is None or line == SHEET_ROWS:
                sheet, line = book.add_worksheet(), 1
                sheet.freeze_panes(1, 0)
                for place, column in enumerate(columns):
                    sheet.write_string(0, place, column, bold)
            if row is None:
                continue
            for place, value in enumerate(row):
                _write_cell(sheet, line, place, value)
            line += 1


def _write_cell(sheet: Any, line: int, place: int, value: Value) -> None:
    if isinstance(value, bool):
        sheet.write_boolean(line, place, value)
    elif isinstance(value, int | Decimal) and _is_exact(value):
        sheet.write_number(line, place, value)
    elif value is not None:
        text = str(_plain(value))
        sheet.write_string(line, place, text if len(text) <= CELL_CHARS else f"{text[: CELL_CHARS - 1]}…")


def _is_exact(value: int | Decimal) -> bool:
    return abs(value) < EXACT_BELOW if isinstance(value, int) else len(value.as_tuple().digits) <= 15


def _defused(value: Value) -> Any:
    plain = _plain(value)
    if isinstance(plain, bool):
        return "true" if plain else "false"
    is_formula = isinstance(value, str) and _FORMULA.match(value)
    return f"'{plain}" if is_formula else plain


def _plain(value: Value) -> str | int | bool | None:
    """Text for whatever JSON has no word for."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value) if isinstance(value, UUID) else value
