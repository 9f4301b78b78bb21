"""What a list is narrowed to and sorted by, read from the page's address, and the chips and menus that change it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Self
from uuid import UUID

from django.http import QueryDict

from campaigns.querysets import STATUS_ORDER
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
}
"""What a list of posts can be narrowed to, in the order of the chips."""

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

    def narrow(self, states: PostStateQuerySet, *, besides: str = "") -> PostStateQuerySet:
        """The posts it leaves; `besides` names one filter that is not applied, to count what choosing there gives."""
        if self.verdict and besides != "verdict":
            states = states.with_verdict(self.verdict)
        if self.platform and besides != "platform":
            states = states.filter(post__platform__slug=self.platform)
        if self.affiliate and besides != "affiliate":
            states = states.filter(post__affiliate=self.affiliate)
        return states.matching(self.q) if self.q else states

    def verdict_options(self, states: PostStateQuerySet) -> list[Option]:
        """The chips: every word that some post reads, and the chosen one."""
        counts = self.narrow(states, besides="verdict").verdict_counts()
        options = [(word, label, counts.get(word or "all", 0)) for word, label in VERDICT_WORDS.items()]
        return [option for option in options if option[2] or option[0] in ("", self.verdict)]

    def platform_options(self, states: PostStateQuerySet) -> list[Option]:
        """The menu of platforms."""
        return with_all("All platforms", states.platform_counts(self.narrow(states, besides="platform")))

    def affiliate_options(self, states: PostStateQuerySet) -> list[Option]:
        """The menu of affiliates."""
        return with_all("All affiliates", states.affiliate_counts(self.narrow(states, besides="affiliate")))


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
