"""Pages of lists: by cursor, so that rows added meanwhile are neither skipped nor repeated; or by offset where asked."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination, LimitOffsetPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

DEFAULT_SIZE = 50
MAX_SIZE = 200


def _size(request: Request, name: str) -> int:
    given = request.query_params.get(name)
    if given is None:
        return DEFAULT_SIZE
    if not (given.isascii() and given.isdigit()) or not 1 <= int(given[:9]) <= MAX_SIZE:
        raise ValidationError({name: [f"A whole number from 1 to {MAX_SIZE}."]})
    return int(given)


class CursorPage(CursorPagination):
    """`{"next", "previous", "results"}`, newest first; `page_size` up to 200."""

    ordering = ("-created_at", "-id")
    page_size_query_param = "page_size"
    max_page_size = MAX_SIZE

    def get_page_size(self, request: Request) -> int:
        return _size(request, "page_size")


class OffsetPage(LimitOffsetPagination):
    """`{"count", "next", "previous", "results"}` by `limit` and `offset`."""

    default_limit = DEFAULT_SIZE
    max_limit = MAX_SIZE

    def get_limit(self, request: Request) -> int:
        return _size(request, "limit")

    def get_offset(self, request: Request) -> int:
        given = request.query_params.get("offset", "0")
        if not (given.isascii() and given.isdigit()) or len(given) > 9:
            raise ValidationError({"offset": ["A whole number from 0."]})
        return int(given)


class CursorOrOffsetPage(CursorPage):
    """By cursor, unless `limit` or `offset` is given."""

    def paginate_queryset(
        self, queryset: "QuerySet[Any]", request: Request, view: APIView | None = None
    ) -> list[Any] | None:
        self.by_offset = OffsetPage() if {"limit", "offset"} & set(request.query_params) else None
        if self.by_offset:
            return self.by_offset.paginate_queryset(queryset.order_by(*self.ordering), request, view)
        return super().paginate_queryset(queryset, request, view)

    def get_paginated_response(self, data: Any) -> Response:
        return (self.by_offset or super()).get_paginated_response(data)
