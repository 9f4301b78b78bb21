"""Many rows in one statement, at PostgreSQL's own pace: COPY for what is new, an array a column for what changes."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any

import orjson
from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from psycopg import postgres
from psycopg.pq import Format
from psycopg.types.json import JsonbLoader

_read_moment = postgres.adapters.get_loader(postgres.types["timestamptz"].oid, Format.TEXT)


class _JsonLoader(JsonbLoader):
    _loads = staticmethod(orjson.loads)


def copy_rows(model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Add rows with these fields, which are all that the table needs. JSON comes as text.

    As with every INSERT, the database's constraints and triggers hold for each row. There is no word for what is there
    already: a row that is there makes all of them fail.
    """
    columns = ", ".join(f'"{model._meta.get_field(name).column}"' for name in names)  # type: ignore[union-attr]
    with connection.cursor() as cursor, cursor.copy(f'COPY "{model._meta.db_table}" ({columns}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(row)


def insert_rows(*groups: Sequence[models.Model], on_conflict: Mapping[type[models.Model], str] | None = None) -> None:
    """Add objects, each group of one model, as `bulk_create` does, but for fields that hold JSON: by one statement, the
    same for any number of them, which the ORM need not write and the database plans once."""
    added = [group for group in groups if group]
    if not added:
        return
    statements, values = [], []
    for group in added:
        model = type(group[0])
        insert, fields = _insert(model)
        statements.append(f"{insert} {(on_conflict or {}).get(model, '')}")
        for name, is_text in fields:
            column = [getattr(row, name) for row in group]
            values.append(text_array(column) if is_text else array(column))
    *before, last = statements
    others = ", ".join(f"added_{number} AS ({each})" for number, each in enumerate(before))
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {others} {last}" if before else last, values)
    for row in chain.from_iterable(added):
        row._state.adding, row._state.db = False, connection.alias


@cache
def _insert(model: type[models.Model]) -> tuple[str, list[tuple[str, bool]]]:
    """The statement, and of each field its name and whether it is text."""
    fields = model._meta.concrete_fields
    types = [str(field.db_type(connection)).partition("(")[0] for field in fields]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    arrays = ", ".join(f"%s::{each}[]" for each in types)
    return (
        f'INSERT INTO "{model._meta.db_table}" ({columns}) SELECT * FROM unnest({arrays})',
        [(field.attname, each in ("varchar", "text")) for field, each in zip(fields, types, strict=True)],
    )


def read_rows(sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """All rows that a statement gives. Moments come in UTC, read by the driver itself, which is faster than
    Django's reader; JSON comes as what it says."""
    with connection.cursor() as cursor:
        cursor.cursor.adapters.register_loader("timestamptz", _read_moment)
        cursor.cursor.adapters.register_loader("jsonb", _JsonLoader)
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def read_values(rows: "models.QuerySet[Any, tuple[Any, ...]]") -> list[tuple[Any, ...]]:
    """The same for a `values_list`, of columns that the driver gives as they are wanted."""
    try:
        return read_rows(*rows.query.sql_with_params())
    except EmptyResultSet:  # nothing can be among none
        return []


def array(values: Iterable[Any]) -> str:
    """A parameter for `%s::type[]`: ids, numbers, moments, booleans and None, but no text, which could need quoting.

    The driver makes the same out of a list, and takes longer.
    """
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


_QUOTED = str.maketrans({'"': '\\"', "\\": "\\\\"})


def text_array(texts: Iterable[str | None]) -> str:
    """The same for text, whatever it is."""
    return "{" + ",".join(["NULL" if text is None else f'"{text.translate(_QUOTED)}"' for text in texts]) + "}"
