"""Reading a table that somebody uploads, as CSV or XLSX: row by row, in bounded memory, as text.

What is wrong with the file as a whole refuses it, as early as it can be known: type, size, encoding, header and merged
cells when it is opened; a quotation mark that never ends, broken XML or one row too many on the way. So whoever writes
while reading does it in one transaction, or reads the file once before. What is wrong with one row is that row's
`problem`, and the others go on.
"""

import codecs
import csv
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import chain
from pathlib import PurePath
from typing import BinaryIO

from config.tables.errors import FileRefusedError
from config.tables.workbook import MAX_CELL_CHARS, RawRow, open_workbook

MAX_RECORD_CHARS = 1_000_000
"""Characters of one CSV row: a quotation mark that is never closed must not take the rest of the file into memory."""
PIECE_BYTES = 64 * 1024
_DELIMITERS = ",;\t"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True)
class Row:
    """One row: its cells by column as stripped text, "" where there is nothing.

    `line` is where a person finds it: the row's number in a workbook, the first of its lines in a CSV (the header is
    line 1). `problem` is a sentence if the row can't be read, "" otherwise; its values are then not to be used.
    """

    line: int
    values: dict[str, str]
    problem: str


@dataclass(frozen=True)
class Table:
    """The columns a file has, of those it may have, and its rows: to be gone through once."""

    columns: tuple[str, ...]
    _rows: Iterator[RawRow]
    _max_rows: int

    def __iter__(self) -> Iterator[Row]:
        """Rows without any content are left out. Raises FileRefusedError; see the module."""
        for count, raw in enumerate(self._rows, start=1):
            if count > self._max_rows:
                raise FileRefusedError(
                    f"The file has more than {self._max_rows:,} rows: split it.", code="too_many_rows"
                )
            yield self._row(raw)

    def _row(self, raw: RawRow) -> Row:
        cells = [cell.strip() for cell in raw.cells]
        width = len(self.columns)
        problem = raw.problem
        if not problem and any(cells[width:]):
            problem = f"This row has more cells than the {width} columns of the header."
        for name, cell in zip(self.columns, cells, strict=False):
            if not problem and len(cell) > MAX_CELL_CHARS:
                problem = f"{name}: longer than {MAX_CELL_CHARS:,} characters."
        padded = chain(cells[:width], [""] * (width - len(cells)))
        return Row(raw.line, dict(zip(self.columns, padded, strict=True)), problem)


def open_table(
    file: BinaryIO, *, name: str, columns: Collection[str], required: Collection[str], max_rows: int = 200_000
) -> Table:
    """The table in a file that can be sought in and stays open while it is read.

    The content says whether it is CSV or XLSX, and `name` must end accordingly. A CSV is UTF-8, with or without a byte
    order mark, divided by commas, semicolons or tabs. Of a workbook the first sheet is read, and one that has content
    on another is refused: a table read by half looks like a whole one. Header names may be in any case, with blanks for
    underscores, in any order; one that isn't among `columns` is refused, as is the lack of a `required` one.

    Raises FileRefusedError with the code file_type_refused, file_too_large, file_malformed, merged_cells, no_rows,
    unknown_column, missing_column or duplicate_column.
    """
    rows = _open_rows(file, name, columns)
    header = next(rows, None)
    if header is None:
        raise FileRefusedError("The file is empty.", code="no_rows")
    names = _columns(header.cells, columns, required)
    first = next(rows, None)
    if first is None:
        raise FileRefusedError("The file has a header and no row below it.", code="no_rows")
    return Table(names, chain([first], rows), max_rows)


