"""Tables that people upload: what is read, what is one row's problem, and what refuses the file."""

import io
import tracemalloc
import zipfile
from datetime import date, datetime, time, timedelta

import pytest
from openpyxl.styles import PatternFill

from config.tables.errors import FileRefusedError
from config.tables.reading import Row, Table, open_table
from tests.config.workbooks import HEADER, MAIN, forged, text_row, workbook

COLUMNS = ("url", "views", "paid_on")


def read(file, name: str, **options) -> list[Row]:
    return list(_open(file, name, **options))


def _open(file, name: str, **options) -> Table:
    source = io.BytesIO(file.encode() if isinstance(file, str) else file) if isinstance(file, str | bytes) else file
    return open_table(source, name=name, **({"columns": COLUMNS, "required": ["url"]} | options))


def refusal(file, name: str, **options) -> FileRefusedError:
    with pytest.raises(FileRefusedError) as refused:
        read(file, name, **options)
    return refused.value


@pytest.mark.parametrize(
    "text",
    [
        "url,views\nhttps://a.example,5\n",
        "\ufeffurl,views\r\nhttps://a.example,5\r\n",
        "url;views\nhttps://a.example;5",
        "url\tviews\rhttps://a.example\t5\r",
        'URL , Views\n" https://a.example ", 5 ,,\n',
        '"views","url"\n"5","https://a.example"\n',
        "views,paid on,url\n5,,https://a.example\n",
        "views;url;;\n5;https://a.example;;\n",
    ],
)
def test_a_csv_is_read_however_it_is_written(text):
    (row,) = read(text, "claims.CSV")
    assert row.line == 2
    assert not row.problem
    assert {key: value for key, value in row.values.items() if value} == {"url": "https://a.example", "views": "5"}


def test_lines_are_those_of_the_file():
    rows = read('url,views\n"a\nb",1\n\n , \nc\nd,2,3\ne,4\n', "x.csv")
    assert [(row.line, row.values["url"], row.values["views"]) for row in rows] == [
        (2, "a\nb", "1"),
        (5 + 1, "c", ""),
        (7, "d", "2"),
        (8, "e", "4"),
    ]
    assert [bool(row.problem) for row in rows] == [False, False, True, False]
    assert "more cells than the 2 columns" in rows[2].problem


