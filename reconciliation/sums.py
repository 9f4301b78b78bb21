"""What lists of posts sum up and are sorted by: expressions over how posts stand now."""

from django.db.models import BigIntegerField, Case, Count, F, Max, Q, Sum, Value, When
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Greatest

COMPARED = Q(current_verdict__status__in=["MATCHED", "DISCREPANCY"], current_verdict__views_discrepancy__isnull=False)
"""The current verdict held claimed views against a count."""

_CLAIMED = F("current_claim__claimed_views")
_POSSIBLE = Case(When(current_verdict__status="INVALID_CLAIM", then=None), default=_CLAIMED)
_ZERO = Value(0, output_field=BigIntegerField())
_NOT_FOUND = Greatest(F("current_verdict__views_discrepancy"), _ZERO)

POST_ORDERS: dict[str, F | CombinedExpression] = {
    "post": F("post__text__title"),
    "affiliate": F("post__affiliate__name"),
    "claimed_at": F("current_claim__claimed_at"),
    "claimed": _CLAIMED,
    "verified": _CLAIMED - F("current_verdict__views_discrepancy"),
    "gap": F("current_verdict__views_diff_pct"),
    "money": F("current_verdict__money_at_risk"),
}
"""What lists of posts can be sorted by."""

SUMS = {
    "posts": Count("pk"),
    "affiliates": Count("post__affiliate", distinct=True),
    "claimed_views": Sum(_POSSIBLE),
    "verified_views": Sum(_CLAIMED - _NOT_FOUND, filter=COMPARED),
    "over_claimed_views": Sum(_NOT_FOUND, filter=COMPARED),
    "over_claimed_posts": Count("pk", filter=Q(current_verdict__status="DISCREPANCY")),
    "unjudged_views": Sum(Case(When(COMPARED, then=_ZERO), default=_POSSIBLE)),
    "too_early": Count("pk", filter=Q(current_verdict__status="TOO_EARLY")),
    "unverifiable": Count("pk", filter=Q(current_verdict__status="UNVERIFIABLE")),
    "invalid": Count("pk", filter=Q(current_verdict__status="INVALID_CLAIM")),
    "missing": Count("pk", filter=Q(current_verdict__status="POST_MISSING")),
    "pending": Count("pk", filter=Q(current_verdict=None)),
    "as_of": Max("last_fetched_at"),
}
"""Sums over posts, of their current claims and verdicts. Claimed views are, to the last one, verified (claimed and
counted), over-claimed (claimed and not counted) or not judged. Growth after a claim verifies no more than was claimed,
and a claim that no post can have is left out: one of them would outweigh all others.
"""
