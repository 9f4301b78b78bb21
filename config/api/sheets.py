"""Lists of what is shown, read without making an object of each row: a page is a handful of statements, nearly all of
them written once a process.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL
from django.shortcuts import get_object_or_404
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.shown import Columns, Context, Show, Shown
from config.bulk import array, read_rows

_KEYS = "the keys that are asked for"


@dataclass(frozen=True)
class Sheet:
    """What a serializer shows of the rows of a table, looked up by a key: their own, or another's that they point at.

    `rows` gives the query that the sources of the serializer's fields are columns of, in the order in which rows of one
    key are shown. `many` are the sheets of what there is many of in each row, by their sources: keyed by the row.
    """

    serializer: type[Shown]
    rows: Callable[[], "QuerySet[Any]"]
    key: str = "id"
    many: Mapping[str, "Sheet"] = field(default_factory=dict)

    @cached_property
    def _made(self) -> tuple[str, tuple[Any, ...], Show]:
        columns = Columns()
        columns.place(self.key)
        show = self.serializer.plan(columns)
        rows = self.rows().filter(self._asked_for()).values_list(*columns.places)
        return (*rows.query.sql_with_params(), show)

    def _asked_for(self) -> RawSQL:
        """By an array, not a subquery: where many tables are joined, PostgreSQL would look for its rows last of all."""
        table = self.rows().model._meta
        column = f'"{table.db_table}"."{table.get_field(self.key).column}"'
        return RawSQL(f"{column} = ANY(%s::uuid[])", [_KEYS], BooleanField())  # noqa: S611 (the model's own names)

    def by_key(self, keys: Collection[UUID], context: Context) -> dict[UUID, list[dict[str, Any]]]:
        """What is shown of the rows of these keys; those that have none are not among them."""
        asked = array(keys)
        context = {**context, **{source: sheet.by_key(keys, context) for source, sheet in self.many.items()}}
        statement, parameters, show = self._made
        found: dict[UUID, list[dict[str, Any]]] = {}
        for row in read_rows(statement, [asked if each is _KEYS else each for each in parameters]):
            found.setdefault(row[0], []).append(show(row, context))
        return found

    def show(self, keys: Collection[UUID], context: Context) -> list[dict[str, Any]]:
        """What is shown of the rows of these keys, in their order."""
        found = self.by_key(keys, context)
        return [shown for key in keys for shown in found.get(key, ())]


class SheetList(ListAPIView[Any]):
    """A list of rows of a sheet. Its queryset says which the caller may see."""

    sheet: ClassVar[Sheet]

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        found = self.paginate_queryset(self.filter_queryset(self.get_queryset()).values("id")) or []
        shown = self.sheet.show([each["id"] for each in found], self.get_serializer_context())
        return self.get_paginated_response(shown)


class SheetRow(RetrieveAPIView[Any]):
    """One row of a sheet. Its queryset says which the caller may see."""

    sheet: ClassVar[Sheet]

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        visible = self.filter_queryset(self.get_queryset()).values("id")
        found = get_object_or_404(visible, pk=self.kwargs[self.lookup_url_kwarg])
        return Response(self.sheet.show([found["id"]], self.get_serializer_context())[0])
