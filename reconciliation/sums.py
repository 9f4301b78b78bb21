"""What lists of posts are sorted by and sum up, and the words that their verdicts are told apart by."""

from collections.abc import Mapping

from django.db.models import BigIntegerField, Case, F, Q, Sum, When
from django.db.models.expressions import Combinable, CombinedExpression
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan

OVER_CLAIMED = ("high", "medium", "low")
"""Discrepancies, by their level."""
WORDS = (*OVER_CLAIMED, "matched", "too_early", "unverifiable", "post_missing", "invalid_claim", "pending")
"""What the current verdict of a post reads: a discrepancy's level, another status, or pending where there is none."""
COMPARED = Q(verdict__in=(*OVER_CLAIMED, "matched"), views_discrepancy__isnull=False)
"""The current verdict held claimed views against a count."""

POST_ORDERS: Mapping[str, F | CombinedExpression] = {
    "affiliate": F("affiliate__name"),
    "claimed_at": F("claimed_at"),
    "claimed": F("claimed_views"),
    "verified": F("claimed_views") - F("views_discrepancy"),
    "gap": F("views_diff_pct"),
    "money": F("money_at_risk"),
}
"""What lists of posts can be sorted by."""

MEASURES = (
    "post_count",
    "claiming_count",
    "compared_count",
    "claimed_sum",
    "verified_sum",
    "over_claimed_sum",
    "money_sum",
)
"""What roll-ups add up."""


def _posts(*words: str) -> Combinable:
    """How many posts read one of these words."""
    return Coalesce(Sum("post_count", filter=Q(verdict__in=words) if words else None), 0)


def _views(name: str) -> Sum:
    """Whole numbers, though more than a bigint may hold."""
    return Sum(f"{name}_sum", output_field=BigIntegerField())


def _known(total: Combinable, by: str) -> Case:
    """A sum; null where no post has a figure for it: what nobody knows is not 0."""
    return Case(When(GreaterThan(Sum(by), 0), then=total))


SUMS: Mapping[str, Combinable] = {
    "posts": _posts(),
    "claimed_views": _known(_views("claimed"), by="claiming_count"),
    "verified_views": _known(_views("verified"), by="compared_count"),
    "over_claimed_views": _known(_views("over_claimed"), by="compared_count"),
    "unjudged_views": _known(_views("claimed") - _views("verified") - _views("over_claimed"), by="claiming_count"),
    "over_claimed_posts": _posts(*OVER_CLAIMED),
    "too_early": _posts("too_early"),
    "unverifiable": _posts("unverifiable"),
    "invalid": _posts("invalid_claim"),
    "missing": _posts("post_missing"),
    "pending": _posts("pending"),
}
"""Sums over roll-ups. Claimed views are, to the last one, verified, over-claimed or not judged: see `PostState`."""

MONEY_AT_RISK = _known(Sum("money_sum"), by="post_count")
"""Over-claimed quantity × rate, of one currency's roll-ups; null where no discrepancy has a rate."""
