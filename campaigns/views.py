"""Where visitors come through. What is behind a login stands with the verdicts."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from campaigns.tracking import clicks


@csrf_exempt
@require_safe
def follow(request: HttpRequest, code: str) -> HttpResponse:
    """Send a visitor on to the landing page, and count the click."""
    try:
        target = clicks.follow(code=code, meta=request.META, method=request.method or "GET")
    except clicks.LinkGoneError:
        return _unkept(HttpResponse("This link is no longer in use.", status=410, content_type="text/plain"))
    if target is None:
        raise Http404
    return _unkept(HttpResponse(status=302, headers={"Location": target}))


def _unkept(response: HttpResponse) -> HttpResponse:
    """No cache answers in our place, and the shop learns which site its visitor came from, but not by which link."""
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "origin"
    return response
