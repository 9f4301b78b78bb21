"""Pages of lists: by cursor, so that rows added meanwhile are neither skipped nor repeated; by offset where asked."""

from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination, LimitOffsetPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

DEFAULT_SIZE = 50
MAX_SIZE = 200
MAX_OFFSET = 10**9 - 1
SIZE_SCHEMA = {"type": "integer", "minimum": 1, "maximum": MAX_SIZE, "default": DEFAULT_SIZE}


def _in_query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _whole_number(request: Request, name: str, *, default: int, least: int, most: int) -> int:
    """A query parameter of plain digits. Raises ValidationError naming it."""
    given = request.query_params.get(name, str(default))
    if not (given.isascii() and given.isdigit() and len(given) <= 10 and least <= int(given) <= most):
        raise ValidationError({name: [f"A whole number from {least} to {most}."]})
    return int(given)


class CursorPage(CursorPagination):
    """`{"next", "previous", "results"}`, newest first (identifiers sort by time); `page_size` up to 200."""

    ordering = ("-id",)
    page_size_query_param = "page_size"
    max_page_size = MAX_SIZE
    parameters = frozenset({"cursor", "page_size"})

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any] | None:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, ModelValidationError) as error:  # not base64, or a position that is no value of the column
            raise ValidationError({"cursor": ["Take it from `next` or `previous` as it is."]}) from error

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        return [
            _in_query("cursor", {"type": "string"}, "Taken from `next` or `previous` as it is."),
            _in_query("page_size", SIZE_SCHEMA, "How many rows at most."),
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def get_page_size(self, request: Request) -> int:
        return _whole_number(request, "page_size", default=DEFAULT_SIZE, least=1, most=MAX_SIZE)


class OffsetPage(LimitOffsetPagination):
    """`{"count", "next", "previous", "results"}` by `limit` and `offset`."""

    default_limit = DEFAULT_SIZE
    max_limit = MAX_SIZE
    parameters = frozenset({"limit", "offset"})

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        return [
            _in_query("limit", SIZE_SCHEMA, "How many rows at most, by offset."),
            _in_query("offset", {"type": "integer", "minimum": 0}, "How many rows to leave out."),
        ]

    def get_limit(self, request: Request) -> int:
        return _whole_number(request, "limit", default=DEFAULT_SIZE, least=1, most=MAX_SIZE)

    def get_offset(self, request: Request) -> int:
        return _whole_number(request, "offset", default=0, least=0, most=MAX_OFFSET)


class CursorOrOffsetPage(CursorPage):
    """By cursor, unless `limit` or `offset` is given."""

    parameters = CursorPage.parameters | OffsetPage.parameters

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any] | None:
        self.by_offset = OffsetPage() if {"limit", "offset"} & set(request.query_params) else None
        if self.by_offset:
            return self.by_offset.paginate_queryset(queryset.order_by(*self.ordering), request, view)
        return super().paginate_queryset(queryset, request, view)

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        return [
            *super().get_schema_operation_parameters(view),
            *OffsetPage().get_schema_operation_parameters(view),
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        page = super().get_paginated_response_schema(schema)
        count = {"type": "integer", "description": "How many there are; only by limit and offset."}
        return page | {"properties": {"count": count, **page["properties"]}}

    def get_paginated_response(self, data: Any) -> Response:
        if self.by_offset:
            return self.by_offset.get_paginated_response(data)
        return super().get_paginated_response(data)
