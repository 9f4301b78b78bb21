"""What data-quality rules are made of: what is known of a claim, and what a rule is.

A rule looks at one claim and says in a sentence what is odd about it, or nothing. It says what was seen and never why,
and it accuses nobody: what it notices is for a person to look at. What is not known (None) is never odd.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from reconciliation.comparison import Figures
from reconciliation.rules import Level

NOTHING = Figures()
"""No source says anything."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Another claim of the same affiliate: what it said, and what the truth was where one was found."""

    claimed: Figures
    truth: Figures = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a claim when it is examined. None: not known, or not said.

    `earlier` is the claim before it for the same post; `recent` are the affiliate's latest other claims, each of
    another post, the newest first. `usual_views` and `platforms_usual_views` are medians of claimed views: the
    affiliate's own, and everybody's on the platform. `campaign_days` are the campaign's first and last one, and
    `posted_on` is a day in the same time zone.
    """

    platform: str
    claimed: Figures
    claimed_at: datetime
    truth: Figures = NOTHING
    likes: int | None = None
    comments: int | None = None
    followers: int | None = None
    earlier: Figures | None = None
    recent: tuple[Compared, ...] = ()
    usual_views: int | None = None
    platforms_usual_views: int | None = None
    posts_with_these_figures: int = 0
    claims_within_an_hour: int = 0
    other_claimants: int = 0
    is_author_proven: bool | None = None
    posted_on: date | None = None
    campaign_days: tuple[date, date] | None = None
    disclosed: bool | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """A whole number that staff may set, and what it means."""

    default: int
    meaning: str
    least: int = 1
    most: int = 10**12


Values = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that may be odd about a claim. `notice` gives the sentence, or None where there is nothing to say."""

    name: str
    title: str
    severity: Level
    notice: Callable[[Facts, Values], str | None]
    options: Mapping[str, Option] = field(default_factory=dict)

    @property
    def defaults(self) -> dict[str, int]:
        """Its options as they are where nobody set them."""
        return {name: option.default for name, option in self.options.items()}
