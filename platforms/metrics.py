"""What platforms count: the unified metrics, what each of them means from which date, and how long it lags.

Platforms change what a figure means without changing its name, so every stored figure carries the id of the definition
that was in force when it was read. A figure nobody gives is None, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import chain

PLATFORM_NAMES = {
    "youtube": "YouTube",
    "reddit": "Reddit",
    "x": "X",
    "tiktok": "TikTok",
    "instagram": "Instagram",
    "facebook": "Facebook",
}
ALIASES = {"meta": "facebook"}
"""Other words for a platform's slug."""


class Availability(StrEnum):
    """Whether a platform shows us a post. Gone, private and never there look alike to most: MISSING."""

    LIVE = "live"
    MISSING = "missing"
    DENIED = "denied"


class Metric(StrEnum):
    VIEWS = "views"
    LIKES = "likes"
    COMMENTS = "comments"
    SHARES = "shares"
    CLICKS = "clicks"
    CONVERSIONS = "conversions"


class Provenance(StrEnum):
    """Who says a figure, the most direct source first: where two speak, the earlier one here is believed."""

    OWN_TRACKING = "own_tracking"
    CONNECTION = "connection"
    PUBLIC_API = "public_api"
    DEVICE = "device"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class UnifiedMetrics:
    """A post's public counts; None where the platform gives none or gave something unreadable."""

    views: int | None = None
    likes: int | None = None
    comments: int | None = None
    shares: int | None = None


@dataclass(frozen=True, slots=True)
class PostReading:
    """What a platform said about one post at one moment. Only a LIVE reading has metrics.

    `deleted` is True only where the platform itself says deleted or removed. `error` is a code: why access was denied,
    why a live post's figures are not all there, or `malformed_figure` where a count was not a whole number from 0 to
    2^53 - 1. `disclosed` is the platform's own flag for paid partnerships, None where it tells of none. `api_id` is the
    id by which the API knows this content, where that is not the one asked for. `raw` is the platform's own item.
    """

    external_id: str
    availability: Availability
    metrics: UnifiedMetrics = UnifiedMetrics()
    deleted: bool = False
    posted_at: datetime | None = None
    author_id: str | None = None
    author_handle: str | None = None
    followers: int | None = None
    title: str | None = None
    text: str | None = None
    disclosed: bool | None = None
    api_id: str | None = None
    permalink: str | None = None
    error: str | None = None
    raw: Mapping[str, object] | None = None


class LagBasis(StrEnum):
    """Which age decides whether a source may not have caught up."""

    POST_AGE = "post_age"
    CLAIM_AGE = "claim_age"


@dataclass(frozen=True, slots=True)
class Lag:
    """A source may lag behind while the age named by `basis` is less than `hours`."""

    basis: LagBasis
    hours: int


VIEWS_LAG: dict[str, Lag] = {
    "reddit": Lag(LagBasis.POST_AGE, 1),
    "x": Lag(LagBasis.POST_AGE, 1),
    "youtube": Lag(LagBasis.POST_AGE, 24),
    "tiktok": Lag(LagBasis.POST_AGE, 24),
    "instagram": Lag(LagBasis.CLAIM_AGE, 48),
    "facebook": Lag(LagBasis.CLAIM_AGE, 48),
}
CONVERSIONS_LAG_H = 72


def lags(slug: str, *, views_lag_h: int | None = None, conversion_lag_h: int = CONVERSIONS_LAG_H) -> dict[str, Lag]:
    """How long each metric's source may lag behind on a platform, by metric; a metric that never lags is absent."""
    views = VIEWS_LAG[slug]
    return {
        Metric.VIEWS: views if views_lag_h is None else Lag(views.basis, views_lag_h),
        Metric.CONVERSIONS: Lag(LagBasis.CLAIM_AGE, conversion_lag_h),
    }


OWN_TRACKING = "own_tracking"


@dataclass(frozen=True, slots=True)
class Definition:
    """What a metric of one platform, or of our own tracking, means from `since` on; None: from the beginning."""

    owner: str
    metric: Metric
    since: date | None
    text: str

    @property
    def id(self) -> str:
        return f"{self.owner}.{self.metric}.{self.since:%Y-%m}" if self.since else f"{self.owner}.{self.metric}.first"


