"""Where visitors come through, and where shops report: nobody logs in here."""

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from rest_framework.exceptions import APIException

from campaigns.models import Campaign, Conversion
from campaigns.tracking import clicks
from campaigns.tracking.conversions import Outcome, take_postback
from campaigns.tracking.requests import MAX_BODY_BYTES, RawPostback, read
from config.api import problems
from config.errors import DomainError


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


@csrf_exempt
def postback(request: HttpRequest, token: str) -> HttpResponse:
    """Take what a campaign's shop reports. Its signature is checked before anything that it says is read."""
    campaign = Campaign.objects.filter(postback_token=token).first()
    if campaign is None:
        return problems.as_json(404, "not_found", "There is nothing at this address.")
    allowed = ["POST", "GET"] if campaign.allows_get_postbacks else ["POST"]
    if request.method not in allowed:
        refused = problems.as_json(405, "method_not_allowed", f"Send this by {' or '.join(allowed)}.")
        refused["Allow"] = ", ".join(allowed)
        return refused
    try:
        if _announced(request) > MAX_BODY_BYTES:
            return problems.as_json(413, "body_too_large", f"The body is larger than {MAX_BODY_BYTES // 1024} KB.")
        taken = take_postback(campaign=campaign, postback=read(_raw(request), campaign))
    except (DomainError, APIException) as error:
        return _refused(error)
    return _taken(request, *taken)


def _announced(request: HttpRequest) -> int:
    """How long the body says it is; what is no number is read as nothing, by Django too."""
    length = request.META.get("CONTENT_LENGTH") or ""
    return int(length) if length.isascii() and length.isdigit() else 0


def _raw(request: HttpRequest) -> RawPostback:
    return RawPostback(
        method=request.method or "",
        path=request.path,
        query=request.META.get("QUERY_STRING", ""),
        headers=request.headers,
        body=request.body,
    )


def _taken(request: HttpRequest, conversion: Conversion, outcome: Outcome) -> HttpResponse:
    """200; 201 where a POST made the conversion. Shops that can only GET know no other answer than 200."""
    answer = {
        "id": str(conversion.pk),
        "transaction_id": conversion.transaction_id,
        "status": conversion.status,
        "outcome": outcome.value,
        "attributed": conversion.link_id is not None,
        "reason": conversion.unattributed or None,
    }
    made = outcome == Outcome.NEW and request.method == "POST"
    response = JsonResponse(answer, status=201 if made else 200)
    response["Cache-Control"] = "no-store"
    return response


def _refused(error: DomainError | APIException) -> HttpResponse:
    document = problems.document_of(error)
    return JsonResponse(document, status=document["status"], content_type=problems.CONTENT_TYPE)
