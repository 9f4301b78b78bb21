"""Many rows in one statement, at PostgreSQL's own pace: COPY for what is new, an array a column for what changes."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, models


def copy_rows(model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Add rows with these fields, which are all that the table needs. JSON comes as text.

    As with every INSERT, the database's constraints and triggers hold for each row. There is no word for what is there
    already: a row that is there makes all of them fail.
    """
    columns = ", ".join(f'"{model._meta.get_field(name).column}"' for name in names)  # type: ignore[union-attr]
    with connection.cursor() as cursor, cursor.copy(f'COPY "{model._meta.db_table}" ({columns}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(row)


def array(values: Iterable[Any]) -> str:
    """A parameter for `%s::type[]`: ids, numbers, moments, booleans and None, but no text, which could need quoting.

    The driver makes the same out of a list, several times slower.
    """
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
