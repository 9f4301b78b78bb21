"""What a list is narrowed to and sorted by, read from the page's address, and the chips and menus that change it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self, TypeVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import QueryDict

from campaigns.querysets import STATUS_ORDER
from reconciliation.models import AffiliateRollUp, DayRollUp, PostState
from reconciliation.querysets import PostStateQuerySet, RollUpQuerySet
from reconciliation.sums import POST_ORDERS

VERDICT_WORDS = {
    "": "All",
    "high": "High",
    "medium": "Medium",
    "low": "Low",
    "matched": "Matched",
    "too_early": "Too early",
    "unverifiable": "Unverifiable",
    "post_missing": "Post missing",
    "invalid_claim": "Invalid",
    "pending": "Waiting",
}
"""What a list of posts can be narrowed to, in the order of the chips."""

MENU_LENGTH = 100
"""So many affiliates are in a menu; the others are found by searching."""

Option = tuple[str, str, int]
"""A value, its label and how many posts it has: as chips.html takes it."""

Rows = TypeVar("Rows", bound=QuerySet[Any])


@dataclass(frozen=True, slots=True)
class PostFilter:
    """What a list of posts is narrowed to and sorted by. What nobody knows in the address is passed over."""

    verdict: str = ""
    platform: str = ""
    affiliate: str = ""
    q: str = ""
    sort: str = ""

    @classmethod
    def read(cls, query: QueryDict, *, sort: str) -> Self:
        """From a page's query string; `sort` holds where it names no order."""
        given = {name: query.get(name, "").replace("\0", "").strip() for name in (field.name for field in fields(cls))}
        if given["verdict"] not in VERDICT_WORDS:
            given["verdict"] = ""
        if not as_uuid(given["affiliate"]):
            given["affiliate"] = ""
        if given["sort"].removeprefix("-") not in POST_ORDERS:
            given["sort"] = sort
        return cls(**given)

    @property
    def narrows(self) -> bool:
        """Whether anything is left out."""
        return bool(self.verdict or self.platform or self.affiliate or self.q)

    @property
    def besides_search(self) -> dict[str, str]:
        """What the search form has to carry along."""
        return {name: value for name, value in asdict(self).items() if value and name != "q"}

    def narrow(self, rows: Rows, *, besides: str = "") -> Rows:
        """The posts, or roll-ups of posts, that it leaves, the search apart.

        `besides` names one filter that is not applied, to count what choosing there gives.
        """
        columns = {"verdict": "verdict", "platform": "platform__slug", "affiliate": "affiliate"}
        chosen = {column: getattr(self, name) for name, column in columns.items() if name != besides}
        return rows.filter(**{column: value for column, value in chosen.items() if value})


@dataclass(frozen=True, slots=True)
class PostList:
    """The posts that stand of some campaigns or of an affiliate, narrowed to what is wanted.

    `kept` says of which, by columns that posts' states and their roll-ups share. Only a search counts posts one by one.
    """

    wanted: PostFilter
    kept: Mapping[str, object]

    def states(self) -> PostStateQuerySet:
        """The posts in the order wanted."""
        return self.wanted.narrow(self._found()).sorted_by(self.wanted.sort)

    def verdict_options(self) -> list[Option]:
        """The chips: every word that some post reads, and the chosen one."""
        counts = self._counts("verdict", "verdict")
        counts[""] = sum(counts.values())
        options = [(word, label, counts.get(word, 0)) for word, label in VERDICT_WORDS.items()]
        return [option for option in options if option[2] or option[0] in ("", self.wanted.verdict)]

    def platform_options(self) -> list[Option]:
        """The menu of platforms."""
        counts = self._counts("platform", "platform__slug")
        return with_all("All platforms", [(slug, name, counts.get(slug, 0)) for slug, name in self._sums().platforms()])

    def affiliate_options(self) -> list[Option]:
        """The menu of the affiliates with the most posts, and the chosen one; none where all are one affiliate's."""
        if "affiliate" in self.kept:
            return []
        chosen = as_uuid(self.wanted.affiliate)
        affiliates = AffiliateRollUp.objects.filter(**self.kept).affiliates(MENU_LENGTH, chosen=chosen)
        counts = self._counts("affiliate", "affiliate", affiliate__in=[pk for pk, _ in affiliates])
        return with_all("All affiliates", [(str(pk), name, counts.get(pk, 0)) for pk, name in affiliates])

    def _counts(self, besides: str, column: str, **among: object) -> dict[Any, int]:
        """How many posts each value of a column would leave, if that were chosen."""
        rows: PostStateQuerySet | RollUpQuerySet
        if self.wanted.q:
            rows = self._found()
        else:
            rows = self._sums(by_affiliate=besides == "affiliate" or bool(self.wanted.affiliate))
        return self.wanted.narrow(rows.filter(**among), besides=besides).counts_by(column)

    def _found(self) -> PostStateQuerySet:
        states = PostState.objects.standing().filter(**self.kept)
        return states.matching(self.wanted.q) if self.wanted.q else states

    def _sums(self, *, by_affiliate: bool = False) -> RollUpQuerySet:
        by_affiliate = by_affiliate or "affiliate" in self.kept
        return (AffiliateRollUp if by_affiliate else DayRollUp).objects.filter(**self.kept)


def status_options(counts: Mapping[str, int]) -> list[Option]:
    """The chips of the list of campaigns."""
    statuses = [(status, status.capitalize(), counts[status]) for status in STATUS_ORDER if status in counts]
    return [("", "All", sum(counts.values())), *statuses]


def with_all(label: str, options: Sequence[Option]) -> list[Option]:
    """A menu's options, after the one that takes its filter away."""
    return [("", label, sum(option[2] for option in options)), *options]


def as_uuid(text: str) -> UUID | None:
    """The id that somebody wrote into an address, if it is one."""
    try:
        return UUID(text)
    except ValueError:
        return None
