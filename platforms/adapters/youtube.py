"""YouTube Data API v3. Gone, private and unknown videos are silently left out; unlisted ones are answered."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from config import clock
from platforms.adapters.base import (
    Adapter,
    as_id,
    as_moment,
    as_object,
    as_objects,
    as_text,
    error_body,
    read_metrics,
)
from platforms.errors import ErrorKind, PlatformError, wait_s
from platforms.metrics import Availability, PostReading
from platforms.transport import Http, Response

PACIFIC = ZoneInfo("America/Los_Angeles")

# The same 403 means "wait a day", "wait a moment" or "never": its reason decides.
_REASONS = {
    "quotaExceeded": ErrorKind.QUOTA,
    "dailyLimitExceeded": ErrorKind.QUOTA,
    "rateLimitExceeded": ErrorKind.RATE_LIMIT,
    "userRateLimitExceeded": ErrorKind.RATE_LIMIT,
    "keyInvalid": ErrorKind.AUTH,
    "keyExpired": ErrorKind.AUTH,
    "API_KEY_INVALID": ErrorKind.AUTH,
    "authError": ErrorKind.AUTH,
    "forbidden": ErrorKind.PERMISSION,
    "accessNotConfigured": ErrorKind.PERMISSION,
}


class YouTubeAdapter(Adapter):
    slug = "youtube"
    batch_size = 50
    id_pattern = re.compile(r"[A-Za-z0-9_-]{1,64}")

    def ask(self, http: Http, ids: Sequence[str]) -> tuple[Iterable[PostReading], int]:
        answer = http.request(
            "GET",
            f"{self.base_url}/youtube/v3/videos",
            platform=self.slug,
            ids=len(ids),
            params={"part": "snippet,statistics,status", "id": ",".join(ids), "key": self.credential("api_key")},
        )
        if not answer.ok:
            raise self._refused(answer)
        return map(_reading, as_objects(as_object(answer.json()).get("items"))), 1

    def _refused(self, answer: Response) -> PlatformError:
        reasons = _reasons(error_body(answer))
        code = next((each for each in reasons if each in _REASONS), reasons[0])
        kind = _REASONS.get(code)
        return self.refusal(answer, kind, code, seconds_to_reset(clock.now()) if kind is ErrorKind.QUOTA else None)


def seconds_to_reset(now: datetime) -> int | None:
    """Seconds until the daily quota comes back: midnight Pacific, on days of 23 and 25 hours too."""
    tomorrow = now.astimezone(PACIFIC).date() + timedelta(days=1)
    return wait_s((datetime.combine(tomorrow, time(), PACIFIC).astimezone(UTC) - now).total_seconds())


def _reasons(body: Mapping[str, Any]) -> list[str]:
    """The reasons an error answer gives, the classic list first, then the newer `details`; "" where it gives none."""
    try:
        error = as_object(body.get("error"))
        listed = as_objects(error.get("errors", [])) + as_objects(error.get("details", []))
    except PlatformError:
        return [""]
    return [reason for each in listed if isinstance(reason := each.get("reason"), str)] or [""]


def _reading(item: Mapping[str, Any]) -> PostReading:
    video_id = as_id(item.get("id"))
    if as_object(item.get("status", {})).get("uploadStatus") in ("deleted", "rejected"):
        return PostReading(video_id, Availability.MISSING, deleted=True, raw=item)
    snippet = as_object(item.get("snippet", {}))
    statistics = as_object(item.get("statistics", {}))
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
        error=error,
        raw=item,
    )
