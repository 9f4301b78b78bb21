"""Addresses of the API: each answers with and without a trailing slash, and the schema lists it once, without."""

from typing import Any

from django.urls import URLPattern
from django.urls.resolvers import RoutePattern
from rest_framework.views import APIView


class EitherSlashPattern(RoutePattern):
    """A route that also answers with one slash at its end. A redirect would lose a POST's body."""

    def match(self, path: str) -> Any:
        return super().match(path.removesuffix("/"))


def endpoint(route: str, view: type[APIView], *, name: str) -> URLPattern:
    """Like `path()`, for a class of views; `route` is written without a slash at either end."""
    return URLPattern(EitherSlashPattern(route, name=name, is_endpoint=True), view.as_view(), name=name)
