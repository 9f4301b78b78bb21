"""Reading the cells of an XLSX workbook's first sheet as a stream, whoever made it.

A library that builds a tree of each part can be made to fill the memory by a file of a few kilobytes. Here no tree is
built: each part is parsed as it is unpacked, and what is kept (the table of texts, one row) is bounded. What a zip's
directory promises is checked before anything is unpacked, and nothing is unpacked beyond it.
"""

import posixpath
import re
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from sys import getsizeof
from typing import Any, BinaryIO
from xml.sax import SAXException
from xml.sax.handler import ContentHandler

from defusedxml.expatreader import DefusedExpatParser
from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel
from openpyxl.utils.escape import unescape

from config.tables.errors import FileRefusedError

MAX_MEMBERS = 1_000
MAX_DIRECTORY_BYTES = 256 * 1024
MAX_UNPACKED_BYTES = 256 * 1024 * 1024
MAX_ELEMENTS = 8_000_000
MAX_TEXTS_BYTES = 96 * 1024 * 1024
MAX_CELL_CHARS = 32_767
"""What Excel itself holds in one cell."""
MAX_ROW, MAX_COLUMN = 1_048_576, 16_384
READ_COLUMNS = 500
LOST_DIGITS_FROM = 10**15
"""A workbook keeps 15 digits of a number: of a longer one the last have become zeros."""
PIECE_BYTES = 64 * 1024
_END, _LOCATOR64 = b"PK\x05\x06", b"PK\x06\x07"
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*?ref=[\"']([A-Z0-9:]+)")
_CONTENT = re.compile(rb"<(?:\w+:)?(?:v|is)[\s>]")
_REFERENCE = re.compile(r"([A-Z]{1,3})[0-9]{1,7}", re.ASCII)
_DIGITS = re.compile(r"-?[0-9]{1,15}", re.ASCII)


@dataclass(frozen=True)
class RawRow:
    """A row as the file has it, and why it can't be read ("" if it can)."""

    line: int
    cells: list[str]
    problem: str


def open_workbook(file: BinaryIO) -> Iterator[RawRow]:
    """The rows of the first sheet. Raises FileRefusedError, on the way too where the XML breaks off."""
    with _what_is_broken():
        package = _Package(file)
        book, parts = package.book()
        if not book.sheets or book.sheets[0] not in parts:
            raise FileRefusedError("This workbook has no sheet.", code="file_malformed")
        first, *others = [parts[each][1] for each in book.sheets if each in parts]
        by_kind = dict(parts.values())
        package.look_through(first, others)
        texts, styles = _Texts(), _Styles()
        package.parse_whole(by_kind.get("sharedStrings"), texts)
        package.parse_whole(by_kind.get("styles"), styles)
    return _rows(package, first, _Sheet(texts.found, styles, CALENDAR_MAC_1904 if book.from_1904 else None))


def _rows(package: "_Package", path: str, sheet: "_Sheet") -> Iterator[RawRow]:
    with _what_is_broken():
        for _ in package.parse(path, sheet):
            while sheet.rows:
                yield sheet.rows.popleft()


@contextmanager
def _what_is_broken() -> Iterator[None]:
    """Whatever a broken or forged workbook makes the parsers say is one refusal."""
    try:
        yield
    except (
        zipfile.BadZipFile, zlib.error, EOFError, OSError, SAXException, ValueError, LookupError, OverflowError,
        NotImplementedError,
    ) as error:  # fmt: skip
        raise FileRefusedError(
            f"This workbook is damaged and can't be read ({type(error).__name__}).", code="file_malformed"
        ) from error


