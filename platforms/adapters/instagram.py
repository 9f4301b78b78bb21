"""Instagram's Graph API: posts of professional accounts, with the token of somebody who may see their insights.

Views and shares are insights. Where a count is hidden by its owner, it is absent. Of professional accounts that are not
connected, "business discovery" shows likes and comments only; of personal accounts, nothing is shown to anybody.
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
    as_objects,
    as_text,
    read_count,
    read_metrics,
)
from platforms.adapters.graph import MAX_PAGES, GraphAdapter, cursor_after
from platforms.errors import ErrorKind, PlatformError
from platforms.metrics import Availability, PostReading
from platforms.transport import Http

SITE = "https://www.instagram.com"
FIELDS = "id,shortcode,permalink,timestamp,caption,username,owner,like_count,comments_count"
PROFILE_FIELDS = "id,username,biography,followers_count"

_DISCOVERED = "id,shortcode,permalink,timestamp,caption,like_count,comments_count"
_NAME = re.compile(r"[A-Za-z0-9_.]{1,30}")


class InstagramAdapter(GraphAdapter):
    slug = "instagram"
    id_pattern = re.compile(r"[0-9]{1,25}")
    reads_profiles = True
    insights = "views,shares"
    insights_may_hide_posts = True

    @property
    def discovers(self) -> bool:  # type: ignore[override]
        """It takes a professional account of our own to look others up."""
        return bool(self.config.get("business_id"))

    def fields_of(self, post_id: str) -> Sequence[str]:
        return (FIELDS,)

    def has_insights(self, post_id: str) -> bool:
        return True

    def reading(self, post_id: str, node: Mapping[str, Any], figures: Mapping[str, object]) -> PostReading:
        owner = node.get("owner")
        return _reading(post_id, node, figures, owner if isinstance(owner, dict) else {})

    def resolve(
        self,
        http: Http,
        wanted: Sequence[Wanted],
        *,
        token: str | None = None,
        spend: Spend | None = None,
        account_id: str | None = None,
    ) -> dict[str, str]:
        """By the list of the owner's media: the id for the API cannot be computed from the one in the URL."""
        sought, found = {each.url_id for each in wanted}, {}
        if sought and (token or account_id):
            line = self.line(http, token, spend)
            owner = account_id if account_id and account_id.isdigit() else "me"
            for media in self.pages(line, f"{owner}/media", fields="id,shortcode,permalink", limit="100"):
                shortcode = _shortcode(media)
                if shortcode in sought:
                    found[shortcode] = as_id(media.get("id"))
                    if len(found) == len(sought):
                        break
        return found

    def discover(
        self, http: Http, handle: str, url_ids: Sequence[str], *, spend: Spend | None = None
    ) -> dict[str, PostReading]:
        """By shortcode, with likes and comments only."""
        found: dict[str, PostReading] = {}
        after = ""
        for _ in range(MAX_PAGES):
            media_fields = f"media{after}.limit(50){{{_DISCOVERED}}}"
            account = self._discovered(http, handle, f"id,username,followers_count,{media_fields}", spend)
            if account is None:
                break
            media = as_object(account.get("media") or {})
            for each in as_objects(media.get("data", [])):
                if (shortcode := _shortcode(each)) in url_ids:
                    found[shortcode] = _reading(shortcode, each, {}, account)
            cursor = cursor_after(as_object(media.get("paging") or {}))
            if not cursor or len(found) == len(set(url_ids)):
                break
            after = f".after({cursor})"
        return found

    def profile(
        self, http: Http, handle: str, *, token: str | None = None, spend: Spend | None = None
    ) -> Profile | None:
        """With a connection's token, of its owner only: None where somebody else is called so."""
        name = handle.removeprefix("@").lower()
        if token is not None:
            owner = self.owner(http, token, spend=spend)
            return owner if owner.handle and owner.handle.lower() == name else None
        account = self._discovered(http, name, PROFILE_FIELDS, spend)
        return None if account is None else _profile(account)

    def owner(self, http: Http, token: str, *, spend: Spend | None = None) -> Profile:
        return _profile(self.get(self.line(http, token, spend), "me", fields=f"user_id,{PROFILE_FIELDS}"))

    def _discovered(self, http: Http, handle: str, fields: str, spend: Spend | None) -> Mapping[str, Any] | None:
        """Somebody's professional account, as our own may see it; None where there is none of that name."""
        ours = str(self.config.get("business_id") or "")
        if not ours.isdigit():
            raise self.error(ErrorKind.INVALID, "business_id_missing")
        if not _NAME.fullmatch(handle):
            return None
        question = f"business_discovery.username({handle}){{{fields}}}"
        try:
            answer = self.get(self.line(http, None, spend), ours, fields=question)
        except PlatformError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                return None
            raise
        return as_object(answer.get("business_discovery"))


def _reading(
    post_id: str, media: Mapping[str, Any], figures: Mapping[str, object], owner: Mapping[str, Any]
) -> PostReading:
    metrics, error = read_metrics(
        views=figures.get("views", media.get("view_count")),
        likes=media.get("like_count"),
        comments=media.get("comments_count"),
        shares=figures.get("shares", media.get("shares_count")),
    )
    return PostReading(
        post_id,
        Availability.LIVE,
        metrics,
        posted_at=as_moment(media.get("timestamp")),
        author_id=as_text(owner.get("id"), 64),
        author_handle=as_text(media.get("username") or owner.get("username"), 100),
        followers=read_count(owner.get("followers_count")),
        text=as_text(media.get("caption"), MAX_TEXT_CHARS),
        permalink=as_link(media.get("permalink"), SITE),
        error=error,
        raw=media,
    )


def _shortcode(media: Mapping[str, Any]) -> str:
    """The id in a post's URL; an older API tells it in the permalink only."""
    shortcode = media.get("shortcode")
    if isinstance(shortcode, str):
        return shortcode
    return str(media.get("permalink")).rstrip("/").rpartition("/")[2]


def _profile(account: Mapping[str, Any]) -> Profile:
    return Profile(
        as_id(account.get("user_id") or account.get("id")),
        as_text(account.get("username"), 100),
        as_text(account.get("biography"), MAX_TEXT_CHARS),
        read_count(account.get("followers_count")),
    )
