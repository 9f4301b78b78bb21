"""Claims, snapshots, verdicts and posts as they are exported. Names of columns are stable: docs/api.md lists them.

What nobody knows is empty, never 0.
"""

from collections.abc import Mapping

from django.db.models import BooleanField, Case, OuterRef, Q, Subquery, Value, When
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce

from campaigns.exports import CAMPAIGNS
from config.tables.exporting import Export
from reconciliation.models import DayRollUp, Override
from reconciliation.rules import CLAIMABLE
from reconciliation.sums import MONEY_AT_RISK, SUMS

Columns = Mapping[str, str | Combinable]

POST: Columns = {
    "post_id": "post_id",
    "post_url": "post__url",
    "post_title": "post__text__title",
    "platform": "post__platform__slug",
    "campaign_id": "post__campaign_id",
    "campaign": "post__campaign__campaign_name",
    "affiliate_id": "post__affiliate_id",
    "affiliate": "post__affiliate__name",
}
MODE: Columns = {"livemode": "post__campaign__livemode"}

CLAIMS = Export(
    "claims",
    {
        "claim_id": "id",
        **POST,
        **{f"claimed_{metric}": f"claimed_{metric}" for metric in CLAIMABLE},
        "submission_method": "submission_method",
        "claimed_at": "claimed_at",
        **MODE,
    },
)

SNAPSHOTS = Export(
    "snapshots",
    {
        "snapshot_id": "id",
        **POST,
        "availability": "availability",
        "deleted": "deleted",
        **{name: name for name in ("views", "clicks", "conversions", "likes", "comments", "shares")},
        **{f"{metric}_provenance": KeyTextTransform(metric.value, "provenance") for metric in CLAIMABLE},
        **{f"{metric}_definition": KeyTextTransform(metric.value, "definitions") for metric in CLAIMABLE},
        "fetched_at": "fetched_at",
        **MODE,
    },
)


def _verdict(*, verdict: str = "", claim: str, snapshot: str) -> Columns:
    """The columns of a verdict by the paths to it, to its claim and to its snapshot."""
    is_counted = Case(
        When(Q(**{f"{verdict}status": None}), then=Value(None)),
        When(Q(**{f"{verdict}next_look_at": None}), then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )
    figures = {
        f"{metric}_{word}" if word else f"claimed_{metric}": path
        for metric in CLAIMABLE
        for word, path in {
            "": f"{claim}claimed_{metric}",
            "truth": f"{snapshot}{metric}",
            "difference": f"{verdict}{metric}_discrepancy",
            "percentage": f"{verdict}{metric}_diff_pct",
        }.items()
    }
    return {
        "verdict_id": f"{verdict}id",
        "claim_id": f"{claim}id",
        "snapshot_id": f"{snapshot}id",
        **POST,
        "status": f"{verdict}status",
        "discrepancy_level": f"{verdict}discrepancy_level",
        "is_counted": is_counted,
        **figures,
        "confidence": f"{verdict}confidence",
        "trust_effect": f"{verdict}trust_effect",
        "money_at_risk": f"{verdict}money_at_risk",
        "currency": f"{verdict}currency",
        "ruleset_version": f"{verdict}ruleset__version",
        "explanation": f"{verdict}explanation",
        "claimed_at": f"{claim}claimed_at",
        "fetched_at": f"{snapshot}fetched_at",
        "processed_at": f"{verdict}processed_at",
        "next_look_at": f"{verdict}next_look_at",
        **MODE,
    }


def _override(column: str) -> Subquery:
    """A column of what was decided in a verdict's place; null where nothing was."""
    decided = Override.objects.filter(verdict=OuterRef("pk")).order_by("-number")
    return Subquery(decided.values(column)[:1])


_OVERRIDE = {
    "override_status": "status",
    "override_level": "discrepancy_level",
    "override_trust_effect": "trust_effect",
    "override_money_at_risk": "money_at_risk",
    "override_reason": "reason",
    "overridden_at": "created_at",
}
"""What holds in the place of a verdict's own words and money."""

_OWNER = "post__campaign__advertiser"
_OWNERS_ONLY = ("money_at_risk", "currency", "ruleset_version", "override_money_at_risk")

VERDICTS = Export(
    "verdicts",
    {
        **_verdict(claim="affiliate_report__", snapshot="platform_report__"),
        **{name: _override(column) for name, column in _OVERRIDE.items()},
    },
    advertiser=_OWNER,
    advertiser_only=_OWNERS_ONLY,
)

POSTS = Export(
    "posts",
    {
        **_verdict(verdict="current_verdict__", claim="current_claim__", snapshot="current_verdict__platform_report__"),
        **{name: f"override__{column}" for name, column in _OVERRIDE.items()},
    },
    advertiser=_OWNER,
    advertiser_only=_OWNERS_ONLY,
)
"""How posts stand now, in the columns of verdicts: those are empty beside a claim that waits for its first one."""


def _of_campaign(sums: Combinable, **narrowed: object) -> Subquery:
    """A sum over the posts that stand in a campaign; null where it has none."""
    posts = DayRollUp.objects.filter(campaign=OuterRef("pk"), **narrowed).order_by()
    return Subquery(posts.values("campaign").annotate(figure=sums).values("figure"))


CAMPAIGNS_WITH_FIGURES = Export(
    CAMPAIGNS.name,
    {
        **CAMPAIGNS.columns,
        "posts": Coalesce(_of_campaign(SUMS["posts"]), 0),
        **{name: _of_campaign(SUMS[name]) for name in ("claimed_views", "verified_views", "over_claimed_views")},
        "money_at_risk": _of_campaign(MONEY_AT_RISK, currency=OuterRef("currency")),
    },
    advertiser=CAMPAIGNS.advertiser,
    advertiser_only=CAMPAIGNS.advertiser_only,
)
"""Campaigns with what the dashboard's list says of their posts; money is that in the campaign's currency."""
