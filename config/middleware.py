"""The request id: taken from X-Request-ID if well formed, else made; it is on every log line and on the answer."""

import re
import time
from collections.abc import Callable

import structlog
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import resolve

from config.ids import new_id

log = structlog.get_logger(__name__)
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)


def current_request_id() -> str:
    """The id of the request (or task) being worked on, or "" outside of any."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


class RequestIdMiddleware:
    """Binds the request id for the length of a request and logs one line when it is answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _WELL_FORMED.fullmatch(given) else new_id().hex
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            log.info(
                "request",
                method=request.method,
                path=request.path,  # never the query string, which may carry what people typed
                status=response.status_code,
                duration_ms=round((time.perf_counter() - started) * 1000, 1),
            )
        response["X-Request-ID"] = request_id
        return response


class ModeMiddleware:
    """Says on each answer of the API to somebody known which world it is about: `Claimcheck-Mode`, `live` or `test` by
    the key; `both` for people, who come by their session and see both."""

    WORDS = {True: "live", False: "test", None: "both"}

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path.startswith("/api/v1/") and response.status_code != 401 and request.user.is_authenticated:
            response["Claimcheck-Mode"] = self.WORDS[request.user.livemode]
        return response


class ShortWayMiddleware:
    """Answers what begins with PREFIX without the middlewares after this one: such a view knows no session, shows no
    page and takes no form. An address that leads nowhere there goes the long way, to the page that says so.
    """

    PREFIX = "/t/"

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(self.PREFIX):
            try:
                match = resolve(request.path_info)
                response: HttpResponse = match.func(request, *match.args, **match.kwargs)
            except Http404:
                return self.get_response(request)
            return response
        return self.get_response(request)
