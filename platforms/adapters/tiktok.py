"""TikTok's Display API: its owner's token shows a connected creator's own videos, and nobody else's.

Gone, private and other people's videos are silently left out. Every answer carries an error object, whose code is "ok"
when all is well and decides otherwise, whatever the status.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from platforms.adapters.base import (
    MAX_TEXT_CHARS,
    Adapter,
    Line,
    Profile,
    Spend,
    as_id,
    as_link,
    as_moment,
    as_object,
    as_objects,
    as_text,
    error_body,
    read_count,
    read_metrics,
)
from platforms.errors import ErrorKind
from platforms.metrics import Availability, PostReading
from platforms.transport import Http

SITE = "https://www.tiktok.com"
VIDEO_FIELDS = (
    "id,create_time,share_url,title,video_description,duration,view_count,like_count,comment_count,share_count"
)
USER_FIELDS = "open_id,union_id,display_name,username,bio_description,follower_count"

_CODES = {
    "access_token_invalid": ErrorKind.AUTH,
    "access_token_expired": ErrorKind.AUTH,
    "scope_not_authorized": ErrorKind.PERMISSION,
    "scope_permission_missed": ErrorKind.PERMISSION,
    "invalid_params": ErrorKind.INVALID,
    "invalid_param": ErrorKind.INVALID,
    "rate_limit_exceeded": ErrorKind.RATE_LIMIT,
    "internal_error": ErrorKind.UNAVAILABLE,
    # Numbers of TikTok's other APIs, the one for businesses and the first version of this one.
    "40001": ErrorKind.PERMISSION,
    "40002": ErrorKind.INVALID,
    "40100": ErrorKind.RATE_LIMIT,
    "40102": ErrorKind.AUTH,
    "40104": ErrorKind.AUTH,
    "40105": ErrorKind.AUTH,
    "10003": ErrorKind.AUTH,
    "10007": ErrorKind.AUTH,
    "10008": ErrorKind.AUTH,
    "10010": ErrorKind.AUTH,
    "2190002": ErrorKind.AUTH,
    "2190008": ErrorKind.AUTH,
}


class TikTokAdapter(Adapter):
    slug = "tiktok"
    batch_size = 20
    id_pattern = re.compile(r"[0-9]{1,20}")
    needs_connection = True

    def ask(self, line: Line, ids: Sequence[str]) -> Iterable[PostReading]:
        videos = self._data(
            line,
            "POST",
            "video/query/",
            "videos",
            ids=len(ids),
            params={"fields": VIDEO_FIELDS},
            json={"filters": {"video_ids": list(ids)}},
        )
        return map(_reading, as_objects([] if videos is None else videos))

    def profile(
        self, http: Http, handle: str, *, token: str | None = None, spend: Spend | None = None
    ) -> Profile | None:
        """Only of the token's owner: None where somebody else is called so."""
        owner = self._owner(self.line(http, token, spend))
        return owner if owner.handle and owner.handle.lower() == handle.removeprefix("@").lower() else None

    def owner(self, http: Http, token: str, *, spend: Spend | None = None) -> Profile:
        return self._owner(self.line(http, token, spend))

    def _owner(self, line: Line) -> Profile:
        user = as_object(self._data(line, "GET", "user/info/", "user", params={"fields": USER_FIELDS}))
        return Profile(
            as_id(user.get("open_id")),
            as_text(user.get("username"), 100),
            as_text(user.get("bio_description"), MAX_TEXT_CHARS),
            read_count(user.get("follower_count")),
        )

    def _data(
        self,
        line: Line,
        method: str,
        path: str,
        key: str,
        *,
        ids: int = 0,
        params: Mapping[str, str],
        json: object = None,
    ) -> object:
        """What an answer holds under `key`: None where it says "ok" and has nothing to show."""
        answer = line.call(
            method,
            self.url(str(self.config.get("version", "v2")), path),
            ids=ids,
            params=params,
            headers={"Authorization": f"Bearer {line.token}"},
            json=json,
        )
        body = as_object(answer.json()) if answer.ok else error_body(answer)
        code = _error_code(body)
        if not answer.ok or code not in (None, "ok"):
            # A code that we do not know, in an answer whose status is fine, says nothing about anything.
            kind = _CODES.get(code or "", ErrorKind.MALFORMED if answer.ok else None)
            raise self.refusal(answer, kind, code)
        value = as_object(body.get("data") or {}).get(key)
        if value is None and code is None:
            raise self.error(ErrorKind.MALFORMED, "unexpected_shape")
        return value


def _error_code(body: Mapping[str, Any]) -> str | None:
    """The code in an answer's error object; OAuth's errors are the code itself, and 0 was an older "ok".

    TikTok's other APIs have a number instead, beside the data or within.
    """
    error, data = body.get("error"), body.get("data")
    code = error.get("code") if isinstance(error, dict) else error
    if code is None:
        code = body.get("code") or (data.get("error_code") if isinstance(data, dict) else None) or None
    return "ok" if code == 0 else None if code is None else str(code)


def _reading(video: Mapping[str, Any]) -> PostReading:
    metrics, error = read_metrics(
        views=video.get("view_count"),
        likes=video.get("like_count"),
        comments=video.get("comment_count"),
        shares=video.get("share_count"),
    )
    title, description = as_text(video.get("title")), as_text(video.get("video_description"), MAX_TEXT_CHARS)
    return PostReading(
        as_id(video.get("id")),
        Availability.LIVE,
        metrics,
        posted_at=as_moment(video.get("create_time")),
        title=title,
        text=as_text(" ".join(each for each in dict.fromkeys((title, description)) if each), MAX_TEXT_CHARS),
        permalink=as_link(video.get("share_url"), SITE),
        error=error,
        raw=video,
    )
