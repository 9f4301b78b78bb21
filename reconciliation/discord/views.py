"""The endpoint that Discord is told of. What it did not sign is 401, whatever else is wrong with it."""

from io import BytesIO

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from rest_framework.exceptions import ParseError

from config.api.parsers import BodyTooLarge, StrictJSONParser
from config.api.problems import as_json
from reconciliation.discord import answering, payload
from reconciliation.discord.signature import is_from_discord, is_key


@csrf_exempt
@require_POST
def interactions(request: HttpRequest) -> HttpResponse:
    """An interaction, and its answer: everything is in the database, so that it comes well within 3 seconds."""
    if not is_key(settings.DISCORD_PUBLIC_KEY):
        return as_json(503, "discord_not_set_up", "Discord is not set up here: DISCORD_PUBLIC_KEY is missing.")
    try:
        body = request.body
    except RequestDataTooBig:
        return as_json(413, "body_too_large", str(BodyTooLarge().detail))
    except UnreadablePostError:
        return as_json(400, "bad_request", "The body broke off.")
    genuine = is_from_discord(
        public_key=settings.DISCORD_PUBLIC_KEY,
        signature=request.headers.get("X-Signature-Ed25519", ""),
        timestamp=request.headers.get("X-Signature-Timestamp", ""),
        body=body,
    )
    if not genuine:
        return as_json(401, "signature_refused", "This request is not signed by Discord.")
    try:
        return JsonResponse(answering.answer(payload.read(StrictJSONParser().parse(BytesIO(body)))))
    except BodyTooLarge as error:
        return as_json(413, "body_too_large", str(error.detail))
    except ParseError as error:
        return as_json(400, "parse_error", str(error.detail))
    except payload.PayloadError as error:
        return as_json(400, "invalid", str(error))
