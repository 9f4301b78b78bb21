"""The seeded world: which posts exist, what becomes of them, and how their figures grow.

A world is a pure function of its seed and its epoch. Nothing is stored: `post` computes a post from (platform, series,
index), `find` reads series and index back out of an external id. Each series holds `identifiers.SERIES_SIZE` posts on
each platform. On TikTok, Instagram and Facebook the author follows from the index, so that `posts_of` can list them.

- CURRENT: published in the 30 days from the epoch on, more by day than by night. Figures grow along a saturating
  curve and stand exactly at their final value from day 20 on. Of a hundred posts about two go (half of them deleted by
  their author), one is private and three are revised: their views are cut once by 5 to 40 %.
- ARCHIVE: published 45 to 90 days before the end of those 30 days; figures are final and never move again.
- EVEN: as ARCHIVE, and the final views are at least 10,000 and divisible by 20, so that 5 % and 20 % are whole numbers.

What is unusual (gone, private, revised, comments off, likes hidden, edited) happens to CURRENT posts alone.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from random import Random

from platforms.sandbox import words
from platforms.sandbox.addresses import INDEXED_AUTHORS, Address, Addresses, is_edited, is_video, post_url, short_url
from platforms.sandbox.identifiers import SERIES_SIZE
from platforms.sandbox.traits import HIDES_COMMENTS, HIDES_LIKES, PLATFORMS, TRAITS, Figures, final_figures

SPAN = timedelta(days=30)
GROWTH = timedelta(days=20)
LISTED_PER_SERIES = 500
EDITED_AFTER = timedelta(minutes=12)

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
class WorldPost:
    """One post. `final` is where its figures end; `cut` is the part of its views that a revision takes away.

    `external_id` is the id in its URL, `api_id` the one in the platform's API. `versions` are the ids of an edited
    post, oldest first; the figures of an older version stand still from `superseded_at`, when the next one came.
    """

    platform: str
    series: Series
    index: int
    external_id: str
    api_id: str
    url: str
    author: int
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
    versions: tuple[str, ...] = ()
    superseded_at: datetime | None = None
    addresses: Addresses = field(kw_only=True, repr=False, compare=False)

    @property
    def short_url(self) -> str | None:
        """What the platform's share button gives; None where it gives the URL itself."""
        code = self.addresses.short_code((list(Series).index(self.series), self.index))
        return short_url(self.platform, self.index, code, self.subreddit)

    @property
    def is_video(self) -> bool:
        """Whether it is one of Facebook's videos, which its API keeps apart from posts."""
        return is_video(self.platform, self.index)

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
        if self.superseded_at is not None:
            moment = min(moment, self.superseded_at)
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
        self._addresses = {platform: Addresses(seed, platform) for platform in PLATFORMS}

    def post(self, platform: str, series: Series, index: int) -> WorldPost:
        """The post at an address. Raises KeyError for an unknown platform, ValueError for an index out of range."""
        addresses = self._addresses[platform]
        if not 0 <= index < SERIES_SIZE:
            raise ValueError(f"index must be 0 … {SERIES_SIZE - 1}, not {index}")
        rng = Random(f"{self.seed}:{platform}:{series}:{index}")
        published_at = self._published_at(rng, series)
        author = index % words.AUTHORS if platform in INDEXED_AUTHORS else rng.randrange(words.AUTHORS)
        topic = words.TOPICS[author % len(words.TOPICS)]
        title = words.title(rng, topic)
        address = (list(Series).index(series), index)
        external_id, author_id = addresses.external_id(address), addresses.author_id(author)
        handle = words.handle(platform, author)
        post = WorldPost(
            platform=platform,
            series=series,
            index=index,
            external_id=external_id,
            api_id=addresses.api_id(address, external_id, author_id),
            url=post_url(platform, index, external_id, handle, topic.subreddit, title),
            author=author,
            author_id=author_id,
            author_handle=handle,
            title=title,
            subreddit=topic.subreddit,
            published_at=published_at,
            final=final_figures(rng, TRAITS[platform], even=series is Series.EVEN),
            pace=rng.uniform(3, 9),
            addresses=addresses,
            versions=(addresses.first_id(address), external_id) if is_edited(platform, *address) else (external_id,),
        )
        return _with_fate(rng, post) if series is Series.CURRENT else post

    def find(self, platform: str, external_id: str) -> WorldPost | None:
        """The post with this id in its URL; None where there never was one. Raises KeyError for an unknown platform.

        The id that an edited post had before finds its first version.
        """
        addresses = self._addresses[platform]
        post = self._at(platform, addresses.locate(external_id))
        if post is None:
            edited = self._at(platform, addresses.locate_first(external_id))
            return None if edited is None else _first_version(edited)
        return post

    def find_by_api_id(self, platform: str, api_id: str) -> WorldPost | None:
        """The post that the platform's API knows by this id. Raises KeyError for an unknown platform."""
        post = self._at(platform, self._addresses[platform].locate_api(api_id))
        return post if post is not None and post.api_id == api_id else None

    def find_by_short_code(self, platform: str, code: str) -> WorldPost | None:
        """The post that a short link's last part stands for. Raises KeyError for an unknown platform."""
        return self._at(platform, self._addresses[platform].locate_short(code))

    def author_id(self, platform: str, author: int) -> str:
        return self._addresses[platform].author_id(author)

    def author_of_id(self, platform: str, author_id: str) -> int | None:
        """The author's number; None for an id that is nobody's."""
        return self._addresses[platform].author_of_id(author_id)

    def author_of_handle(self, platform: str, handle: str) -> int | None:
        """The author's number; None for a handle that is nobody's. An @ and capitals make no difference."""
        return self._addresses[platform].author_of_handle(handle)

    def posts_of(self, platform: str, author: int, *series: Series) -> Iterator[WorldPost]:
        """An author's first posts of some series (all if none is named), lowest index first, series by turns.

        Only TikTok, Instagram and Facebook can list. Elsewhere it raises ValueError.
        """
        if platform not in INDEXED_AUTHORS:
            raise ValueError(f"{platform} cannot list an author's posts")
        for turn in range(LISTED_PER_SERIES):
            for each in series or Series:
                yield self.post(platform, each, author + turn * words.AUTHORS)

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

    def _at(self, platform: str, address: Address | None) -> WorldPost | None:
        if address is None or address[0] >= len(Series):
            return None
        return self.post(platform, list(Series)[address[0]], address[1])

    def _published_at(self, rng: Random, series: Series) -> datetime:
        if series is Series.CURRENT:
            day = self.epoch + timedelta(days=rng.randrange(SPAN.days))
        else:
            day = self.epoch + SPAN - timedelta(days=rng.randint(46, 90))
        hour = rng.choices(range(24), HOUR_WEIGHTS)[0]
        return day + timedelta(hours=(hour - self.epoch.hour) % 24, minutes=rng.randrange(60))


