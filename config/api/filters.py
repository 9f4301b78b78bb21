"""Filters of lists. A filter that nobody knows is a mistake of the sender's, and said so."""

from typing import Any

from django.db.models import QuerySet
from django_filters import FilterSet, TypedChoiceFilter
from django_filters.rest_framework.backends import DjangoFilterBackend
from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView


@extend_schema_field({"type": "boolean"})
class FlagFilter(TypedChoiceFilter):
    """`true` or `false`; anything else is refused. (The library's own takes it for "no filter".)"""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[("true", "true"), ("false", "false")], coerce=lambda word: word == "true", **kwargs)


class StrictFilterBackend(DjangoFilterBackend):
    """django-filter, but an unknown query parameter is refused instead of silently giving everything."""

    def filter_queryset(self, request: Request, queryset: "QuerySet[Any]", view: APIView) -> "QuerySet[Any]":
        filterset_class = self.get_filterset_class(view, queryset)
        paging: frozenset[str] = getattr(getattr(view, "paginator", None), "parameters", frozenset())
        known_filters = set(filterset_class.base_filters if filterset_class else ())
        unknown = sorted(set(request.query_params) - known_filters - paging - {"format"})
        if unknown:
            raise ValidationError({name: ["There is no such filter."] for name in unknown})
        for name, values in request.query_params.lists():
            if any("\0" in value for value in values):
                raise ValidationError({name: ["A NUL character is not allowed."]})
        if not known_filters & set(request.query_params) and _narrows_by_parameters_alone(filterset_class):
            return queryset  # and no form is made, which costs more than to ask for the rows
        narrowed: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return narrowed


def _narrows_by_parameters_alone(filterset_class: Any) -> bool:
    return filterset_class is None or filterset_class.filter_queryset is FilterSet.filter_queryset
