"""Bodies and values that no endpoint may trip over. Every writable endpoint meets all of them.

`BODIES` are raw requests that any endpoint refuses whatever its fields are; `TEXTS` and `COUNTS` go into fields.
What is refused names the field and the reason, is a problem document, and leaves no row.
"""

import json
from dataclasses import dataclass
from typing import Any

from rest_framework.response import Response

ABSURD_DEPTH = 100_000


@dataclass(frozen=True, slots=True)
class RawBody:
    """A request's body as bytes, and the status that refuses it."""

    name: str
    body: bytes
    status: int = 400
    content_type: str = "application/json"

    def __str__(self) -> str:
        return self.name


BODIES = [
    RawBody("not JSON", b"{views: 1}"),
    RawBody("broken off", b'{"a": 1'),
    RawBody("not an object", b"[1, 2]"),
    RawBody("a bare null", b"null"),
    RawBody("not UTF-8", b'{"a": "\xff\xfe"}'),
    RawBody("a byte order mark", b'\xef\xbb\xbf{"a": 1}'),
    RawBody("NUL in a value", b'{"a": "x\\u0000y"}'),
    RawBody("NUL in a name", b'{"a\\u0000": 1}'),
    RawBody("NUL deep inside", b'{"a": [{"b": "\\u0000"}]}'),
    RawBody("lone surrogate in a value", b'{"a": "\\ud800"}'),
    RawBody("lone surrogate in a name", b'{"\\udfff": 1}'),
    RawBody("duplicate names", b'{"claimed_views": 1, "claimed_views": 999}'),
    RawBody("duplicate names deep inside", b'{"a": {"b": 1, "b": 2}}'),
    RawBody("NaN", b'{"a": NaN}'),
    RawBody("infinity", b'{"a": -Infinity}'),
    RawBody("1e400", b'{"a": 1e400}'),
    RawBody("a number of 5,000 digits", b'{"a": ' + b"9" * 5000 + b"}"),
    RawBody("21 levels", b'{"a": ' + b"[" * 20 + b"]" * 20 + b"}"),
    RawBody("100,000 nested brackets", b'{"a": ' + b"[" * ABSURD_DEPTH + b"]" * ABSURD_DEPTH + b"}"),
    RawBody("100,000 open brackets", b"[" * ABSURD_DEPTH),
    RawBody("100,000 nested objects", b'{"a":' * 30_000 + b"1" + b"}" * 30_000),
    RawBody("an unknown field", b'{"trust_score": 1}'),
    RawBody(
        "fields of the system",
        b'{"id": "0", "created_at": "2020-01-01T00:00:00Z", "is_staff": true, "livemode": false}',
    ),
    RawBody("300 KB", json.dumps({"a": "x" * 300_000}).encode(), 413),
    RawBody("1 MB", json.dumps({"a": "x" * 1_048_576}).encode(), 413),
    RawBody("3 MB", json.dumps({"a": "x" * 3_145_728}).encode(), 413),
    RawBody("a form", b"a=1&b=2", 415, "application/x-www-form-urlencoded"),
    RawBody("plain text", b'{"a": 1}', 415, "text/plain"),
    RawBody("XML", b"<a/>", 415, "application/xml"),
    RawBody("no content type", b'{"a": 1}', 415, "nonsense"),
    RawBody("multipart", b"--x\r\n\r\n--x--", 415, "multipart/form-data; boundary=x"),
    RawBody("3 MB of a form", b"a=" + b"x" * 3_145_728, 415, "application/x-www-form-urlencoded"),
]

COUNTS: list[Any] = [
    -1,
    2**53,
    2**63,
    10**19,
    1.5,
    5.0,
    1e300,
    True,
    False,
    "5",
    "1_0",
    "１２",
    "5.0",
    "٣",
    "",
    " 1",
    "1e3",
    [],
    [1],
    {},
    {"a": 1},
]
"""Values that are no count (null is one: not claimed)."""

AMOUNTS: list[Any] = [
    "-1",
    -0.01,
    "NaN",
    "Infinity",
    "1E+1000000000",
    "1e3",
    "1_0",
    "１２",
    "12,5",
    "0x10",
    "",
    True,
    [],
    {},
    "9" * 30,
    "0.000001",
    1e300,
]
"""Values that are no amount of money."""

DAYS: list[Any] = [
    "2026-02-30",
    "20260101",
    "2026-W01-1",
    "２０２６-01-01",
    "2026-1-1",
    "0001-01-01",
    "9999-12-31",
    "2026-01-01T00:00:00Z",
    "tomorrow",
    20260101,
    True,
    [],
    {},
    "",
    None,
]
"""Values that are no day of ours."""

TEXTS: list[Any] = [
    5,
    1.5,
    True,
    [],
    {},
    ["x"],
    "",
    "   ",
    "x" * 100_000,
    "user\u202egnp.exe",
    "a\u2066b",
    "zero\u200bwidth",
    "\ufeffmark",
    "bell\u0007",
    "line\nbreak",
]
"""Values that are no name of one line."""

URLS = [
    "ftp://www.youtube.com/watch?v=dQw4w9WgXcQ",
    "http://169.254.169.254/latest/meta-data/",
    "http://localhost:6379/",
    "https://reddit.com@evil.com/r/x/comments/abc123/",
    "https://rеddit.com/r/x/comments/abc123/",
    "https://[::ffff:127.0.0.1]/watch?v=dQw4w9WgXcQ",
    "javascript:alert(1)",
    "//youtube.com/watch?v=dQw4w9WgXcQ",
    "https://www.youtube.com:99999/watch?v=dQw4w9WgXcQ",
    "https://www.youtube.com.evil.com/watch?v=dQw4w9WgXcQ",
    "https://www.youtube.com/",
    "not a link",
    "",
    "x" * 100_000,
]
"""Addresses that are no post."""

IDS = [
    "1",
    "0",
    "-1",
    "null",
    "undefined",
    "٣",
    "%00",
    "%2e%2e",
    "0" * 200,
    "018f0000-0000-7000-8000-00000000000",
    "018f0000-0000-7000-8000-00000000000g",
]
"""Path segments that are no identifier: each is an unknown address."""

QUERIES = [
    "cursor=%00", "cursor=nonsense", "cursor=cD0x", "cursor=cD1ub3RhZGF0ZQ==",
    "page_size=0", "page_size=-1", "page_size=1000000000", "page_size=%D9%A3", "page_size=1_0", "page_size=",
    "no_such_filter=1", "search=%00", "%00=1", "a=%ED%A0%80%00",
]  # fmt: skip
"""Query strings that every list refuses."""


def assert_problem(response: Response | Any, status: int | range) -> dict[str, Any]:
    """A whole problem document of this status (or in this range); gives it back."""
    expected = status if isinstance(status, range) else range(status, status + 1)
    assert response.status_code in expected, (response.status_code, response.content[:500])
    assert response["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = json.loads(response.content)
    assert set(document) == {"type", "title", "status", "detail", "code", "request_id", "errors"}
    assert document["status"] == response.status_code
    assert document["title"]
    assert document["detail"]
    assert document["code"] == document["code"].lower()
    assert document["request_id"] == response["X-Request-ID"]
    for error in document["errors"]:
        assert set(error) == {"field", "code", "detail"}
        assert error["detail"]
    return document
