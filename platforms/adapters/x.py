"""X API v2, as the application or as a user. One answer mixes posts and the reasons why others are not in it.

Names are changing (retweet_count → repost_count, tweet → post): we ask with the old ones and read both.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

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
    as_text,
    error_body,
    kind_of,
    object_in,
    objects_in,
    read_count,
    read_metrics,
)
from platforms.errors import ErrorKind, PlatformError, seconds_in, wait_s
from platforms.metrics import Availability, PostReading
from platforms.transport import Http, Response

VIEWS_COUNTED_SINCE = datetime(2022, 12, 1, tzinfo=UTC)  # older posts have no figure, or a 0 that is none
_FIRST_ID_WITH_VIEWS = 1598100000000000000  # ids grow with time: where no time is told, this is about that day

_PARAMS = {
    "tweet.fields": "public_metrics,created_at,author_id,referenced_tweets,edit_history_tweet_ids,note_tweet",
    "expansions": "author_id",
    "user.fields": "username,public_metrics",
}
_USER_FIELDS = {"user.fields": "username,description,public_metrics"}
_NAME = re.compile(r"[A-Za-z0-9_]{1,15}")

# Codes of the API before this one, which some refusals still carry in their bodies.
_LEGACY_CODES = {
    32: ErrorKind.AUTH,
    64: ErrorKind.AUTH,
    88: ErrorKind.RATE_LIMIT,
    89: ErrorKind.AUTH,
    215: ErrorKind.AUTH,
    453: ErrorKind.PERMISSION,
}


# What X says once a cap or a purse is used up, by the problem's type or by its title: somebody must raise it or pay.
_USED_UP = {"usage-capped", "credits", "credits-depleted", "spend-cap", "spend-capped", "spend-cap-reached"}
_USED_UP_TITLES = {"UsageCapExceeded", "CreditsDepleted", "SpendCapReached"}

# Limits beside the window's own, each with headers of its own.
_DAILY_LIMITS = ("x-app-limit-24hour", "x-user-limit-24hour")


class XAdapter(Adapter):
    slug = "x"
    batch_size = 100
    id_pattern = re.compile(r"[0-9]{1,19}")
    reads_profiles = True

    def ask(self, line: Line, ids: Sequence[str]) -> Iterable[PostReading]:
        body = self._get(line, "tweets", ids=len(ids), params={"ids": ",".join(ids), **_PARAMS})
        problems = [each for each in objects_in(body, "errors") if _is_about(each, ids)]
        if "data" not in body and not problems:
            raise self.error(ErrorKind.MALFORMED, "unexpected_shape")
        users = objects_in(object_in(body, "includes"), "users")
        authors = {str(user.get("id")): user for user in users}
        # Posts after problems: where X says both about one id, the post it shows is the better answer.
        return [_absence(each) for each in problems] + [_reading(each, authors) for each in objects_in(body, "data")]

    def profile(
        self, http: Http, handle: str, *, token: str | None = None, spend: Spend | None = None
    ) -> Profile | None:
        name = handle.removeprefix("@")
        if not _NAME.fullmatch(name):
            return None
        body = self._get(self.line(http, token, spend), f"users/by/username/{name}", params=_USER_FIELDS)
        return _profile(as_object(body["data"])) if "data" in body else None

    def owner(self, http: Http, token: str, *, spend: Spend | None = None) -> Profile:
        body = self._get(self.line(http, token, spend), "users/me", params=_USER_FIELDS)
        return _profile(as_object(body.get("data")))

    def _get(self, line: Line, path: str, *, ids: int = 0, params: Mapping[str, str]) -> Mapping[str, Any]:
        answer = line.call(
            "GET",
            self.url(str(self.config.get("version", "2")), path),
            ids=ids,
            params=params,
            headers={"Authorization": f"Bearer {line.token or self.credential('bearer_token')}"},
        )
        if not answer.ok:
            raise self._refused(answer)
        if _is_used_up(answer, "x-rate-limit") or any(_is_used_up(answer, each) for each in _DAILY_LIMITS):
            line.rest(_seconds_to_reset(answer))
        body = {name: value for name, value in as_object(answer.json()).items() if value is not None}
        if "data" not in body and ("errors" not in body or _legacy_code(body) in _LEGACY_CODES):
            raise self._refused(answer)
        return body

    def _refused(self, answer: Response) -> PlatformError:
        body = error_body(answer)
        problem, title = _problem(body), body.get("title")
        if problem in _USED_UP:  # waiting does not help
            return self.refusal(answer, ErrorKind.QUOTA, problem)
        if title in _USED_UP_TITLES:
            return self.refusal(answer, ErrorKind.QUOTA, title)
        legacy = _legacy_code(body)
        kind = _LEGACY_CODES.get(legacy)
        code = str(legacy) if kind else problem
        if answer.ok and kind is None:
            return self.error(ErrorKind.MALFORMED, "unexpected_shape")
        left_s = None
        if (kind or kind_of(answer.status)) is ErrorKind.RATE_LIMIT:
            left_s = _seconds_to_reset(answer)
        return self.refusal(answer, kind, code, None if left_s is None else wait_s(left_s))


def _seconds_to_reset(answer: Response) -> float | None:
    """X's clock names the moment at which the window begins anew; once the day's limit is used up, the day."""
    daily = [each for each in _DAILY_LIMITS if _is_used_up(answer, each)]
    resets = [seconds_in(answer.headers.get(f"{each}-reset")) for each in (*daily, "x-rate-limit")]
    return max((each - clock.now().timestamp() for each in resets if each is not None), default=None)


def _is_used_up(answer: Response, limit: str) -> bool:
    return answer.headers.get(f"{limit}-remaining") == "0"


def _legacy_code(body: Mapping[str, Any]) -> int:
    listed = body.get("errors")
    first = listed[0] if isinstance(listed, list) and listed else None
    code = first.get("code") if isinstance(first, dict) else None
    return code if isinstance(code, int) else 0


def _problem(error: Mapping[str, Any]) -> str:
    """The last part of a problem's type, which stands on one host or another."""
    return str(error.get("type", "")).rsplit("/", 1)[-1]


