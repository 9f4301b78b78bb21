"""Filters of lists. A filter that nobody knows is a mistake of the sender's, and said so."""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

PAGING = {"cursor", "page_size", "limit", "offset", "format"}


class StrictFilterBackend(DjangoFilterBackend):
    """django-filter, but an unknown query parameter is refused instead of silently giving everything."""

    def filter_queryset(self, request: Request, queryset: "QuerySet[Any]", view: APIView) -> "QuerySet[Any]":
        filterset_class = self.get_filterset_class(view, queryset)
        known = PAGING | set(filterset_class.base_filters if filterset_class else ())
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            raise ValidationError({name: ["There is no such filter."] for name in unknown})
        for name, values in request.query_params.lists():
            if any("\0" in value for value in values):
                raise ValidationError({name: ["A NUL character is not allowed."]})
        return super().filter_queryset(request, queryset, view)
