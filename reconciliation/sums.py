"""What lists of posts are sorted by and sum up, and the words that their verdicts are told apart by."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Aggregate, BigIntegerField, DecimalField, F, Field, Q
from django.db.models.expressions import CombinedExpression

OVER_CLAIMED = ("high", "medium", "low")
"""Discrepancies, by their level."""
MISCLAIMED = (*OVER_CLAIMED, "invalid_claim")
"""What is over-claimed, or can't be."""
WORDS = (*OVER_CLAIMED, "matched", "too_early", "unverifiable", "post_missing", "invalid_claim", "pending", "withdrawn")
"""What the current verdict of a post reads: a discrepancy's level, another status, pending where there is none, or
withdrawn where none is to come."""
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


class Total(Aggregate):
    """An aggregate over roll-ups, as SQL: the ORM would take longer to write it than PostgreSQL to add up."""

    template = "%(sql)s"

    def __init__(self, sql: str, output_field: "Field[Any, Any] | None" = None) -> None:
        super().__init__(sql=sql, output_field=output_field or BigIntegerField())


def _posts(*words: str) -> Total:
    """How many posts read one of these words."""
    these = f" FILTER (WHERE verdict IN ({', '.join(map(repr, words))}))" if words else ""
    return Total(f"coalesce(sum(post_count){these}, 0)")


def _known(total: str, *, by: str) -> str:
    """A sum; null where no post has a figure for it: what nobody knows is not 0."""
    return f"CASE WHEN sum({by}) > 0 THEN {total} END"


SUMS: Mapping[str, Total] = {
    "posts": _posts(),
    "claimed_views": Total(_known("sum(claimed_sum)", by="claiming_count")),
    "verified_views": Total(_known("sum(verified_sum)", by="compared_count")),
    "over_claimed_views": Total(_known("sum(over_claimed_sum)", by="compared_count")),
    "unjudged_views": Total(
        _known("sum(claimed_sum) - sum(verified_sum) - sum(over_claimed_sum)", by="claiming_count")
    ),
    "over_claimed_posts": _posts(*OVER_CLAIMED),
    "too_early": _posts("too_early"),
    "unverifiable": _posts("unverifiable"),
    "invalid": _posts("invalid_claim"),
    "missing": _posts("post_missing"),
    "pending": _posts("pending"),
}
"""Sums over roll-ups. Claimed views are, to the last one, verified, over-claimed or not judged: see `PostState`."""

MONEY_AT_RISK = Total(_known("sum(money_sum)", by="post_count"), DecimalField(max_digits=30, decimal_places=2))
"""Over-claimed quantity × rate, of one currency's roll-ups; null where no discrepancy has a rate."""