def _is_about(error: Mapping[str, Any], ids: Sequence[str]) -> bool:
    """Whether an error is about a post that was asked for, and not about one that it quotes or replies to."""
    parameter = error.get("parameter")
    if parameter in ("ids", "id"):
        return True
    if parameter is None or _problem(error) == "not-authorized-for-field":
        return _named_in(error) in ids
    return False


def _named_in(error: Mapping[str, Any]) -> object:
    """Whom an error is about: an id, which is text wherever it came as a number."""
    named = error.get("resource_id") or error.get("value")
    return str(named) if isinstance(named, int) else named


def _absence(error: Mapping[str, Any]) -> PostReading:
    """Not found: gone, suspended or never there. Whatever else keeps a post from us says nothing about the post."""
    post_id = as_id(_named_in(error))
    problem = _problem(error)
    if problem == "resource-not-found":
        return PostReading(post_id, Availability.MISSING, raw=error)
    return PostReading(post_id, Availability.DENIED, error=as_text(problem, 64) or "unknown", raw=error)


def _reading(post: Mapping[str, Any], authors: Mapping[str, Mapping[str, Any]]) -> PostReading:
    post_id = as_id(post.get("id"))
    figures = object_in(post, "public_metrics")
    posted_at = as_moment(post.get("created_at"))
    views = figures.get("impression_count")
    if views == 0 and not (_is_repost(post) or _counts_views(post_id, posted_at)):
        views = None
    metrics, error = read_metrics(
        views=views,
        likes=figures.get("like_count"),
        comments=figures.get("reply_count"),
        shares=figures.get("retweet_count", figures.get("repost_count")),  # of a pure repost, the original's
    )
    author_id = as_text(post.get("author_id"), 64)
    author = authors.get(author_id or "", {})
    return PostReading(
        post_id,
        Availability.LIVE,
        metrics,
        posted_at=posted_at,
        author_id=author_id,
        author_handle=as_text(author.get("username"), 100),
        followers=_followers(author),
        text=_text(post),
        disclosed=as_flag(post.get("paid_partnership")),
        api_id=_newest_id(post, post_id),
        error=error,
        raw=post,
    )


def _is_repost(post: Mapping[str, Any]) -> bool:
    """Whether this is another post once more, of which X sends a 0 for views at any age."""
    referenced = post.get("referenced_tweets", post.get("referenced_posts"))
    listed = referenced if isinstance(referenced, list) else []
    return any(isinstance(each, dict) and each.get("type") in ("retweeted", "reposted") for each in listed)


def _counts_views(post_id: str, posted_at: datetime | None) -> bool:
    if posted_at is None:
        return not post_id.isdecimal() or int(post_id) >= _FIRST_ID_WITH_VIEWS
    return posted_at >= VIEWS_COUNTED_SINCE


def _text(post: Mapping[str, Any]) -> str | None:
    """A long post's whole text is its note; `text` is then its beginning."""
    note = post.get("note_tweet")
    whole = note.get("text") if isinstance(note, dict) else None
    return as_text(whole or post.get("text"), MAX_TEXT_CHARS)


def _newest_id(post: Mapping[str, Any], post_id: str) -> str | None:
    """An edit makes a new id, under which the content goes on."""
    history = post.get("edit_history_tweet_ids", post.get("edit_history_post_ids"))
    newest = history[-1] if isinstance(history, list) and history else None
    return newest if isinstance(newest, str) and newest != post_id else None


def _followers(user: Mapping[str, Any]) -> int | None:
    figures = user.get("public_metrics")
    return read_count(figures.get("followers_count")) if isinstance(figures, dict) else None


def _profile(user: Mapping[str, Any]) -> Profile:
    return Profile(
        as_id(user.get("id")),
        as_text(user.get("username"), 100),
        as_text(user.get("description"), MAX_TEXT_CHARS),
        _followers(user),
    )
