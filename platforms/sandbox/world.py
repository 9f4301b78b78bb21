"""The seeded world: which posts exist, what becomes of them, and how their figures grow.

A world is a pure function of its seed and its epoch. Nothing is stored: `post` computes a post from (platform, series,
index), `find` reads series and index back out of an external id. Each series holds `identifiers.SERIES_SIZE` posts on
each platform.

- CURRENT: published in the 30 days from the epoch on, more by day than by night. Figures grow along a saturating
  curve and stand exactly at their final value from day 20 on. Of a hundred posts about two go (half of them deleted by
  their author), one is private and three are revised: their views are cut once by 5 to 40 %.
- ARCHIVE: published 45 to 90 days before the end of those 30 days; figures are final and never move again.
- EVEN: as ARCHIVE, and the final views are at least 10,000 and divisible by 20, so that 5 % and 20 % are whole numbers.

What is unusual (gone, private, revised, comments off, likes hidden) happens to CURRENT posts alone.
"""

import hashlib
import math
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from random import Random

from platforms.sandbox import words
from platforms.sandbox.identifiers import SERIES_SIZE, Identifiers, base36

SPAN = timedelta(days=30)
GROWTH = timedelta(days=20)
REACH_FLOOR, REACH_CEILING = 200, 5_000_000
EVEN_FLOOR, EVEN_STEP = 10_000, 20

# How readily people publish in each hour of the day, UTC.
HOUR_WEIGHTS = (1, 1, 1, 1, 1, 2, 3, 5, 7, 8, 8, 8, 9, 9, 8, 8, 9, 10, 10, 9, 7, 5, 3, 2)


class Series(StrEnum):
    CURRENT = "current"
    ARCHIVE = "archive"
    EVEN = "even"


class Presence(StrEnum):
    """How a post stands at a moment."""

    UNPUBLISHED = "unpublished"
    LIVE = "live"
    PRIVATE = "private"
    REMOVED = "removed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts at one moment; None where the platform or the owner shows none."""

    views: int | None = None
    likes: int | None = None
    comments: int | None = None
    shares: int | None = None


@dataclass(frozen=True, slots=True)
class Traits:
    """A platform's habits. Reach is log-normal (median, sigma); the other figures are a part of it (low, high)."""

    median: int
    sigma: float
    likes: tuple[float, float]
    comments: tuple[float, float]
    shares: tuple[float, float] | None
    shows_views: bool = True


TRAITS = {
    "youtube": Traits(12_000, 1.6, likes=(0.02, 0.08), comments=(0.001, 0.01), shares=None),
    # Reddit counts views and tells nobody: score and comments follow a reach that is never shown.
    "reddit": Traits(9_000, 1.4, likes=(0.01, 0.06), comments=(0.001, 0.015), shares=(0.0, 0.0005), shows_views=False),
    "x": Traits(6_000, 1.7, likes=(0.005, 0.05), comments=(0.0005, 0.006), shares=(0.001, 0.012)),
}
PLATFORMS = tuple(TRAITS)


@dataclass(frozen=True, slots=True)
class WorldPost:
    """One post. `final` is where its figures end; `cut` is the part of its views that a revision takes away."""

    platform: str
    series: Series
    index: int
    external_id: str
    url: str
    author_id: str
    author_handle: str
    title: str
    subreddit: str
    published_at: datetime
    final: Figures
    pace: float
    gone_at: datetime | None = None
    deleted_by_author: bool = False
    private: bool = False
    revised_at: datetime | None = None
    cut: float = 0.0

    @property
    def revised(self) -> bool:
        return self.revised_at is not None

    def presence_at(self, moment: datetime) -> Presence:
        if moment < self.published_at:
            return Presence.UNPUBLISHED
        if self.private:
            return Presence.PRIVATE
        if self.gone_at is not None and moment >= self.gone_at:
            return Presence.DELETED if self.deleted_by_author else Presence.REMOVED
        return Presence.LIVE

    def figures_at(self, moment: datetime) -> Figures:
        """The figures at a moment: none before publication, and no growth after the post has gone."""
        if moment < self.published_at:
            return Figures()
        if self.series is not Series.CURRENT:
            return self.final
        grown = self._grown(moment if self.gone_at is None else min(moment, self.gone_at))
        kept = 1 - self.cut if self.revised_at is not None and moment >= self.revised_at else 1.0
        return Figures(
            views=_part(self.final.views, grown * kept),
            likes=_part(self.final.likes, grown),
            comments=_part(self.final.comments, grown),
            shares=_part(self.final.shares, grown),
        )

    def _grown(self, moment: datetime) -> float:
        """The grown part, 0 to 1: fast at first, then ever slower."""
        age = (moment - self.published_at) / GROWTH
        return 1.0 if age >= 1 else math.expm1(-self.pace * age) / math.expm1(-self.pace)


