"""Facebook's Graph API: posts and videos of a page, with that page's token.

A post's id is PAGE_POST, a video's a number alone. Likes are reactions of every kind. Shares are absent when nobody
shared, which is the one absent figure here that is a 0. Reactions and comments need a permission of their own, without
which the rest of a post is still told.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from platforms.adapters.base import (
    MAX_TEXT_CHARS,
    Profile,
    Spend,
    Wanted,
    as_id,
    as_link,
    as_moment,
    as_object,
    as_text,
    read_count,
    read_metrics,
)
from platforms.adapters.graph import GraphAdapter
from platforms.metrics import Availability, PostReading
from platforms.transport import Http

SITE = "https://www.facebook.com"

_COMMENTS = "comments.summary(true).limit(0)"
_POST = "id,shares,permalink_url,created_time,message,from"
_VIDEO = "id,created_time,permalink_url,description,from"
_VIDEO_VIEWS = "views,post_views"
_VIDEO_REACTIONS = f"likes.summary(true).limit(0),{_COMMENTS}"

POST_FIELDS = (f"{_POST},reactions.summary(true).limit(0),{_COMMENTS}", _POST)
VIDEO_FIELDS = (
    f"{_VIDEO},{_VIDEO_VIEWS},{_VIDEO_REACTIONS}",
    f"{_VIDEO},{_VIDEO_VIEWS}",
    f"{_VIDEO},{_VIDEO_REACTIONS}",
)
PROFILE_FIELDS = "id,name,username,about,followers_count"

_PFBID = re.compile(r"pfbid[A-Za-z0-9]{1,200}")


class FacebookAdapter(GraphAdapter):
    slug = "facebook"
    id_pattern = re.compile(r"[0-9]{1,25}(_[0-9]{1,25})?")
    insights = "post_media_view"

    def fields_of(self, post_id: str) -> Sequence[str]:
        return POST_FIELDS if "_" in post_id else VIDEO_FIELDS

    def has_insights(self, post_id: str) -> bool:
        """A video tells its views among its fields."""
        return "_" in post_id

    def reading(self, post_id: str, node: Mapping[str, Any], figures: Mapping[str, object]) -> PostReading:
        metrics, error = read_metrics(
            views=figures.get("post_media_view", node.get("views", node.get("post_views"))),
            likes=_total(node, "reactions", "likes"),
            comments=_total(node, "comments"),
            shares=_shares(node, is_post="_" in post_id),
        )
        author = as_object(node.get("from") or {})
        return PostReading(
            post_id,
            Availability.LIVE,
            metrics,
            posted_at=as_moment(node.get("created_time")),
            author_id=as_text(author.get("id"), 64),
            author_handle=as_text(author.get("name"), 100),
            text=as_text(node.get("message") or node.get("description"), MAX_TEXT_CHARS),
            permalink=as_link(node.get("permalink_url"), SITE),
            error=error,
            raw=node,
        )

    def resolve(
        self,
        http: Http,
        wanted: Sequence[Wanted],
        *,
        token: str | None = None,
        spend: Spend | None = None,
        account_id: str | None = None,
    ) -> dict[str, str]:
        """A video's number is its id; a post's number needs its page's before it; a pfbid must be looked up."""
        found = {each.url_id: each.url_id for each in wanted if each.kind == "video" and each.url_id.isdigit()}
        if account_id is None or not account_id.isdigit():
            return found
        posts = [each.url_id for each in wanted if each.url_id not in found]
        found |= {each: f"{account_id}_{each}" for each in posts if each.isdigit()}
        opaque = {each for each in posts if _PFBID.fullmatch(each)}
        if opaque:
            line = self.line(http, token, spend)
            path = f"{account_id}/published_posts"
            for post in self.pages(line, path, fields="id,permalink_url", limit="100"):
                for each in opaque & set(_PFBID.findall(str(post.get("permalink_url")))):
                    found[each] = as_id(post.get("id"))
                if opaque <= found.keys():
                    break
        return found

    def profile(
        self, http: Http, handle: str, *, token: str | None = None, spend: Spend | None = None
    ) -> Profile | None:
        """Of the token's page only: None where another page is called so, or without a connection."""
        if token is None:
            return None
        owner = self.owner(http, token, spend=spend)
        return owner if owner.handle and owner.handle.lower() == handle.removeprefix("@").lower() else None

    def owner(self, http: Http, token: str, *, spend: Spend | None = None) -> Profile:
        page = self.get(self.line(http, token, spend), "me", fields=PROFILE_FIELDS)
        return Profile(
            as_id(page.get("id")),
            as_text(page.get("username") or page.get("name"), 100),
            as_text(page.get("about"), MAX_TEXT_CHARS),
            read_count(page.get("followers_count")),
        )


def _total(node: Mapping[str, Any], *names: str) -> object:
    """A count of what hangs on a post, under the first of `names` that is there: in its summary, or as it once was."""
    for name in names:
        edge = node.get(name)
        if edge is not None:
            return as_object(as_object(edge).get("summary") or {}).get("total_count", as_object(edge).get("count"))
    return None


def _shares(node: Mapping[str, Any], *, is_post: bool) -> object:
    if node.get("shares") is not None:
        return as_object(node["shares"]).get("count")
    was_answered = is_post and node.keys() - {"id", "insights"}
    return 0 if was_answered else None
