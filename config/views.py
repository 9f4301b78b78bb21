"""Answers that belong to no app: is this process well, and errors that arise outside of the API's views."""

from django.core.exceptions import RequestDataTooBig
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views import defaults
from django.views.decorators.http import require_safe
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from config.api.parsers import BodyTooLarge
from config.api.problems import as_json
from config.api.schema import MadeOnce


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """For load balancers: 200 while the database answers, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return as_json(503, "unavailable", "The database does not answer.")
    return JsonResponse({"status": "ok"})


class Schema(SpectacularAPIView):
    """The OpenAPI document, JSON unless YAML is asked for."""

    generator_class = MadeOnce
    renderer_classes = [OpenApiJsonRenderer2, OpenApiJsonRenderer, OpenApiYamlRenderer2, OpenApiYamlRenderer]


class Docs(SpectacularSwaggerSplitView):
    """The OpenAPI document to read and to try out."""

    url_name = "api-schema"
    template_name = "config/api_docs.html"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """A request that can't be read at all."""
    if not _is_api(request):
        return defaults.bad_request(request, exception)
    if isinstance(exception, RequestDataTooBig):
        too_large = BodyTooLarge()
        return as_json(too_large.status_code, too_large.default_code, str(too_large.detail))
    return as_json(400, "bad_request", "This request can't be read.")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """An address that nothing answers."""
    if not _is_api(request):
        return defaults.page_not_found(request, exception)
    return as_json(404, "not_found", "There is nothing at this address.")


def server_error(request: HttpRequest) -> HttpResponseBase:
    """A fault of ours. Its log line carries the same request id."""
    if not _is_api(request):
        return defaults.server_error(request)
    return as_json(500, "server_error", "Something went wrong here. It has been recorded under this request id.")


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")