@pytest.mark.parametrize(
    ("file", "name", "code", "says"),
    [
        ("", "x.csv", "no_rows", "empty"),
        ("\n \n,,\n", "x.csv", "no_rows", "empty"),
        ("url,views\n", "x.csv", "no_rows", "no row below"),
        ("url,views\n\n , \n", "x.csv", "no_rows", "no row below"),
        ("url,likes\na,1\n", "x.csv", "unknown_column", "“likes”"),
        ("url,,views\na,1\n", "x.csv", "unknown_column", "Column 2"),
        ("views\n1\n", "x.csv", "missing_column", "“url”"),
        ("url,Views,VIEWS\na,1,2\n", "x.csv", "duplicate_column", "“views”"),
        ("url|views\na|1\n", "x.csv", "unknown_column", "“url|views”"),
        ("url\nä".encode("latin-1"), "x.csv", "file_malformed", "not UTF-8 (line 2)"),
        ("url\nä".encode("utf-16"), "x.csv", "file_malformed", "UTF-16"),
        ("url\nä\n".encode()[:-2], "x.csv", "file_malformed", "not UTF-8 (line 2)"),
        ("url\na\n\0\n", "x.csv", "file_malformed", "NUL character in line 3"),
        (b"\0" * 1000, "x.csv", "file_malformed", "NUL"),
        ('url\na\n"b\nc', "x.csv", "file_malformed", "from line 3 on"),
        ('url\na\n"' + "b\n" * 600_000, "x.csv", "file_malformed", "from line 3 on"),
        ("url\n" + "," * 1_000_001, "x.csv", "file_malformed", "1,000,000"),
        ("url\n" + "a" * 200_000, "x.csv", "file_malformed", "from line 2 on"),
        ("url\na\n", "x.txt", "file_type_refused", ".csv or .xlsx"),
        ("url\na\n", "x", "file_type_refused", ".csv or .xlsx"),
        ("url\na\n", "x.xlsx", "file_type_refused", "no workbook"),
        (workbook([["url"], ["a"]]), "x.csv", "file_type_refused", "no text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "x.xlsx", "file_malformed", "encrypted"),
        (b"PK\x03\x04 and no more", "x.xlsx", "file_malformed", "damaged"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_its_reason(file, name, code, says):
    refused = refusal(file, name)
    assert (refused.code, refused.status, refused.field) == (code, 422, "file")
    assert says in refused.message


def test_one_row_more_than_allowed_refuses_the_file():
    assert len(read("url\na\nb\n", "x.csv", max_rows=2)) == 2
    refused = refusal("url\na\nb\nc\n", "x.csv", max_rows=2)
    assert (refused.code, refused.message) == ("too_many_rows", "The file has more than 2 rows: split it.")


def test_a_cell_that_is_too_long_is_its_rows_problem():
    rows = read(f"url\n{'a' * 32_767}\n{'b' * 32_768}\n", "x.csv")
    assert [row.problem for row in rows] == ["", "url: longer than 32,767 characters."]


def test_a_workbooks_cells_are_read_as_people_see_them():
    columns = ["text", "whole", "fraction", "day", "moment", "hour", "flag", "zero", "nothing", "odd"]
    moments = [date(2026, 3, 1), datetime(2026, 3, 1, 12, 30), time(8, 15)]
    values = ["=no formula", 12000.0, 0.1, *moments, True, 0, None, "a_x000D_b"]

    def as_text(book):
        book.active["A2"].data_type = "s"

    (row,) = read(workbook([columns, values], change=as_text), "x.xlsx", columns=columns, required=[])
    assert not row.problem
    assert list(row.values.values()) == [
        "=no formula", "12000", "0.1", "2026-03-01", "2026-03-01T12:30:00", "08:15:00", "true", "0", "", "a\rb",
    ]  # fmt: skip


def test_rows_of_a_workbook_keep_their_numbers():
    def change(book):
        book.active["A5"] = "b"
        book.active.row_dimensions[9].height = 40
        book.active["C9"].fill = PatternFill("solid", "FFFF00")

    rows = read(workbook([["url", "views"], ["a", 1]], change=change), "x.xlsx")
    assert [(row.line, row.values["url"]) for row in rows] == [(2, "a"), (5, "b")]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("=1+1", "formula"),
        ("=HYPERLINK(1)", "formula"),
        ("#N/A", "an error (#N/A)"),
        (timedelta(hours=30), "no text, number or date"),
        (123456789012345678, "more digits than a workbook keeps"),
        (1e300, "more digits"),
    ],
)
def test_a_cell_that_holds_no_value_is_its_rows_problem(value, says):
    rows = read(workbook([["url", "views"], ["a", value], ["b", 2]]), "x.xlsx")
    assert says in rows[0].problem
    assert "column 2" in rows[0].problem
    assert rows[1] == Row(3, {"url": "b", "views": "2"}, "")


def test_what_others_than_excel_write_is_read():
    rows = (
        HEADER + '<row><c t="inlineStr"><is><r><t>a</t></r><r><t>b</t></r><rPh sb="0" eb="1"><t>read</t></rPh></is></c>'
        '<c><v>1.2E3</v></c></row><row r="7"><c r="B7" t="str"><v>3</v></c></row>'
    )
    assert read(forged(rows), "x.xlsx") == [
        Row(2, {"url": "ab", "views": "1200"}, ""),
        Row(7, {"url": "", "views": "3"}, ""),
    ]
    with_prefix = f'<x:worksheet xmlns:x="{MAIN}"><x:sheetData><x:row><x:c t="s"><x:v>0</x:v></x:c></x:row>' + (
        "<x:row><x:c><x:v>5</x:v></x:c></x:row></x:sheetData></x:worksheet>"
    )
    parts = {"xl/worksheets/sheet1.xml": with_prefix.encode()}
    assert read(forged("", parts=parts), "x.xlsx") == [Row(2, {"url": "5"}, "")]


def _merged(book):
    book.active.merge_cells("A3:B4")


def _macros() -> io.BytesIO:
    return forged(HEADER, parts={"xl/vbaProject.bin": b"x"})


def _other_zip() -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("word/document.xml", "<a/>")
    return file


def _cut_off() -> bytes:
    return workbook([["url"], ["a"]]).getvalue()[:-400]


def _flipped() -> bytes:
    """A member whose content isn't what its checksum says."""
    whole = forged(HEADER + text_row(2, "needle"), compression=zipfile.ZIP_STORED).getvalue()
    return whole.replace(b"needle", b"noodle")


def _encrypted() -> bytes:
    """A member that the directory says is encrypted."""
    whole = forged(HEADER + text_row(2, "a")).getvalue()
    place = whole.index(b"PK\x01\x02") + 8
    return whole[:place] + b"\x01" + whole[place + 1 :]


def _twice() -> bytes:
    """Two members of one name."""
    return forged(HEADER, parts={"xl/sharedStringz.xml": b"<a/>"}).getvalue().replace(b"Stringz", b"Strings")


def _without_sheets() -> io.BytesIO:
    return forged(HEADER, parts={"xl/workbook.xml": f'<workbook xmlns="{MAIN}"/>'.encode()})


def _binary() -> io.BytesIO:
    """A workbook of the binary kind."""
    root = forged("").getvalue()
    with zipfile.ZipFile(io.BytesIO(root)) as archive:
        relations = archive.read("_rels/.rels").replace(b"workbook.xml", b"workbook.bin")
    return forged("", parts={"_rels/.rels": relations})


@pytest.mark.parametrize(
    ("file", "code", "says"),
    [
        (_encrypted(), "file_malformed", "encrypted"),
        (_twice(), "file_malformed", "two parts of one name"),
        (_without_sheets(), "file_malformed", "no sheet"),
        (_binary(), "file_type_refused", "no XLSX"),
        (workbook([]), "no_rows", "empty"),
        (workbook([["url", "views"]]), "no_rows", "no row below"),
        (workbook([["url"], ["a"], ["b", "c"]], change=_merged), "merged_cells", "A3:B4"),
        (workbook([["url"], ["a"]], [["more"]]), "file_malformed", "More than one sheet"),
        (_macros(), "file_type_refused", "macros"),
        (_other_zip(), "file_type_refused", "no XLSX"),
        (_cut_off(), "file_malformed", "damaged"),
        (_flipped(), "file_malformed", "damaged"),
        (forged(HEADER + '<row r="2"><c t="s"><v>7</v></c></row>'), "file_malformed", "damaged"),
        (forged(HEADER + '<row r="1"><c><v>7</v></c></row>'), "file_malformed", "damaged"),
        (forged(HEADER + '<row r="99999999999"><c><v>7</v></c></row>'), "file_malformed", "damaged"),
        (forged(HEADER + '<row r="2"><c r="AAAA1"><v>7</v></c></row>'), "file_malformed", "damaged"),
        (forged(HEADER + "<row>" + "<c/>" * 16_385 + "</row>"), "file_malformed", "damaged"),
        (forged(HEADER + "<row><c>"), "file_malformed", "damaged"),
        (forged("", parts={"xl/worksheets/sheet1.xml": b""}), "no_rows", "empty"),
    ],
)
def test_a_workbook_that_is_no_table_is_refused_with_its_reason(file, code, says):
    refused = refusal(file, "x.xlsx")
    assert refused.code == code
    assert says in refused.message


def test_an_empty_second_sheet_is_no_content():
    assert len(read(workbook([["url"], ["a"]], []), "x.xlsx")) == 1


def _laughs() -> io.BytesIO:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    text = f'<!DOCTYPE sst [<!ENTITY l0 "ha">{entities}]><sst xmlns="{MAIN}"><si><t>&l11;</t></si></sst>'
    return forged(HEADER + text_row(2, "a"), parts={"xl/sharedStrings.xml": text.encode()})


def _zeros(declared: int | None = None) -> bytes:
    """A sheet of zeros that unpack to 300 MB, or that the directory declares to be `declared` bytes long."""
    file = forged(HEADER, parts={"xl/worksheets/sheet1.xml": b"\0" * 300 * 2**20}).getvalue()
    if declared is None:
        return file
    length = (300 * 2**20).to_bytes(4, "little")
    assert file.count(length) == 2  # the member's own header, and the directory
    return file.replace(length, declared.to_bytes(4, "little"))


def _many_members() -> io.BytesIO:
    return forged(HEADER, parts={f"xl/media/{number}.png": b"" for number in range(1_100)})


def _large_directory() -> io.BytesIO:
    return forged(HEADER, parts={"x" * 400 + str(number): b"" for number in range(900)})


def _many_texts() -> io.BytesIO:
    text = f'<sst xmlns="{MAIN}">' + f"<si><t>{'x' * 32_000}</t></si>" * 4_000 + "</sst>"
    return forged(HEADER + text_row(2, "a"), parts={"xl/sharedStrings.xml": text.encode()})


def _many_cells() -> io.BytesIO:
    return forged(HEADER + ("<row>" + "<c/>" * 16_000 + "</row>") * 501)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (_laughs, "file_malformed"),
        (_zeros, "file_too_large"),
        (lambda: _zeros(1000), "file_malformed"),
        (_many_members, "file_too_large"),
        (_large_directory, "file_too_large"),
        (_many_texts, "file_too_large"),
        pytest.param(_many_cells, "file_too_large", marks=pytest.mark.long),
    ],
)
def test_a_bomb_is_refused_before_it_fills_the_memory(make, code):
    bomb = make()
    bomb = bomb if isinstance(bomb, bytes) else bomb.getvalue()
    tracemalloc.start()
    try:
        refused = refusal(bomb, "x.xlsx")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refused.code == code
    assert refused.status == (413 if code == "file_too_large" else 422)
    assert peak < 150 * 2**20


