"""X API v2, with the application's own token. One answer mixes posts and the reasons why others are not in it.

Names are changing (retweet_count → repost_count, tweet → post): we ask with the old ones and read both.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
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
    read_metrics,
)
from platforms.errors import ErrorKind, PlatformError, seconds_in, wait_s
from platforms.metrics import Availability, PostReading
from platforms.transport import Http, Response

VIEWS_COUNTED_SINCE = datetime(2022, 12, 1, tzinfo=UTC)  # older posts have no figure, or a 0 that is none

_PARAMS = {
    "tweet.fields": "public_metrics,created_at,author_id,referenced_tweets,edit_history_tweet_ids",
    "expansions": "author_id",
    "user.fields": "username",
}


class XAdapter(Adapter):
    slug = "x"
    batch_size = 100
    id_pattern = re.compile(r"[0-9]{1,19}")

    def ask(self, http: Http, ids: Sequence[str]) -> tuple[Iterable[PostReading], int]:
        answer = http.request(
            "GET",
            f"{self.base_url}/2/tweets",
            platform=self.slug,
            ids=len(ids),
            params={"ids": ",".join(ids), **_PARAMS},
            headers={"Authorization": f"Bearer {self.credential('bearer_token')}"},
        )
        if not answer.ok:
            raise self._refused(answer)
        body = as_object(answer.json())
        if "data" not in body and "errors" not in body:
            raise PlatformError(ErrorKind.MALFORMED, "unexpected_shape", "X's answer has neither posts nor errors.")
        users = as_objects(as_object(body.get("includes", {})).get("users", []))
        names = {str(user.get("id")): user.get("username") for user in users}
        # Posts after problems: where X says both about one id, the post it shows is the better answer.
        problems = [_absence(each) for each in as_objects(body.get("errors", [])) if each.get("parameter") == "ids"]
        return problems + [_reading(each, names) for each in as_objects(body.get("data", []))], 1

    def _refused(self, answer: Response) -> PlatformError:
        problem = _problem(error_body(answer))
        if problem == "usage-capped":  # somebody must buy more; waiting does not help
            return self.refusal(answer, ErrorKind.QUOTA, problem)
        reset = seconds_in(answer.headers.get("x-rate-limit-reset")) if answer.status == 429 else None
        wait = None if reset is None else wait_s(reset - clock.now().timestamp())
        return self.refusal(answer, code=problem, wait_s=wait)


def _problem(error: Mapping[str, Any]) -> str:
    """The last part of a problem's type, which stands on one host or another."""
    return str(error.get("type", "")).rsplit("/", 1)[-1]


def _absence(error: Mapping[str, Any]) -> PostReading:
    """Not found: gone, suspended or never there. Whatever else keeps a post from us says nothing about the post."""
    post_id = as_id(error.get("resource_id") or error.get("value"))
    problem = _problem(error)
    if problem == "resource-not-found":
        return PostReading(post_id, Availability.MISSING, raw=error)
    return PostReading(post_id, Availability.DENIED, error=as_text(problem, 64) or "unknown", raw=error)


def _reading(post: Mapping[str, Any], names: Mapping[str, object]) -> PostReading:
    figures = as_object(post.get("public_metrics", {}))
    posted_at = as_moment(post.get("created_at"))
    views = figures.get("impression_count")
    if views == 0 and posted_at and posted_at < VIEWS_COUNTED_SINCE:
        views = None
    shares = figures.get("retweet_count", figures.get("repost_count"))
    if _is_repost(post):
        shares = None  # it repeats the original's
    metrics, error = read_metrics(
        views=views, likes=figures.get("like_count"), comments=figures.get("reply_count"), shares=shares
    )
    author_id = as_text(post.get("author_id"), 64)
    return PostReading(
        as_id(post.get("id")),
        Availability.LIVE,
        metrics,
        posted_at=posted_at,
        author_id=author_id,
        author_handle=as_text(names.get(author_id or ""), 100),
        error=error,
        raw=post,
    )


def _is_repost(post: Mapping[str, Any]) -> bool:
    referenced = as_objects(post.get("referenced_tweets", post.get("referenced_posts", [])))
    return bool(referenced) and referenced[0].get("type") in ("retweeted", "reposted")
