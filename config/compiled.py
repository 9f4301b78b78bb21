"""Queries that nearly every request asks: the ORM takes longer to write such a one than the database to answer it.

So it writes it once, with stand-ins for what differs from call to call, and from then on the SQL is only run. What the
query says is still said by the querysets, and said there alone.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, models


class Compiled:
    """A query's SQL, and how its rows become objects, those of the foreign keys in `related` with them."""

    def __init__(self, query: models.QuerySet[Any], *related: str) -> None:
        fields: list[Any] = [query.model._meta.get_field(name) for name in related]
        self._sql, self._parameters = query.select_related(*related).order_by().query.sql_with_params()
        self._related = [field.name for field in fields]
        self._models = [query.model, *(field.related_model for field in fields)]

    def fetch(self, values: Mapping[Any, Any]) -> list[Any]:
        """The rows, with these values in the places of the query's stand-ins."""
        with connection.cursor() as cursor:
            cursor.execute(self._sql, [values.get(parameter, parameter) for parameter in self._parameters])
            rows = cursor.fetchall()
        found = []
        for row in rows:
            one, *others = objects_in(row, self._models)
            for name, other in zip(self._related, others, strict=True):
                setattr(one, name, other)
            found.append(one)
        return found


def objects_in(row: Sequence[Any], of: Sequence[type[models.Model]]) -> list[Any]:
    """The objects of these models whose columns, all of them and in their order, a row holds one after the other."""
    found, start = [], 0
    for model in of:
        names, readers = _fields(model)
        values = list(row[start : start + len(names)])
        for index, read in readers:
            values[index] = read(values[index], None, connection)
        found.append(model.from_db(DEFAULT_DB_ALIAS, names, values))
        start += len(names)
    return found


@cache
def _fields(model: type[models.Model]) -> tuple[list[str], list[tuple[int, Any]]]:
    """What a model's fields are called, and what reads those that the driver leaves as they are, by their places."""
    fields = model._meta.concrete_fields
    readers = [(index, field.from_db_value) for index, field in enumerate(fields) if hasattr(field, "from_db_value")]
    return [field.attname for field in fields], readers
