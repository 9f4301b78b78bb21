"""YouTube Data API v3. Gone, private and unknown videos are silently left out; unlisted ones are answered."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from config import clock
from platforms.adapters.base import (
    MAX_TEXT_CHARS,
    Adapter,
    Line,
    Profile,
    Spend,
    as_flag,
    as_id,
    as_moment,
    as_object,
    as_objects,
    as_text,
    error_body,
    kind_of,
    object_in,
    objects_in,
    read_count,
    read_metrics,
)
from platforms.errors import ErrorKind, PlatformError, wait_s
from platforms.metrics import Availability, PostReading
from platforms.transport import Http, Response

PACIFIC = ZoneInfo("America/Los_Angeles")
_CHANNEL_ID = re.compile(r"UC[A-Za-z0-9_-]{22}")

# Not asked for, but read where it is sent: paidProductPlacementDetails, which only a video's owner may ask for. For
# anybody else's video it could refuse the whole batch.
PARTS = "snippet,statistics,status"
CHANNEL_PARTS = "snippet,statistics"

# The same 403 means "wait a day", "wait a moment" or "never": its reason decides.
_REASONS = {
    "quotaExceeded": ErrorKind.QUOTA,
    "dailyLimitExceeded": ErrorKind.QUOTA,
    "dailyLimitExceededUnreg": ErrorKind.AUTH,  # calls without a key have no allowance
    "rateLimitExceeded": ErrorKind.RATE_LIMIT,
    "userRateLimitExceeded": ErrorKind.RATE_LIMIT,
    "userRateLimitExceededUnreg": ErrorKind.RATE_LIMIT,
    "rateLimitExceededUnreg": ErrorKind.RATE_LIMIT,
    "servingLimitExceeded": ErrorKind.RATE_LIMIT,
    "concurrentLimitExceeded": ErrorKind.RATE_LIMIT,
    "limitExceeded": ErrorKind.RATE_LIMIT,
    "RATE_LIMIT_EXCEEDED": ErrorKind.RATE_LIMIT,
    "keyInvalid": ErrorKind.AUTH,
    "keyExpired": ErrorKind.AUTH,
    "API_KEY_INVALID": ErrorKind.AUTH,
    "API_KEY_EXPIRED": ErrorKind.AUTH,
    "authError": ErrorKind.AUTH,
    "required": ErrorKind.AUTH,
    "ACCESS_TOKEN_EXPIRED": ErrorKind.AUTH,
    "ACCESS_TOKEN_TYPE_UNSUPPORTED": ErrorKind.AUTH,
    "CREDENTIALS_MISSING": ErrorKind.AUTH,
    "forbidden": ErrorKind.PERMISSION,
    "insufficientPermissions": ErrorKind.PERMISSION,
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": ErrorKind.PERMISSION,
    "accessNotConfigured": ErrorKind.PERMISSION,
    "SERVICE_DISABLED": ErrorKind.PERMISSION,
}


# How Google says that a call came without a key, under a reason that says something else.
_NO_KEY = re.compile("unregistered callers|established identity|missing a valid API key", re.IGNORECASE)
_DAILY = re.compile("per ?day|daily|/d/", re.IGNORECASE)


class YouTubeAdapter(Adapter):
    slug = "youtube"
    batch_size = 50
    id_pattern = re.compile(r"[A-Za-z0-9_-]{1,64}")
    reads_profiles = True

    def ask(self, line: Line, ids: Sequence[str]) -> Iterable[PostReading]:
        return map(_reading, self._items(line, "videos", {"part": PARTS, "id": ",".join(ids)}, ids=len(ids)))

    def profile(
        self, http: Http, handle: str, *, token: str | None = None, spend: Spend | None = None
    ) -> Profile | None:
        named = {"id": handle} if _CHANNEL_ID.fullmatch(handle) else {"forHandle": f"@{handle.removeprefix('@')}"}
        found = self._items(self.line(http, token, spend), "channels", {"part": CHANNEL_PARTS, **named})
        return _profile(found[0]) if found else None

    def owner(self, http: Http, token: str, *, spend: Spend | None = None) -> Profile:
        found = self._items(self.line(http, token, spend), "channels", {"part": CHANNEL_PARTS, "mine": "true"})
        if not found:
            raise self.error(ErrorKind.PERMISSION, "no_channel")
        return _profile(found[0])

    def _items(self, line: Line, resource: str, params: Mapping[str, str], *, ids: int = 0) -> list[Mapping[str, Any]]:
        headers = {"Authorization": f"Bearer {line.token}"} if line.token else {}
        if not line.token:
            params = {**params, "key": self.credential("api_key")}
        url = self.url(f"youtube/{self.config.get('version', 'v3')}", resource)
        answer = line.call("GET", url, ids=ids, params=params, headers=headers)
        if not answer.ok:
            raise self._refused(answer)
        body = as_object(answer.json())
        # Of a list without items, Google's libraries leave out the key.
        kind = body.get("kind")
        return as_objects(body.get("items", [] if isinstance(kind, str) and kind.endswith("ListResponse") else None))

    def _refused(self, answer: Response) -> PlatformError:
        body = error_body(answer)
        reasons = _reasons(body)
        code = next((each for each in reasons if each in _REASONS), reasons[0])
        kind = _REASONS.get(code)
        if (kind or kind_of(answer.status)) is ErrorKind.RATE_LIMIT and _is_daily(body):
            kind = ErrorKind.QUOTA
        if code == "badRequest" and "API key" in str(body):  # what YouTube said of a bad key for years
            kind = ErrorKind.AUTH
        if kind is ErrorKind.PERMISSION and _NO_KEY.search(str(body)):
            kind = ErrorKind.AUTH
        return self.refusal(answer, kind, code, seconds_to_reset(clock.now()) if kind is ErrorKind.QUOTA else None)


def seconds_to_reset(now: datetime) -> int | None:
    """Seconds until the daily quota comes back: midnight Pacific, on days of 23 and 25 hours too."""
    tomorrow = now.astimezone(PACIFIC).date() + timedelta(days=1)
    return wait_s((datetime.combine(tomorrow, time(), PACIFIC).astimezone(UTC) - now).total_seconds())


def _reasons(body: Mapping[str, Any]) -> list[str]:
    """The reasons an error answer gives, the classic list first, then the newer `details`; "" where it gives none."""
    try:
        error = as_object(body.get("error"))
        listed = objects_in(error, "errors") + objects_in(error, "details")
    except PlatformError:
        return [""]
    return [reason for each in listed if isinstance(reason := each.get("reason"), str)] or [""]


def _is_daily(body: Mapping[str, Any]) -> bool:
    """Whether the newer kind of error, which calls every limit a rate limit, is about the allowance of a day."""
    try:
        error = object_in(body, "error")
        listed = objects_in(error, "errors") + objects_in(error, "details")
    except PlatformError:
        return False
    told = [error.get("message"), *(each.get(name) for each in listed for name in ("message", "metadata"))]
    return any(_DAILY.search(str(each)) for each in told)


def _reading(item: Mapping[str, Any]) -> PostReading:
    video_id = as_id(item.get("id"))
    if object_in(item, "status").get("uploadStatus") in ("deleted", "rejected"):
        return PostReading(video_id, Availability.MISSING, deleted=True, raw=item)
    snippet = object_in(item, "snippet")
    statistics = object_in(item, "statistics")
    metrics, error = read_metrics(
        views=statistics.get("viewCount"), likes=statistics.get("likeCount"), comments=statistics.get("commentCount")
    )
    return PostReading(
        video_id,
        Availability.LIVE,
        metrics,
        posted_at=as_moment(snippet.get("publishedAt")),
        author_id=as_text(snippet.get("channelId"), 64),
        author_handle=as_text(snippet.get("channelTitle"), 100),
        title=as_text(snippet.get("title")),
        text=as_text(snippet.get("description"), MAX_TEXT_CHARS),
        disclosed=as_flag(object_in(item, "paidProductPlacementDetails").get("hasPaidProductPlacement")),
        error=error,
        raw=item,
    )


def _profile(channel: Mapping[str, Any]) -> Profile:
    snippet = object_in(channel, "snippet")
    return Profile(
        as_id(channel.get("id")),
        as_text(snippet.get("customUrl"), 100),
        as_text(snippet.get("description"), MAX_TEXT_CHARS),
        read_count(object_in(channel, "statistics").get("subscriberCount")),
    )
