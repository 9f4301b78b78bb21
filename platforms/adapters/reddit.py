"""Reddit's API, as the application itself (OAuth client credentials).

Unknown posts are silently left out, removed and deleted ones stay in the answer. Scores are blurred, and there is no
view count for anybody.
"""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from config import clock
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
    is_token,
    read_count,
    read_metrics,
)
from platforms.errors import ErrorKind, PlatformError, seconds_in, wait_s
from platforms.metrics import Availability, PostReading
from platforms.transport import Http, Response

USER_AGENT = "web:claimcheck:0.1.0 (by /u/claimcheck)"  # Reddit throttles libraries' default agents hard
SITE = "https://www.reddit.com"
MAX_TOKEN_LIFE_S = 24 * 60 * 60
RENEWAL_MARGIN_S = 60

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_ERROR_IN_CHALLENGE = re.compile(r'error="([a-z_]{1,40})"')
_DELETED_TITLES = ("[deleted]", "[deleted by user]")
_REMOVED_BY_REDDIT = re.compile(r"\[ *removed by reddit\b[^\]]*\]", re.IGNORECASE)  # over a copyright too


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    renew_at: datetime


class RedditAdapter(Adapter):
    slug = "reddit"
    batch_size = 100
    id_pattern = re.compile(r"[0-9a-z]{1,13}")
    reads_profiles = True

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self._user_agent = config.get("user_agent", USER_AGENT)
        self._renews_tokens: bool = config.get("renews_tokens", True)
        self._token: _Token | None = None

    def api_id(self, given: str) -> str:
        """As in links: with or without its prefix, in any letters; the API's have none and small ones."""
        return given.lower().removeprefix("t3_") if given.isascii() else given

    def ask(self, line: Line, ids: Sequence[str]) -> Iterable[PostReading]:
        names = ",".join(f"t3_{each}" for each in ids)
        answer = self._get(line, "api/info", ids=len(ids), id=names)
        if not answer.ok:
            raise self._refused(answer)
        self._note_what_is_left(line, answer)
        listing = as_object(as_object(answer.json()).get("data"))
        things = as_objects(listing.get("children"))
        return [_reading(as_object(each.get("data"))) for each in things if each.get("kind") == "t3"]

    def profile(
        self, http: Http, handle: str, *, token: str | None = None, spend: Spend | None = None
    ) -> Profile | None:
        if not _NAME.fullmatch(handle):
            return None
        answer = self._get(self.line(http, token, spend), f"user/{handle}/about")
        if answer.status == 404:
            return None
        if not answer.ok:
            raise self._refused(answer)
        account = as_object(as_object(answer.json()).get("data"))
        if account.get("is_suspended"):
            return None
        about = as_object(account.get("subreddit") or {})
        return Profile(
            f"t2_{as_id(account.get('id'))}",
            as_text(account.get("name"), 100),
            as_text(about.get("public_description"), MAX_TEXT_CHARS),
            read_count(about.get("subscribers")),
        )

    def _get(self, line: Line, path: str, *, ids: int = 0, **params: str) -> Response:
        """One call for data; a second one where a token from an earlier call was revoked before its time, unless the
        adapter was told (`renews_tokens`) to repeat none."""
        token, is_new = (line.token, True) if line.token else self._token_for(line.http)
        answer = self._call(line, path, token, ids, params)
        if answer.status == 401 and not is_new and self._renews_tokens:
            self._token = None
            answer = self._call(line, path, self._token_for(line.http)[0], ids, params)
        return answer

    def _call(self, line: Line, path: str, token: str, ids: int, params: Mapping[str, str]) -> Response:
        return line.call(
            "GET",
            f"{self.base_url}/{path}",
            ids=ids,
            params={**params, "raw_json": "1"},
            headers={"Authorization": f"bearer {token}", "User-Agent": self._user_agent},
        )

    def _token_for(self, http: Http) -> tuple[str, bool]:
        """The application's token, and whether it was made just now."""
        # No lock: two threads that find it stale ask for two tokens, and both are good.
        is_new = self._token is None or clock.now() >= self._token.renew_at
        token = self._new_token(http) if is_new or self._token is None else self._token
        self._token = token
        return token.value, is_new

    def _new_token(self, http: Http) -> _Token:
        client = f"{self.credential('client_id')}:{self.credential('client_secret')}"
        answer = http.request(
            "POST",
            self.config["token_url"],
            platform=self.slug,
            headers={
                "Authorization": f"Basic {base64.b64encode(client.encode()).decode()}",
                "User-Agent": self._user_agent,
            },
            form={"grant_type": "client_credentials"},
        )
        refused = error_body(answer).get("error")
        if answer.ok and isinstance(refused, int) and 400 <= refused < 600:
            answer = replace(answer, status=refused)  # the status that Reddit means
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
        asked = _ERROR_IN_CHALLENGE.search(answer.headers.get("www-authenticate", ""))
        code = asked[1] if asked else error_body(answer).get("reason")
        return self.refusal(answer, code=code, wait_s=None if left_s is None else wait_s(left_s))

    def _note_what_is_left(self, line: Line, answer: Response) -> None:
        left = seconds_in(answer.headers.get("x-ratelimit-remaining"))
        if left is not None and left < 1:
            line.rest(seconds_in(answer.headers.get("x-ratelimit-reset")))


def _is_gone(post: Mapping[str, Any]) -> bool:
    """Whether Reddit says that the post was removed or deleted; its figures often stay.

    Today `removed_by_category` says so, mostly; else moderators' own views of it do, or the words that took the place
    of its text or title. "[deleted]" as the author alone is a live post whose author left Reddit: a link that was
    deleted has no text to say so, and is told by being closed to search engines besides, as live posts may be too.
    """
    if any(post.get(name) for name in ("removed_by_category", "removal_reason", "banned_by")):
        return True
    if post.get("removed") is True or post.get("spam") is True:
        return True
    title, text = (str(post.get(name)).strip() for name in ("title", "selftext"))
    if text in ("[deleted]", "[removed]") or any(map(_REMOVED_BY_REDDIT.fullmatch, (title, text))):
        return True
    is_nobodys = post.get("author") in (None, "[deleted]")
    return is_nobodys and (title in _DELETED_TITLES or post.get("is_robot_indexable") is False)


def _reading(post: Mapping[str, Any]) -> PostReading:
    post_id = as_id(post.get("id"))
    if _is_gone(post):
        return PostReading(post_id, Availability.MISSING, deleted=True, raw=post)
    score, author = post.get("score"), post.get("author")
    if isinstance(score, int | float) and score < 0:
        score = None  # more votes down than up: honest, and no count
    metrics, error = read_metrics(likes=score, comments=post.get("num_comments"))
    return PostReading(
        post_id,
        Availability.LIVE,
        metrics,
        posted_at=as_moment(post.get("created_utc")),
        author_id=as_text(post.get("author_fullname"), 64),
        author_handle=None if author == "[deleted]" else as_text(author, 100),
        title=as_text(post.get("title")),
        text=as_text(post.get("selftext"), MAX_TEXT_CHARS),
        permalink=as_link(post.get("permalink"), SITE),
        error=error,
        raw=post,
    )
