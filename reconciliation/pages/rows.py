"""Rows of tables: posts with claim, truth and verdict; campaigns with their sums."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.urls import reverse

from campaigns.models import Campaign, Post
from config.templatetags.look import UNKNOWN, day, money
from platforms.metrics import Metric
from reconciliation.models import AffiliateReport
from reconciliation.querysets import RollUpQuerySet, ShownPost
from reconciliation.rules import CLAIMABLE


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """A post as verdict_rows.html writes it: its leading claimed figure, the counted one, and what follows."""

    post: str
    post_url: str
    post_note: str
    affiliate: str
    affiliate_note: str
    unit: str
    claimed: int | None
    verified: int | None
    gap_pct: Decimal | None
    status: str
    level: str
    sentence: str
    at_risk: str


def verdict_row(post: ShownPost, *, beside: str = "affiliate", with_campaign: bool = False) -> VerdictRow:
    """How a post stands; the figures are those of its leading metric.

    `beside` it stands its affiliate or, where they read it themselves, its campaign. In a list over several campaigns
    (`with_campaign`) it names its own, and what is at risk.
    """
    metric = leading_metric(post)
    claimed, difference = getattr(post, f"claimed_{metric}"), getattr(post, f"{metric}_discrepancy")
    notes = [post.platform, day(post.posted_at or post.claimed_at)]
    notes += [] if post.livemode else ["test mode"]
    return VerdictRow(
        post=titled(post.title, post.url),
        post_url=reverse("dashboard:post", args=[post.pk]),
        post_note=" · ".join([*notes, post.campaign] if with_campaign else notes),
        affiliate=post.campaign if beside == "campaign" else post.affiliate,
        affiliate_note="" if beside == "campaign" else trust_note(post.trust_score),
        unit="" if metric == Metric.VIEWS else metric.value,
        claimed=claimed,
        verified=None if difference is None else claimed - difference,
        gap_pct=getattr(post, f"{metric}_diff_pct"),
        status=post.status or "",
        level=post.level or "",
        sentence=_waiting(post) if post.explanation is None else post.explanation,
        at_risk=money(post.money_at_risk, post.currency or "") if with_campaign and post.status else "",
    )


def leading_metric(claim: AffiliateReport | ShownPost) -> Metric:
    """The first of views, clicks and conversions that it claims."""
    return next(metric for metric in CLAIMABLE if getattr(claim, f"claimed_{metric}") is not None)


def post_columns(*, beside: str = "affiliate", with_campaign: bool = False) -> list[dict[str, str]]:
    """The head of a table of posts: see table_head.html."""
    return [
        {"label": "Post", "sort": "claimed_at"},
        {"label": "Campaign"} if beside == "campaign" else {"label": "Affiliate", "sort": "affiliate"},
        {"label": "Claimed", "kind": "num", "sort": "claimed"},
        {"label": "Verified", "kind": "num", "sort": "verified"},
        {"label": "Gap", "kind": "num", "sort": "gap"},
        *([{"label": "At risk", "kind": "num", "sort": "money"}] if with_campaign else []),
        {"label": "Verdict"},
        {"label": "Why"},
    ]


def title_of(post: Post) -> str:
    """What a post calls itself, else its address without what all addresses share."""
    text = getattr(post, "text", None)
    return titled(text.title if text else "", post.url)


def titled(title: str | None, url: str) -> str:
    """The same, of its title and address."""
    return title or url.removeprefix("https://").removeprefix("www.")


def link_to(post: Post) -> str:
    """The post's own address, where a browser may be sent there."""
    return post.url if post.url.startswith(("https://", "http://")) else ""


def trust_note(score: Decimal | None) -> str:
    """An affiliate's trust score, once a verdict counts for it."""
    return "" if score is None else f"trust {score:.2f}"


def _waiting(post: ShownPost) -> str:
    if post.status == "WITHDRAWN":
        return "Its affiliate took the claim back before anybody had looked."
    if post.explained_before is None:
        return "Waiting for its first look."
    return f"New figures, waiting for a look. The claim before: {post.explained_before}"


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A campaign in the list, with what its posts sum up to; the figures are None where it has none."""

    campaign: Campaign
    platforms: str
    posts: int
    claimed: int | None
    verified: int | None
    over_pct: Decimal | None
    at_risk: str


def campaign_rows(campaigns: Iterable[Campaign], sums: RollUpQuerySet) -> list[CampaignRow]:
    """The campaigns with what `sums` hold of them, which are read in two queries for all."""
    totals = sums.totals_by_campaign()
    risks: dict[UUID, list[str]] = defaultdict(list)
    for row in sums.money_at_risk("campaign"):
        risks[row["campaign"]].append(money(row["amount"], row["currency"]))
    return [_campaign_row(campaign, totals.get(campaign.pk, {}), risks[campaign.pk]) for campaign in campaigns]


def _campaign_row(campaign: Campaign, totals: Mapping[str, Any], risks: Sequence[str]) -> CampaignRow:
    platforms = [each.platform.name for each in campaign.campaign_platforms.all() if each.closed_at is None]
    claimed = totals.get("claimed_views")
    return CampaignRow(
        campaign=campaign,
        platforms=", ".join(platforms) or "no platform yet",
        posts=totals.get("posts", 0),
        claimed=claimed,
        verified=totals.get("verified_views"),
        over_pct=share_pct(totals.get("over_claimed_views"), claimed),
        at_risk=" + ".join(risks) or UNKNOWN,
    )


def share_pct(part: int | None, whole: int | None) -> Decimal | None:
    """A part of a whole in percentage points; None where either is unknown or the whole is nothing."""
    return None if part is None or not whole else Decimal(part * 100) / whole