class World:
    """All posts of a seed. The epoch must be aware; it is cut to its whole minute."""

    def __init__(self, seed: int, epoch: datetime) -> None:
        if epoch.tzinfo is None:
            raise ValueError("the epoch needs a time zone")
        self.seed = seed
        self.epoch = epoch.astimezone(UTC).replace(second=0, microsecond=0)
        self._identifiers = {platform: Identifiers(seed, platform) for platform in PLATFORMS}

    def post(self, platform: str, series: Series, index: int) -> WorldPost:
        """The post at an address. Raises KeyError for an unknown platform, ValueError for an index out of range."""
        identifiers = self._identifiers[platform]
        if not 0 <= index < SERIES_SIZE:
            raise ValueError(f"index must be 0 … {SERIES_SIZE - 1}, not {index}")
        rng = Random(f"{self.seed}:{platform}:{series}:{index}")
        published_at = self._published_at(rng, series)
        author = rng.randrange(words.AUTHORS)
        topic = words.TOPICS[author % len(words.TOPICS)]
        title = words.title(rng, topic)
        external_id = identifiers.encode(list(Series).index(series), index)
        handle = words.handle(platform, author)
        post = WorldPost(
            platform=platform,
            series=series,
            index=index,
            external_id=external_id,
            url=post_url(platform, external_id, handle, topic.subreddit, title),
            author_id=_author_id(self.seed, platform, author),
            author_handle=handle,
            title=title,
            subreddit=topic.subreddit,
            published_at=published_at,
            final=_final_figures(rng, TRAITS[platform], series),
            pace=rng.uniform(3, 9),
        )
        return _with_fate(rng, post) if series is Series.CURRENT else post

    def find(self, platform: str, external_id: str) -> WorldPost | None:
        """The post with this id; None where there never was one. Raises KeyError for an unknown platform."""
        address = self._identifiers[platform].decode(external_id)
        if address is None or address[0] >= len(Series):
            return None
        return self.post(platform, list(Series)[address[0]], address[1])

    def posts(self, platform: str, series: Series, offset: int = 0) -> Iterator[WorldPost]:
        """The posts of a series from an index on."""
        return (self.post(platform, series, index) for index in range(offset, SERIES_SIZE))

    def published_between(self, platform: str, start: datetime, end: datetime, count_limit: int) -> list[WorldPost]:
        """The first `count_limit` CURRENT posts, by index, with start <= published_at < end.

        It looks at one post after the other, so a narrow window costs: about 700 looks for a post of a given hour.
        """
        if max(start, self.epoch) >= min(end, self.epoch + SPAN):
            return []
        matching = (post for post in self.posts(platform, Series.CURRENT) if start <= post.published_at < end)
        return list(islice(matching, count_limit))

    def _published_at(self, rng: Random, series: Series) -> datetime:
        if series is Series.CURRENT:
            day = self.epoch + timedelta(days=rng.randrange(SPAN.days))
        else:
            day = self.epoch + SPAN - timedelta(days=rng.randint(46, 90))
        hour = rng.choices(range(24), HOUR_WEIGHTS)[0]
        return day + timedelta(hours=(hour - self.epoch.hour) % 24, minutes=rng.randrange(60))


def post_url(platform: str, external_id: str, handle: str, subreddit: str, title: str) -> str:
    """The address that people copy from their browser."""
    match platform:
        case "youtube":
            return f"https://www.youtube.com/watch?v={external_id}"
        case "reddit":
            slug = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")
            return f"https://www.reddit.com/r/{subreddit}/comments/{external_id}/{slug}/"
        case _:
            return f"https://x.com/{handle}/status/{external_id}"


def _author_id(seed: int, platform: str, author: int) -> str:
    digest = hashlib.blake2b(f"{seed}:{platform}:author:{author}".encode(), digest_size=16).digest()
    match platform:
        case "youtube":
            return "UC" + urlsafe_b64encode(digest).decode()[:22]
        case "reddit":
            return "t2_" + base36(int.from_bytes(digest[:5], "big"))
        case _:
            return str(10**9 + int.from_bytes(digest[:8], "big") % 10**18)


def _final_figures(rng: Random, traits: Traits, series: Series) -> Figures:
    drawn = traits.median * math.exp(traits.sigma * rng.gauss(0, 1))
    reach = int(min(max(drawn, REACH_FLOOR), REACH_CEILING))
    if series is Series.EVEN:
        reach = EVEN_FLOOR + reach // EVEN_STEP * EVEN_STEP
    return Figures(
        views=reach if traits.shows_views else None,
        likes=int(reach * rng.uniform(*traits.likes)),
        comments=int(reach * rng.uniform(*traits.comments)),
        shares=None if traits.shares is None else int(reach * rng.uniform(*traits.shares)),
    )


def _with_fate(rng: Random, post: WorldPost) -> WorldPost:
    """What becomes of a CURRENT post; at most one thing does."""
    fate, moment = (rng.random(), post.published_at + timedelta(minutes=rng.randrange(12 * 60, 15 * 24 * 60)))
    if fate < 0.02:
        return replace(post, gone_at=moment, deleted_by_author=fate < 0.01)
    if fate < 0.03:
        return replace(post, private=True)
    if fate < 0.06 and post.final.views is not None:
        return replace(post, revised_at=moment, cut=rng.uniform(0.05, 0.4))
    # On YouTube the owner may switch comments off or hide the likes.
    if fate < 0.09 and post.platform == "youtube":
        return replace(post, final=replace(post.final, comments=None))
    if fate < 0.10 and post.platform == "youtube":
        return replace(post, final=replace(post.final, likes=None))
    return post


def _part(final: int | None, part: float) -> int | None:
    return None if final is None else int(final * part)
