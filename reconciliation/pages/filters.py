"""What a list is narrowed to and sorted by, read from the page's address, and the chips and menus that change it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Self
from uuid import UUID

from django.db.models import Q
from django.http import QueryDict

from campaigns.querysets import STATUS_ORDER
from reconciliation.models import AffiliateRollUp, DayRollUp, PostState
from reconciliation.querysets import PostStateQuerySet
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
    "withdrawn": "Withdrawn",
}
"""What a list of posts can be narrowed to, in the order of the chips."""

MENU_LENGTH = 100
"""So many affiliates are in a menu; the others are found by searching."""

Option = tuple[str, str, int]
"""A value, its label and how many posts it has: as chips.html takes it."""


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
        given["affiliate"] = str(as_uuid(given["affiliate"]) or "")  # one spelling, whatever the sender's
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

    def chosen(self, *, besides: str = "") -> dict[str, object]:
        """What the posts, or roll-ups of posts, that it leaves have in common, by column; the search apart.

        `besides` names one filter that is not applied, to count what choosing there gives.
        """
        columns = {"verdict": self.verdict, "platform__slug": self.platform, "affiliate": as_uuid(self.affiliate)}
        return {column: value for column, value in columns.items() if value and column != besides}


@dataclass(frozen=True)
class PostList:
    """The posts that stand of some campaigns or of an affiliate, narrowed to what is wanted.

    `kept` says of which, by columns that posts' states and their roll-ups share. Only a search counts posts one by one.
    """

    wanted: PostFilter
    kept: Mapping[str, object]

    @cached_property
    def states(self) -> PostStateQuerySet:
        """The posts in the order wanted."""
        return self._found.filter(**self.wanted.chosen()).sorted_by(self.wanted.sort)

    @cached_property
    def count(self) -> int:
        """How many they are."""
        return self._counts("verdict")[self.wanted.verdict]

    def verdict_options(self) -> list[Option]:
        """The chips: every word that some post reads, and the chosen one."""
        counts = self._counts("verdict")
        chips = [(word, label, counts[word]) for word, label in VERDICT_WORDS.items()]
        return [chip for chip in chips if chip[2] or chip[0] in ("", self.wanted.verdict)]

    def platform_options(self) -> list[Option]:
        """The menu of platforms."""
        counts = self._counts("platform__slug")
        platforms = sorted({(cell.platform__name, cell.platform__slug) for cell in self._cells})
        return [("", "All platforms", counts[""]), *((slug, name, counts[slug]) for name, slug in platforms)]

    def affiliate_options(self) -> list[Option]:
        """The menu of the affiliates with the most posts, and the chosen one; none where all are one affiliate's."""
        if "affiliate" in self.kept:
            return []
        menu = AffiliateRollUp.objects.filter(**self.kept).affiliates(
            MENU_LENGTH, among=Q(**self.wanted.chosen(besides="affiliate")), chosen=as_uuid(self.wanted.affiliate)
        )
        counts = self._counts("affiliate")
        if self.wanted.q:
            menu = [(pk, name, counts[pk]) for pk, name, _ in menu]
        return [("", "All affiliates", counts[""]), *((str(pk), name, n) for pk, name, n in menu)]

    def _counts(self, column: str) -> Counter[object]:
        """How many posts there would be if a value were chosen in this column, by the values; "": if none were.

        Roll-ups by day know no affiliates: of them it tells the latter only.
        """
        chosen = self.wanted.chosen(besides=column)
        if self.wanted.q:
            cells = self._found_cells
        else:
            cells = self._cells if column == "affiliate" else self._affiliates_cells
            chosen.pop("affiliate", None)
        for name, value in chosen.items():
            cells = [cell for cell in cells if getattr(cell, name) == value]
        counts: Counter[object] = Counter()
        for cell in cells:
            counts[getattr(cell, column, "")] += cell.n
        counts[""] = counts.total()
        return counts

    @cached_property
    def _cells(self) -> list[Any]:
        """Counts of all posts of the list, whatever is chosen or searched for."""
        sums = AffiliateRollUp if "affiliate" in self.kept else DayRollUp
        return sums.objects.filter(**self.kept).cells("platform__name")

    @cached_property
    def _affiliates_cells(self) -> list[Any]:
        """Those of the chosen affiliate."""
        if not self.wanted.affiliate:
            return self._cells
        return AffiliateRollUp.objects.filter(**self.kept).filter(affiliate=UUID(self.wanted.affiliate)).cells()

    @cached_property
    def _found_cells(self) -> list[Any]:
        """Those of the posts that the search finds."""
        return self._found.cells("affiliate")

    @cached_property
    def _found(self) -> PostStateQuerySet:
        states = PostState.objects.standing().filter(**self.kept)
        return states.matching(self.wanted.q) if self.wanted.q else states


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
