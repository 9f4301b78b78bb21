"""Every error of the API is a problem document (RFC 9457) with `code`, `request_id` and `errors[]` besides.

`code` is stable, `detail` is for people. `errors` names each field with its own code and reason.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.http import Http404, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from config.api.renderers import FastJSONRenderer
from config.errors import DomainError
from config.middleware import current_request_id

log = structlog.get_logger(__name__)
CONTENT_TYPE = "application/problem+json"


def problem(status: int, code: str, detail: str, errors: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The document itself."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": current_request_id(),
        "errors": errors or [],
    }


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook. What is not an answer to the sender stays an exception, to be logged as a fault of ours."""
    request = context["request"]
    request.accepted_renderer, request.accepted_media_type = FastJSONRenderer(), CONTENT_TYPE  # whatever is spoken
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, DomainError | exceptions.APIException):
        return None
    set_rollback()
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    wait_s = error.retry_after_s if isinstance(error, DomainError) else getattr(error, "wait", None)
    if wait_s is not None:
        headers["Retry-After"] = str(max(1, round(wait_s + 0.5)))
    return _response(document_of(error), headers)


def document_of(error: DomainError | exceptions.APIException) -> dict[str, Any]:
    """What a refusal says to its sender."""
    if isinstance(error, DomainError):
        errors = [{"field": error.field, "code": error.code, "detail": error.message}] if error.field else []
        return problem(error.status, error.code, error.message, errors)
    return _of_api_exception(error)


def _of_api_exception(error: exceptions.APIException) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        errors = list(_flatten(error.detail))
        first = errors[0] if errors else {"field": None, "detail": "The request is not valid."}
        where = f"{first['field']}: " if first["field"] else ""
        return problem(error.status_code, "invalid", f"{where}{first['detail']}", errors)
    code = str(error.get_codes())
    field = getattr(error, "field", None)
    errors = [{"field": field, "code": code, "detail": str(error.detail)}] if field else []
    return problem(error.status_code, code, str(error.detail), errors)


def _flatten(detail: Any, path: str = "") -> Iterator[dict[str, Any]]:
    """DRF's nested errors as a list of {field, code, detail}; `non_field_errors` is the request as a whole."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            step = "" if name == "non_field_errors" else f"[{name}]" if isinstance(name, int) else f".{name}"
            yield from _flatten(inner, f"{path}{step}".lstrip("."))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            yield from _flatten(inner, f"{path}[{index}]" if isinstance(inner, dict) else path)
    else:
        yield {"field": path or None, "code": getattr(detail, "code", "invalid"), "detail": str(detail)}


def _response(document: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    response = Response(document, status=document["status"], headers=headers)
    response.content_type = CONTENT_TYPE
    return response


def as_json(status: int, code: str, detail: str) -> JsonResponse:
    """A problem document outside of DRF: unknown addresses and faults under /api/."""
    return JsonResponse(problem(status, code, detail), status=status, content_type=CONTENT_TYPE)