def _with_fate(rng: Random, post: WorldPost) -> WorldPost:
    """What becomes of a CURRENT post; at most one thing does."""
    fate, moment = (rng.random(), post.published_at + timedelta(minutes=rng.randrange(12 * 60, 15 * 24 * 60)))
    if fate < 0.02:
        return replace(post, gone_at=moment, deleted_by_author=fate < 0.01)
    if fate < 0.03:
        return replace(post, private=True)
    if fate < 0.06 and post.final.views is not None:
        return replace(post, revised_at=moment, cut=rng.uniform(0.05, 0.4))
    # Here and there the owner may switch comments off or hide the likes.
    if fate < 0.09 and post.platform in HIDES_COMMENTS:
        return replace(post, final=replace(post.final, comments=None))
    if 0.09 <= fate < 0.10 and post.platform in HIDES_LIKES:
        return replace(post, final=replace(post.final, likes=None))
    return post


def _first_version(edited: WorldPost) -> WorldPost:
    """An edited post as its first id shows it: still there, with the figures it had when it was edited."""
    first_id = edited.versions[0]
    url = edited.url.replace(edited.external_id, first_id)
    superseded_at = edited.published_at + EDITED_AFTER
    return replace(edited, external_id=first_id, api_id=first_id, url=url, superseded_at=superseded_at)


def _part(final: int | None, part: float) -> int | None:
    return None if final is None else int(final * part)
