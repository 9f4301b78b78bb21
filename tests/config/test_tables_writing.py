"""Tables that people download: what stands in them, and that one that broke off doesn't look whole."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from openpyxl import load_workbook

from config.tables import writing
from config.tables.reading import open_table
from config.tables.writing import Format, stream, table_response
from tests.factories import TODAY

COLUMNS = ("text", "count", "money", "flag", "at", "day", "id", "nothing")
ID = UUID("01890000-0000-7000-8000-000000000001")
ROW = (
    "größe, “x”\n2",
    -5,
    Decimal("-12.50"),
    True,
    datetime(2026, 3, 1, 14, 30, tzinfo=timezone(timedelta(hours=2))),
    date(2026, 3, 1),
    ID,
    None,
)


def _whole(format: Format, rows, columns=COLUMNS) -> bytes:
    return b"".join(stream(format, columns, rows))


def test_a_csv():
    text = _whole(Format.CSV, [ROW]).decode("utf-8-sig")
    assert list(csv.DictReader(io.StringIO(text, newline=""))) == [
        {
            "text": "größe, “x”\n2", "count": "-5", "money": "-12.50", "flag": "true", "at": "2026-03-01T12:30:00Z",
            "day": "2026-03-01", "id": str(ID), "nothing": "",
        }
    ]  # fmt: skip


def test_json_lines():
    (line,) = _whole(Format.JSONL, [ROW]).decode().splitlines()
    assert json.loads(line) == {
        "text": "größe, “x”\n2", "count": -5, "money": "-12.50", "flag": True, "at": "2026-03-01T12:30:00Z",
        "day": "2026-03-01", "id": str(ID), "nothing": None,
    }  # fmt: skip


def test_a_workbook():
    header, row = load_workbook(io.BytesIO(_whole(Format.XLSX, [ROW]))).active.iter_rows(values_only=True)
    assert header == COLUMNS
    assert row == ("größe, “x”\n2", -5, -12.5, True, "2026-03-01T12:30:00Z", "2026-03-01", str(ID), None)


@pytest.mark.parametrize("format", Format)
def test_a_table_without_rows(format):
    content = _whole(format, [])
    if format == Format.CSV:
        assert content.decode("utf-8-sig") == ",".join(COLUMNS) + "\r\n"
    elif format == Format.XLSX:
        assert [*load_workbook(io.BytesIO(content)).active.iter_rows(values_only=True)] == [COLUMNS]
    else:
        assert content == b""


FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\n=1", "\u00a0=1", "\u200b=1", "\ufeff=1", "＝1", "＋1",
    "－1", "＠x", "\tplain", "=cmd|' /C calc'!A0",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_never_becomes_a_formula(text):
    (_, row) = csv.reader(io.StringIO(_whole(Format.CSV, [[text]], ["a"]).decode("utf-8-sig"), newline=""))
    assert row == [f"'{text}"]
    cell = load_workbook(io.BytesIO(_whole(Format.XLSX, [[text]], ["a"]))).active["A2"]
    assert (cell.data_type, cell.hyperlink) == ("s", None)
    assert json.loads(_whole(Format.JSONL, [[text]], ["a"])) == {"a": text}


@pytest.mark.parametrize("value", ["plain", "a=1", "1-2", "'x", "", "https://a.example/?a=b"])
def test_other_texts_stay_as_they_are(value):
    (_, row) = csv.reader(io.StringIO(_whole(Format.CSV, [["", value]], ["a", "b"]).decode("utf-8-sig"), newline=""))
    assert row == ["", value]


def test_digits_that_a_workbook_would_lose_are_text():
    rows = [[10**15 - 1, 10**15, Decimal("1234567890123.45"), Decimal("12345678901234.56")]]
    (row,) = load_workbook(io.BytesIO(_whole(Format.XLSX, rows, "abcd"))).active.iter_rows(2, values_only=True)
    assert row == (10**15 - 1, str(10**15), 1234567890123.45, "12345678901234.56")


def test_a_cell_too_long_for_a_workbook_says_so():
    content = _whole(Format.XLSX, [["x" * 40_000]], "a")
    value = load_workbook(io.BytesIO(content)).active["A2"].value
    assert (len(value), value[-1]) == (32_767, "…")


def test_rows_beyond_one_sheet_go_on_in_the_next(monkeypatch):
    monkeypatch.setattr(writing, "SHEET_ROWS", 3)
    book = load_workbook(io.BytesIO(_whole(Format.XLSX, [[n] for n in range(5)], ["a"])))
    sheets = [[row[0] for row in sheet.iter_rows(values_only=True)] for sheet in book]
    assert sheets == [["a", 0, 1], ["a", 2, 3], ["a", 4]]


def _breaking(after: int):
    for number in range(after):
        yield ["x" * 100, number]
    raise RuntimeError("the database went away")


@pytest.mark.parametrize("format", Format)
def test_an_error_at_the_beginning_is_raised_before_anything_is_sent(format):
    with pytest.raises(RuntimeError):
        stream(format, ["a", "b"], _breaking(3))


@pytest.mark.parametrize("format", [Format.CSV, Format.JSONL])
def test_a_table_that_breaks_off_says_so_and_the_connection_is_cut(format):
    received = []
    with pytest.raises(RuntimeError):
        received.extend(_kept(received, stream(format, ["a", "b"], _breaking(5_000))))
    last = b"".join(received).splitlines()[-1]
    assert b"INCOMPLETE" in last
    assert b"".join(received).count(b"\n") == 5_000 + 1 + (format == Format.CSV)


def _kept(received, pieces):
    for piece in pieces:
        received.append(piece)
    return []


def test_a_workbook_that_breaks_off_is_never_sent():
    with pytest.raises(RuntimeError):
        stream(Format.XLSX, ["a", "b"], _breaking(5_000))


def test_rows_are_taken_as_the_file_is(monkeypatch):
    taken = []
    pieces = stream(Format.CSV, ["a"], (taken.append(n) or ["x" * 1000] for n in range(1_000)))
    next(pieces)
    assert len(taken) < 100


@pytest.mark.parametrize("format", [Format.CSV, Format.XLSX])
def test_what_we_write_we_read(format):
    file = io.BytesIO(_whole(format, [["a ä", Decimal("1.20"), 3]], ["url", "views", "day"]))
    (row,) = open_table(file, name=f"x.{format}", columns=["url", "views", "day"], required=[])
    assert row.values["url"] == "a ä"
    assert Decimal(row.values["views"]) == Decimal("1.2")
    assert row.values["day"] == "3"


def test_the_download_has_a_name_and_a_type(today):
    response = table_response(Format.JSONL, name="claims", columns=["a"], rows=[[1]])
    assert response["Content-Disposition"] == f'attachment; filename="claims-{TODAY.astimezone(UTC):%Y-%m-%d}.jsonl"'
    assert response["Content-Type"] == "application/jsonl; charset=utf-8"
    assert b"".join(response.streaming_content) == b'{"a": 1}\n'