# Per owner and metric, oldest first: (since, text).
_TEXTS: dict[tuple[str, Metric], tuple[tuple[date | None, str], ...]] = {
    ("youtube", Metric.VIEWS): (
        (None, "Views that somebody chose to watch; passing by in a feed did not count."),
        (date(2025, 3, 31), "Shorts count from the first frame, autoplay included; longer videos when watched."),
        (date(2026, 8, 27), "All formats count from the first frame, autoplay and hovering included."),
    ),
    ("youtube", Metric.LIKES): ((None, "Likes of the video; not given where its owner hides them."),),
    ("youtube", Metric.COMMENTS): ((None, "Comments on the video; not given where they are switched off."),),
    ("youtube", Metric.SHARES): ((None, "YouTube publishes no count of shares."),),
    ("reddit", Metric.VIEWS): ((None, "Reddit publishes no view count; a figure here comes from another source."),),
    ("reddit", Metric.LIKES): ((None, "Reddit's score: votes up less votes down, blurred by Reddit on purpose."),),
    ("reddit", Metric.COMMENTS): ((None, "Comments on the post, as Reddit counts them."),),
    ("reddit", Metric.SHARES): ((None, "Reddit publishes no count of shares."),),
    ("x", Metric.VIEWS): (
        (None, "Times the post was shown, not unique; X counted none for posts before December 2022."),
    ),
    ("x", Metric.LIKES): ((None, "Likes of the post."),),
    ("x", Metric.COMMENTS): ((None, "Replies to the post."),),
    ("x", Metric.SHARES): ((None, "Reposts; quotes are not among them."),),
    ("tiktok", Metric.VIEWS): (
        (None, "Starts of play, repeats included, as observed; TikTok publishes no definition of its own."),
    ),
    ("tiktok", Metric.LIKES): ((None, "Likes of the video."),),
    ("tiktok", Metric.COMMENTS): ((None, "Comments on the video."),),
    ("tiktok", Metric.SHARES): ((None, "Shares of the video."),),
    ("instagram", Metric.VIEWS): (
        (None, "Plays, impressions or video views, depending on the kind of post; without advertising."),
        (date(2025, 4, 21), "Views, one figure for every kind of post; without advertising."),
    ),
    ("instagram", Metric.LIKES): ((None, "Likes of the post; not given where its owner hides them."),),
    ("instagram", Metric.COMMENTS): ((None, "Comments on the post."),),
    ("instagram", Metric.SHARES): ((None, "Shares of the post, from its insights."),),
    ("facebook", Metric.VIEWS): (
        (None, "Impressions: times the post came on a screen."),
        (date(2025, 11, 15), "Views of the post, which took the place of impressions."),
    ),
    ("facebook", Metric.LIKES): ((None, "Reactions of every kind, not likes alone."),),
    ("facebook", Metric.COMMENTS): ((None, "Comments on the post."),),
    ("facebook", Metric.SHARES): ((None, "Shares of the post."),),
    (OWN_TRACKING, Metric.CLICKS): ((None, "Visits through the affiliate's own tracking link, counted by us."),),
    (OWN_TRACKING, Metric.CONVERSIONS): ((None, "Conversions that the advertiser's shop reported to us, signed."),),
}

_HISTORY: dict[tuple[str, str], tuple[Definition, ...]] = {
    (owner, metric): tuple(Definition(owner, metric, since, text) for since, text in texts)
    for (owner, metric), texts in _TEXTS.items()
}
DEFINITIONS: dict[str, Definition] = {definition.id: definition for definition in chain(*_HISTORY.values())}


def definition_id(platform: str, metric: str, on: date) -> str:
    """The id of the definition of `metric` in force on `on`, such as "youtube.views.2026-08"; a key of `DEFINITIONS`.

    Clicks and conversions are public nowhere: on every platform their definition is our own tracking's.
    Raises KeyError for a platform or metric that we do not know.
    """
    owner = OWN_TRACKING if metric in (Metric.CLICKS, Metric.CONVERSIONS) else platform
    history = _HISTORY[owner, metric]
    return [each for each in history if each.since is None or each.since <= on][-1].id