class _Package:
    """The zip. Sizes are those its directory declares: zipfile unpacks no byte more of a member."""

    def __init__(self, file: BinaryIO) -> None:
        if _directory_bytes(file) > MAX_DIRECTORY_BYTES:
            raise FileRefusedError("This workbook has too many parts.", code="file_too_large")
        self._zip = zipfile.ZipFile(file)
        members = self._zip.infolist()
        self._elements_left = MAX_ELEMENTS
        if len(members) > MAX_MEMBERS:
            raise FileRefusedError("This workbook has too many parts.", code="file_too_large")
        if len({member.filename for member in members}) < len(members):
            raise FileRefusedError("This workbook has two parts of one name.", code="file_malformed")
        if any(member.flag_bits & 1 for member in members):
            raise FileRefusedError("This workbook is encrypted: save it without a password.", code="file_malformed")
        if any(member.filename.endswith("vbaProject.bin") for member in members):
            raise FileRefusedError("This workbook has macros: save it without.", code="file_type_refused")
        if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
            raise FileRefusedError(
                f"Unpacked, this workbook is larger than {MAX_UNPACKED_BYTES // 2**20} MB.", code="file_too_large"
            )

    def book(self) -> tuple["_Book", dict[str, tuple[str, str]]]:
        """The workbook itself, and of each part it names by id: the kind, and its path."""
        roots = self._relations("_rels/.rels", "").values()
        path = next((path for kind, path in roots if kind == "officeDocument"), "")
        if not path.endswith(".xml") or posixpath.basename(path) == "document.xml":
            raise FileRefusedError("This is no XLSX workbook.", code="file_type_refused")
        folder, name = posixpath.split(path)
        book = _Book()
        self.parse_whole(path, book)
        return book, self._relations(posixpath.join(folder, "_rels", f"{name}.rels"), folder)

    def _relations(self, path: str, folder: str) -> dict[str, tuple[str, str]]:
        if path not in self._zip.namelist():
            raise FileRefusedError("This is no XLSX workbook.", code="file_type_refused")
        relations = _Relations()
        self.parse_whole(path, relations)
        return {
            each: (kind, posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/"))
            for each, (kind, target) in relations.found.items()
        }

    def look_through(self, first: str, others: list[str]) -> None:
        """Refuse merged cells, content on other sheets, and whatever doesn't unpack as declared."""
        for path in [first, *others]:
            if path not in self._zip.namelist():
                continue  # a chart's sheet is no table
            tail = b""
            with self._zip.open(path) as part:
                while piece := part.read(PIECE_BYTES):
                    window = tail + piece
                    if merged := _MERGED.search(window):
                        where = merged[1].decode()
                        raise FileRefusedError(
                            f"Cells are merged ({where}): take the merging back, so that each row has its own.",
                            code="merged_cells",
                        )
                    if path != first and _CONTENT.search(window):
                        raise FileRefusedError(
                            "More than one sheet has content: keep the one that is to be read.", code="file_malformed"
                        )
                    tail = window[-200:]

    def parse_whole(self, path: str | None, handler: ContentHandler) -> None:
        if path is not None:
            deque(self.parse(path, handler), maxlen=0)

    def parse(self, path: str, handler: ContentHandler) -> Iterator[None]:
        """Feed a part to its handler, piece by piece."""
        parser = DefusedExpatParser(forbid_dtd=True)
        parser.setContentHandler(_Counted(self, handler))
        with self._zip.open(path) as part:
            while piece := part.read(PIECE_BYTES):
                parser.feed(piece)
                yield
        parser.close()
        yield

    def count_element(self) -> None:
        self._elements_left -= 1
        if self._elements_left < 0:
            raise FileRefusedError("This workbook has too many cells: save it as CSV.", code="file_too_large")


def _directory_bytes(file: BinaryIO) -> int:
    """How long the zip's directory is, which is read in one piece; it is found in the way that zipfile finds it."""
    size = file.seek(0, 2)
    file.seek(-min(size, 65_557 + 76), 2)
    tail = file.read()
    end = len(tail) - 22
    if not (tail[end : end + 4] == _END and tail.endswith(b"\0\0")):
        end = tail.rfind(_END)
    if end < 0:
        raise zipfile.BadZipFile("no directory")
    declared = int.from_bytes(tail[end + 12 : end + 16], "little")
    if end >= 76 and tail[end - 20 : end - 16] == _LOCATOR64:
        declared = max(declared if declared < 2**32 - 1 else 0, int.from_bytes(tail[end - 36 : end - 28], "little"))
    return declared


class _Counted(ContentHandler):
    """Hands each element on by its local name, and counts it."""

    def __init__(self, package: _Package, handler: ContentHandler) -> None:
        self._package, self._start, self._end = package, handler.startElement, handler.endElement
        self.characters = handler.characters  # type: ignore[method-assign]

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802
        self._package.count_element()
        self._start(name.rpartition(":")[2], attrs)

    def endElement(self, name: str) -> None:  # noqa: N802
        self._end(name.rpartition(":")[2])


class _Relations(ContentHandler):
    """Of each id: the kind of a part, which is the end of its type's address, and where it is."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[str, str]] = {}

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802
        if name == "Relationship" and attrs.get("TargetMode") != "External":
            self.found[attrs["Id"]] = attrs["Type"].rpartition("/")[2], attrs["Target"]


class _Book(ContentHandler):
    """The sheets in their order, by the ids of their parts, and whether days are counted from 1904."""

    def __init__(self) -> None:
        self.sheets: list[str] = []
        self.from_1904 = False

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802
        if name == "workbookPr":
            self.from_1904 = attrs.get("date1904") in ("1", "true")
        elif name == "sheet":
            self.sheets += [value for key, value in attrs.items() if key.endswith(":id")]


class _Styles(ContentHandler):
    """Which styles of cells show a number as a date, and which as a length of time."""

    def __init__(self) -> None:
        self._codes = dict(BUILTIN_FORMATS)
        self._inside = False
        self.kinds: list[str] = []

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802
        if name == "numFmt":
            self._codes[int(attrs["numFmtId"])] = attrs["formatCode"]
        elif name == "cellXfs":
            self._inside = True
        elif name == "xf" and self._inside:
            code = self._codes.get(int(attrs.get("numFmtId", "0")), "")
            self.kinds.append("span" if is_timedelta_format(code) else "date" if is_date_format(code) else "")

    def endElement(self, name: str) -> None:  # noqa: N802
        if name == "cellXfs":
            self._inside = False


class _Words(ContentHandler):
    """Collects the text of one thing at a time, up to a little more than a cell may hold."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._room = 0
        self._open = False
        self._reading_aid = False

    def begin(self) -> None:
        self._pieces, self._room, self._open = [], MAX_CELL_CHARS + 1, False

    def characters(self, content: str) -> None:
        if self._open and self._room > 0:
            self._pieces.append(content[: self._room])
            self._room -= len(content)

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802
        if name == "rPh":
            self._reading_aid = True
        elif name in ("t", "v"):
            self._open = not self._reading_aid

    def endElement(self, name: str) -> None:  # noqa: N802
        if name == "rPh":
            self._reading_aid = False
        elif name in ("t", "v"):
            self._open = False

    def text(self) -> str:
        return str(unescape("".join(self._pieces)))


class _Texts(_Words):
    """The table of texts that cells refer to by number."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._bytes_left = MAX_TEXTS_BYTES

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802
        super().startElement(name, attrs)
        if name == "si":
            self.begin()

    def endElement(self, name: str) -> None:  # noqa: N802
        super().endElement(name)
        if name == "si":
            self.found.append(self.text())
            self._bytes_left -= getsizeof(self.found[-1])
            if self._bytes_left < 0:
                raise FileRefusedError("This workbook holds too much text: save it as CSV.", code="file_too_large")


class _Sheet(_Words):
    """Turns the cells of a sheet into rows of text, each when it ends."""

    def __init__(self, texts: list[str], styles: _Styles, epoch: datetime | None) -> None:
        super().__init__()
        self.rows: deque[RawRow] = deque()
        self._texts, self._kinds, self._epoch = texts, styles.kinds, epoch or CALENDAR_WINDOWS_1900
        self._line = self._column = self._seen = 0
        self._cells: dict[int, str] = {}
        self._problem = ""
        self._type, self._style, self._is_formula = "n", 0, False

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802
        super().startElement(name, attrs)
        if name == "row":
            line = int(attrs.get("r", self._line + 1))
            if not self._line < line <= MAX_ROW:
                raise ValueError("rows out of order")
            self._line, self._column, self._seen, self._cells, self._problem = line, 0, 0, {}, ""
        elif name == "c":
            self.begin()
            self._column = _column(attrs["r"]) if "r" in attrs else self._column + 1
            self._seen += 1
            if max(self._column, self._seen) > MAX_COLUMN:
                raise ValueError("a row wider than a sheet")
            self._type, self._style, self._is_formula = attrs.get("t", "n"), int(attrs.get("s", "0")), False
        elif name == "f":
            self._is_formula = True

    def endElement(self, name: str) -> None:  # noqa: N802
        super().endElement(name)
        if name == "c":
            self._end_cell()
        elif name == "row":
            width = max(self._cells, default=0)
            cells = [self._cells.get(place, "") for place in range(1, width + 1)]
            self.rows.append(RawRow(self._line, cells, self._problem))

    def _end_cell(self) -> None:
        problem, text = "", ""
        if self._is_formula:
            problem = "holds a formula: put its value there"
        else:
            try:
                text = self._value(self.text())
            except _UnreadableCell as error:
                problem = str(error)
        if text and self._column > READ_COLUMNS:
            problem = f"is beyond column {READ_COLUMNS}"
        elif text:
            self._cells[self._column] = text
        if problem and not self._problem:
            self._problem = f"The cell in column {self._column} {problem}."

    def _value(self, text: str) -> str:
        if self._type == "s":
            return self._texts[int(text)] if text else ""
        if self._type in ("inlineStr", "str", "d") or not text:
            return text
        if self._type == "b":
            return "true" if text == "1" else "false"
        if self._type == "e":
            raise _UnreadableCell(f"holds an error ({text[:20]})")
        kind = self._kinds[self._style] if self._style < len(self._kinds) else ""
        return _number(text) if not kind else self._time(text, kind)

    def _time(self, text: str, kind: str) -> str:
        """A day as YYYY-MM-DD, with its time behind a T where it has one."""
        try:
            moment = None if kind == "span" else from_excel(float(text), self._epoch)
        except (OverflowError, ValueError):
            moment = None
        if moment is None or isinstance(moment, timedelta):
            raise _UnreadableCell("holds no text, number or date")
        if isinstance(moment, time):
            return moment.isoformat()
        return str((moment.date() if moment.time() == time() else moment).isoformat())


class _UnreadableCell(Exception):  # noqa: N818
    """Why a cell can't be read, to follow "The cell in column 3"."""


def _column(reference: str) -> int:
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise ValueError("no reference of a cell")
    number = 0
    for letter in found[1]:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _number(text: str) -> str:
    """A number as people write it: without ".0", without an exponent."""
    if _DIGITS.fullmatch(text):
        return str(int(text))
    try:
        number = float(text)
    except ValueError as error:
        raise _UnreadableCell("holds no text, number or date") from error
    if not isfinite(number):
        raise _UnreadableCell("holds no text, number or date")
    if abs(number) >= LOST_DIGITS_FROM:
        raise _UnreadableCell("has more digits than a workbook keeps: enter it as text")
    return str(int(number)) if number.is_integer() else format(Decimal(repr(number)), "f")