def _open_rows(file: BinaryIO, name: str, columns: Collection[str]) -> Iterator[RawRow]:
    """The rows that have content, the header first."""
    file.seek(0)
    start = file.read(8)
    suffix = PurePath(name).suffix.lower()
    if suffix not in (".csv", ".xlsx"):
        raise FileRefusedError("Only files that end in .csv or .xlsx are taken.", code="file_type_refused")
    if suffix == ".xlsx":
        if start.startswith(_OLE):
            raise FileRefusedError(
                "This workbook is encrypted, or of the old .xls kind: save it as .xlsx without a password.",
                code="file_malformed",
            )
        if not start.startswith(_ZIP):
            raise FileRefusedError("The name ends in .xlsx, the content is no workbook.", code="file_type_refused")
        rows = open_workbook(file)
    else:
        if start.startswith((_ZIP, _OLE, b"%PDF")):
            raise FileRefusedError("The name ends in .csv, the content is no text.", code="file_type_refused")
        _check_text(file)
        rows = _csv_rows(file, columns)
    return (row for row in rows if row.problem or any(cell.strip() for cell in row.cells))


def _check_text(file: BinaryIO) -> None:
    """Refuse what isn't UTF-8 or holds a NUL, before any row is read."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    try:
        while piece := file.read(PIECE_BYTES):
            if line == 1 and piece.startswith(_UTF16):
                raise FileRefusedError("The file is UTF-16: save it as CSV in UTF-8.", code="file_malformed")
            before = piece.partition(b"\0")[0]
            if before != piece:
                line += before.count(b"\n")
                raise FileRefusedError(f"A NUL character in line {line} is not allowed.", code="file_malformed")
            decoder.decode(piece)
            line += piece.count(b"\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line += error.object[: error.start].count(b"\n")
        raise FileRefusedError(
            f"The file is not UTF-8 (line {line}): save it as CSV in UTF-8.", code="file_malformed"
        ) from error


class _Lines:
    """The lines of a text for the csv module, and how much one row of it has taken so far."""

    def __init__(self, text: TextIOWrapper) -> None:
        self._text = text
        self.number = 0
        self.row_chars = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_RECORD_CHARS)
        if not line:
            raise StopIteration
        self.number += 1
        self.row_chars += len(line)
        if self.row_chars >= MAX_RECORD_CHARS:
            raise csv.Error(f"a row has more than {MAX_RECORD_CHARS:,} characters")
        return line


def _csv_rows(file: BinaryIO, columns: Collection[str]) -> Iterator[RawRow]:
    file.seek(0)
    text = TextIOWrapper(file, "utf-8-sig", newline="")
    try:
        delimiter = _delimiter(text.readline(MAX_RECORD_CHARS), columns)
        text.seek(0)
        lines = _Lines(text)
        begins = 1
        for cells in csv.reader(lines, delimiter=delimiter, strict=True):
            yield RawRow(begins, cells, "")
            begins, lines.row_chars = lines.number + 1, 0
    except csv.Error as error:
        raise FileRefusedError(
            f"This CSV can't be read from line {begins} on: {error}. Is a quotation mark missing?",
            code="file_malformed",
        ) from error
    finally:
        with suppress(ValueError):  # the caller has closed the file already
            text.detach()


def _delimiter(header: str, columns: Collection[str]) -> str:
    """The one that makes the most known columns of the header; else the one that makes the most."""

    def found(delimiter: str) -> tuple[int, int]:
        names = [_normal(cell.strip('"')) for cell in header.split(delimiter)]
        return sum(name in columns for name in names), len(names)

    return max(_DELIMITERS, key=found)


def _normal(name: str) -> str:
    return "_".join(name.replace("_", " ").split()).lower()


def _columns(header: Sequence[str], columns: Collection[str], required: Collection[str]) -> tuple[str, ...]:
    given = [cell.strip() for cell in header]
    while not given[-1]:
        given.pop()
    names = tuple(map(_normal, given))
    for place, (name, shown) in enumerate(zip(names, given, strict=True), start=1):
        if not name:
            raise FileRefusedError(f"Column {place} has no name.", code="unknown_column")
        if name not in columns:
            known = ", ".join(columns)
            raise FileRefusedError(
                f"There is no column “{shown[:80]}” here. There are: {known}.", code="unknown_column"
            )
        if name in names[: place - 1]:
            raise FileRefusedError(f"The column “{name}” stands in the header twice.", code="duplicate_column")
    missing = [name for name in required if name not in names]
    if missing:
        raise FileRefusedError(f"The column “{missing[0]}” is missing.", code="missing_column")
    return names
