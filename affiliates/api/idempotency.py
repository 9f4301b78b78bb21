"""`Idempotency-Key`: a request that is sent again under its key is answered again, and nothing is done twice.

The work and its answer are committed together, so whoever dies in between leaves neither. A refusal is not kept: the
request may be mended and sent again under the same key. What a service commits beside its refusal stays, as it does
without a key.

A view that speaks to a platform takes no key: nobody waits for a platform with a transaction open.
"""

import hashlib
import json
import re
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import Http404, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from affiliates.errors import KeyInUseError, KeyMalformedError, KeyReusedError, ShownOnceError
from affiliates.models import IdempotencyKey
from affiliates.querysets import KeptAnswer
from config.errors import DomainError

HEADER = "Idempotency-Key"
IN_SCHEMA = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="1 to 255 visible ASCII characters, new for each request. Sent again under it within a day, the same "
    "request gets the same answer, with `Idempotent-Replayed: true`.",
)
REFUSALS = (DomainError, APIException, Http404, PermissionDenied)
_WELL_FORMED = re.compile(r"[!-~]{1,255}", re.ASCII)


def idempotent(post: Callable[..., Response]) -> Callable[..., HttpResponseBase]:
    """A view's `post` that heeds the header. The key is its sender's own, in the mode of their API key; strangers have
    none. An answer that says `no-store` holds a secret and is not kept, only that it was given."""

    @wraps(post)
    def answer(view: APIView, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        work = partial(post, view, request, *args, **kwargs)
        if HEADER not in request.headers or not request.user.is_authenticated:
            return work()
        return _answer_once(view, request, work)

    return extend_schema(parameters=[IN_SCHEMA])(answer)


def _answer_once(view: APIView, request: Request, work: Callable[[], Response]) -> HttpResponseBase:
    """Raises KeyMalformedError, KeyReusedError, KeyInUseError, ShownOnceError, and whatever the work is refused for."""
    user: Any = request.user
    key = request.headers[HEADER]
    if not _WELL_FORMED.fullmatch(key):
        raise KeyMalformedError("A key is 1 to 255 visible ASCII characters.")
    digest = _digest_of(request)
    with transaction.atomic():
        kept, is_ours = IdempotencyKey.objects.take(user=user, key=key)
        if kept:
            return _replay(kept, digest)
        if not is_ours:
            raise KeyInUseError("The first request with this key is still at work.")
        try:
            response: Response = view.finalize_response(request, work())
            response.render()
        except REFUSALS as error:
            refusal = error  # and the transaction ends as it would have without a key
        else:
            if not IdempotencyKey.objects.keep(_answer_in(response, digest), user=user, key=key):
                raise KeyInUseError("Another request with this key was faster.")  # and what is ours is undone
            return response
    raise refusal


def _answer_in(response: Response, digest: str) -> KeptAnswer:
    holds_a_secret = "no-store" in response.get("Cache-Control", "")
    body = None if holds_a_secret else response.content
    return KeptAnswer(digest, response.status_code, response.get("Location", ""), body)


def _replay(kept: KeptAnswer, digest: str) -> HttpResponse:
    if kept.digest != digest:
        raise KeyReusedError("This key stands for another request: take a new one.")
    if kept.body is None:
        raise ShownOnceError("This was done already, and its answer, which held a secret, was shown that once.")
    headers = {"Idempotent-Replayed": "true"} | ({"Location": kept.location} if kept.location else {})
    return HttpResponse(bytes(kept.body), "application/json", kept.status, headers=headers)


def _digest_of(request: Request) -> str:
    """Of method, address and what was sent: as it was read, since a form is sent with other boundaries each time."""
    data = request.data
    said = [request.method, request.path.rstrip("/"), dict(data.lists()) if isinstance(data, QueryDict) else data]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=_contents).encode()).hexdigest()


def _contents(file: "UploadedFile[Any]") -> list[str]:
    """What stands for a file: its name and its digest, taken a piece at a time."""
    digest = hashlib.sha256()
    for piece in file.chunks():
        digest.update(piece)
    file.seek(0)
    return [str(file.name), digest.hexdigest()]
