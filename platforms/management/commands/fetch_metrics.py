"""`manage.py fetch_metrics`: ask a platform about posts, once, and print what it said as one line of JSON.

    {"posts": {id: {"availability": "live|missing|denied", "views", "likes", "comments", "shares", "error"}},
     "error": null | {"kind", "retryable", "code", "retry_after_s"}, "calls": n}

A figure that the platform does not tell is null. A post that the platform failed to answer, in an answer that was good
otherwise, has an error and no availability. An id that the platform could not have given is missing, with an error, and
is not asked for. `calls` counts calls for data, not for tokens; nothing is asked twice. The exit status is 0 when the
platform answered and 3 when it did not; what was answered before that is printed all the same.
"""

import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from platforms.adapters import ADAPTER_CLASSES
from platforms.adapters.base import PlatformAPIResponse
from platforms.errors import ErrorKind, PlatformError
from platforms.management.pipes import reader_may_leave
from platforms.metrics import Availability, PostReading, UnifiedMetrics
from platforms.transport import shared_http

PLATFORM_FAILED = 3

_MALFORMED_ID = PlatformError(ErrorKind.INVALID, "malformed_id", "The platform has no ids like this one.")


class Command(BaseCommand):
    help = "Ask a platform about posts and print their figures as one line of JSON."
    # It needs neither the database nor a sound configuration.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("platform", choices=list(ADAPTER_CLASSES), metavar="PLATFORM")
        parser.add_argument(
            "--token-env", metavar="NAME", help="the variable that holds a connection's own token, used instead of ours"
        )
        parser.add_argument("ids", nargs="+", metavar="ID", help="after --, since an id may begin with a dash")

    def handle(self, *args: Any, **options: Any) -> None:
        told = _ask(options["platform"], options["ids"], options["token_env"])
        with reader_may_leave():
            self.stdout.write(json.dumps(told))
            self.stdout.flush()
        if told["error"]:
            sys.exit(PLATFORM_FAILED)


def _ask(platform: str, ids: Sequence[str], token_variable: str | None) -> dict[str, Any]:
    """Batch by batch, until all are asked or the platform fails. Posts are called as they were given."""
    adapter = ADAPTER_CLASSES[platform](settings.PLATFORMS[platform] | {"renews_tokens": False})
    asked = {each: adapter.api_id(each) for each in ids}
    sound = list(dict.fromkeys(each for each in asked.values() if adapter.id_pattern.fullmatch(each)))
    told = {each: _post(PostReading(each, Availability.MISSING), _MALFORMED_ID) for each in asked.values()}
    answered = told.keys() - set(sound)
    calls: list[int] = []
    failure = None
    try:
        token = _token(token_variable)
        for start in range(0, len(sound), adapter.batch_size):
            batch = sound[start : start + adapter.batch_size]
            answer = adapter.fetch(shared_http, batch, token=token, spend=calls.append)
            told |= {each: _told(answer, each) for each in batch}
            answered |= set(batch)
    except PlatformError as error:
        failure = _error(error)
    posts = {given: told[each] for given, each in asked.items() if each in answered}
    return {"posts": posts, "error": failure, "calls": len(calls)}


def _token(variable: str | None) -> str | None:
    """Raises PlatformError (auth): who names a variable does not mean our own credential instead."""
    if variable is None:
        return None
    token = os.environ.get(variable, "").strip()
    if not token:
        raise PlatformError(ErrorKind.AUTH, "credentials_missing", f"The variable {variable} is not set.")
    return token


def _told(answer: PlatformAPIResponse, post_id: str) -> dict[str, Any]:
    return _post(answer.readings.get(post_id), answer.error_of(post_id))


def _post(reading: PostReading | None, error: PlatformError | None) -> dict[str, Any]:
    metrics = reading.metrics if reading else UnifiedMetrics()
    return {
        "availability": reading.availability.value if reading else None,
        "views": metrics.views,
        "likes": metrics.likes,
        "comments": metrics.comments,
        "shares": metrics.shares,
        "error": _error(error) if error else None,
    }


def _error(error: PlatformError) -> dict[str, Any]:
    return {
        "kind": error.kind.value,
        "retryable": error.retryable,
        "code": error.code,
        "retry_after_s": error.retry_after_s,
    }
