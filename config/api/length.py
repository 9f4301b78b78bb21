"""A body must say how long it is: one sent in chunks would be read as empty, and a change would be lost in silence."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from config.api.problems import as_json


class LengthRequiredMiddleware:
    """Answers 411 to a request with `Transfer-Encoding`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.META.get("HTTP_TRANSFER_ENCODING"):
            return as_json(411, "length_required", "Send the body with a Content-Length, not in chunks.")
        return self.get_response(request)
