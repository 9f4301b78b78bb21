"""Answers are written as the library would write them."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from django.utils.functional import lazystr
from rest_framework.renderers import JSONRenderer

from config.api.renderers import FastJSONRenderer
from reconciliation.comparison import Status

MOMENT = datetime(2026, 3, 1, 12, 30, 0, 120, UTC)


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, {}, [], ""]},
        'Größe 日本 🎬 "quoted" \\ \n\t\x00\x1f\x7f </script>',
        MOMENT,
        MOMENT.replace(microsecond=0),
        MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30))),
        date(2026, 3, 1),
        timedelta(hours=1.5),
        UUID(int=7),
        [Decimal("12.50"), Decimal("0.00"), Decimal(10) ** 20],
        (1, 2),
        {Status.MATCHED: Status.MATCHED},
        {1: "one"},
        lazystr("said later"),
        2**53 - 1,
        -(2**63),
        10**30,
    ],
    ids=str,
)
def test_it_writes_what_the_library_writes(value):
    assert FastJSONRenderer().render({"value": value}) == JSONRenderer().render({"value": value})


def test_it_indents_where_that_is_asked_for():
    given = {"a": [1]}, "application/json; indent=2"
    assert FastJSONRenderer().render(*given) == JSONRenderer().render(*given) == b'{\n  "a": [\n    1\n  ]\n}'


def test_nothing_is_an_empty_body():
    assert FastJSONRenderer().render(None) == b""


def test_what_cannot_be_written_is_an_error():
    with pytest.raises(TypeError):
        FastJSONRenderer().render({"value": object()})