def test_a_dimension_that_lies_is_not_believed():
    sheet = (
        f'<worksheet xmlns="{MAIN}"><dimension ref="A1:XFD1048576"/><sheetData>{HEADER}{text_row(2, "a")}'
        "</sheetData></worksheet>"
    )
    file = forged("", parts={"xl/worksheets/sheet1.xml": sheet.encode()})
    assert read(file, "x.xlsx") == [Row(2, {"url": "a", "views": ""}, "")]


def test_a_cell_far_to_the_right_is_its_rows_problem():
    rows = read(forged(HEADER + '<row r="2"><c r="XFD2"><v>1</v></c></row>' + text_row(3, "a")), "x.xlsx")
    assert [row.problem for row in rows] == ["The cell in column 16384 is beyond column 500.", ""]


@pytest.mark.parametrize("value", ["twelve", "1e999", "nan"])
def test_a_number_that_is_none_is_its_rows_problem(value):
    rows = read(forged(HEADER + f'<row r="2"><c r="B2"><v>{value}</v></c></row>'), "x.xlsx")
    assert rows[0].problem == "The cell in column 2 holds no text, number or date."


def test_a_date_that_is_none_is_its_rows_problem():
    def far(book):
        book.active["B2"].number_format = "yyyy-mm-dd"

    rows = read(workbook([["url", "paid_on"], ["a", 10**9]], change=far), "x.xlsx")
    assert rows[0].problem == "The cell in column 2 holds no text, number or date."


def test_a_zip_of_the_larger_kind_is_read(monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)  # what some writers do for every file
    file = forged(HEADER + text_row(2, "a"))
    assert b"PK\x06\x07" in file.getvalue()
    assert len(read(file, "x.xlsx")) == 1
    forged_length = bytearray(file.getvalue())
    place = forged_length.index(b"PK\x06\x06") + 40
    forged_length[place : place + 8] = (2**31).to_bytes(8, "little")
    assert refusal(bytes(forged_length), "x.xlsx").code == "file_too_large"


def test_the_file_stays_open():
    file = io.BytesIO(b"url\na\n")
    read(file, "x.csv")
    next(iter(_open(file, "x.csv")))  # and is let go half-way
    assert not file.closed
