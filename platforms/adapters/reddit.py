"""Reddit's API, as the application itself (OAuth client credentials).

Unknown posts are silently left out, removed and deleted ones stay in the answer. Scores are blurred, and there is no
view count for anybody.
"""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from config import clock
from platforms.adapters.base import (
    Adapter,
    as_id,
    as_moment,
    as_object,
    as_objects,
    as_text,
    error_body,
    is_token,
    read_metrics,
)
from platforms.errors import ErrorKind, PlatformError, seconds_in, wait_s
from platforms.metrics import Availability, PostReading
from platforms.transport import Http, Response

USER_AGENT = "web:claimcheck:0.1.0 (by /u/claimcheck)"  # Reddit throttles libraries' default agents hard
MAX_TOKEN_LIFE_S = 24 * 60 * 60
RENEWAL_MARGIN_S = 60


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    renew_at: datetime


class RedditAdapter(Adapter):
    slug = "reddit"
    batch_size = 100
    id_pattern = re.compile(r"[0-9a-z]{1,13}")

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self._token: _Token | None = None

    def ask(self, http: Http, ids: Sequence[str]) -> tuple[Iterable[PostReading], int]:
        answer, data_calls = self._info(http, ids), 1
        if answer.status == 401:  # revoked before its time: once more with a new token
            self._token = None
            answer, data_calls = self._info(http, ids), 2
        if not answer.ok:
            raise self._refused(answer)
        listing = as_object(as_object(answer.json()).get("data"))
        things = as_objects(listing.get("children"))
        return [_reading(as_object(each.get("data"))) for each in things if each.get("kind") == "t3"], data_calls

    def _info(self, http: Http, ids: Sequence[str]) -> Response:
        return http.request(
            "GET",
            f"{self.base_url}/api/info",
            platform=self.slug,
            ids=len(ids),
            params={"id": ",".join(f"t3_{each}" for each in ids), "raw_json": "1"},
            headers={"Authorization": f"bearer {self._fresh_token(http)}", "User-Agent": USER_AGENT},
        )

    def _fresh_token(self, http: Http) -> str:
        # No lock: two threads that find it stale ask for two tokens, and both are good.
        if self._token is None or clock.now() >= self._token.renew_at:
            self._token = self._new_token(http)
        return self._token.value

    def _new_token(self, http: Http) -> _Token:
        client = f"{self.credential('client_id')}:{self.credential('client_secret')}"
        answer = http.request(
            "POST",
            self.config["token_url"],
            platform=self.slug,
            headers={
                "Authorization": f"Basic {base64.b64encode(client.encode()).decode()}",
                "User-Agent": USER_AGENT,
            },
            form={"grant_type": "client_credentials"},
        )
        refused = error_body(answer).get("error")
        if answer.status in (400, 401) or (answer.ok and refused):  # Reddit refuses with a 200 as well
            raise self.refusal(answer, ErrorKind.AUTH, refused)
        if not answer.ok:
            raise self._refused(answer)
        grant = as_object(answer.json())
        value, life_s = grant.get("access_token"), grant.get("expires_in")
        if not is_token(value):
            raise PlatformError(ErrorKind.MALFORMED, "no_token", "Reddit's answer holds no usable token.")
        if not isinstance(life_s, int) or life_s < 0:
            life_s = 0  # good for this call, and not kept
        life = timedelta(seconds=min(life_s, MAX_TOKEN_LIFE_S) - RENEWAL_MARGIN_S)
        return _Token(str(value), clock.now() + life)

    def _refused(self, answer: Response) -> PlatformError:
        """Reddit's own clock counts the seconds left; on a throttled call it may be there, or Retry-After, or none."""
        left_s = seconds_in(answer.headers.get("x-ratelimit-reset")) if answer.status == 429 else None
        return self.refusal(answer, wait_s=None if left_s is None else wait_s(left_s))


def _reading(post: Mapping[str, Any]) -> PostReading:
    post_id = as_id(post.get("id"))
    author = post.get("author")
    # "[deleted]" as the author alone is a live post whose author left Reddit.
    if post.get("removed_by_category") or (author == "[deleted]" and post.get("selftext") == "[deleted]"):
        return PostReading(post_id, Availability.MISSING, deleted=True, raw=post)
    metrics, error = read_metrics(likes=post.get("score"), comments=post.get("num_comments"))
    return PostReading(
        post_id,
        Availability.LIVE,
        metrics,
        posted_at=as_moment(post.get("created_utc")),
        author_id=as_text(post.get("author_fullname"), 64),
        author_handle=None if author == "[deleted]" else as_text(author, 100),
        title=as_text(post.get("title")),
        error=error,
        raw=post,
    )
