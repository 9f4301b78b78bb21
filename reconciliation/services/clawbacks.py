"""What affiliates over-claim in campaigns, with what is suggested about it. Nothing here changes anything."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from affiliates.models import Affiliate
from campaigns.models import Campaign, CampaignPlatform
from campaigns.rates import Rates, worth
from reconciliation.clawback import Account, Suggestion, suggest
from reconciliation.models import PostState
from reconciliation.querysets import AccountShare

Pair = tuple[UUID, UUID]
"""A campaign and an affiliate."""
RESULTS_LIMIT = 100
"""Verdicts that are named behind a suggestion."""


@dataclass(frozen=True, slots=True)
class Clawback:
    """One affiliate's account in one campaign, and what is suggested. `results` are the verdicts behind it, the
    costliest first; where they are `truncated`, there are more."""

    campaign: Campaign
    affiliate: Affiliate
    account: Account
    suggestion: Suggestion
    results: Sequence[UUID]
    truncated: bool


def clawbacks(pairs: Sequence[Pair]) -> list[Clawback]:
    """Of these campaigns and affiliates, in this order, those in which something is misclaimed; a handful of queries.

    What was claimed is worth what the campaign's present rates make of it, rounded once for each platform.
    """
    shares: dict[Pair, list[AccountShare]] = defaultdict(list)
    for share in PostState.objects.accounts(pairs):
        shares[share.campaign_id, share.affiliate_id].append(share)
    campaigns = Campaign.objects.in_bulk({campaign for campaign, _ in pairs})
    affiliates = Affiliate.objects.select_related("trust").in_bulk([affiliate for _, affiliate in pairs])
    rates = {
        (each.campaign_id, each.platform_id): each.rates
        for each in CampaignPlatform.objects.filter(campaign__in=campaigns)
    }
    behind = PostState.objects.verdicts_behind(pairs, RESULTS_LIMIT + 1)
    found = []
    for pair in pairs:
        if results := behind[pair]:
            campaign, affiliate = campaigns[pair[0]], affiliates[pair[1]]
            account = _account(campaign, affiliate, shares[pair], rates)
            truncated = len(results) > RESULTS_LIMIT
            found.append(Clawback(campaign, affiliate, account, suggest(account), results[:RESULTS_LIMIT], truncated))
    return found


def _account(
    campaign: Campaign, affiliate: Affiliate, shares: Sequence[AccountShare], rates: dict[Pair, Rates]
) -> Account:
    trust = getattr(affiliate, "trust", None)
    outcomes = trust.total_submissions if trust else 0
    worths = [_worth(share, rates.get((campaign.pk, share.platform_id), Rates())) for share in shares]
    return Account(
        currency=campaign.currency,
        worth_claimed=_sum(worths),
        over_claimed=_sum([share.over_claimed for share in shares]),
        unpriced=sum(share.unpriced for share in shares),
        posts=sum(share.posts for share in shares),
        high=sum(share.high for share in shares),
        medium=sum(share.medium for share in shares),
        invalid=sum(share.invalid for share in shares),
        trust_score=trust.trust_score if trust and outcomes else None,
        outcomes=outcomes,
    )


def _worth(share: AccountShare, rates: Rates) -> Decimal | None:
    judged = {"views": share.views, "clicks": share.clicks, "conversions": share.conversions}
    return worth({metric: int(n) for metric, n in judged.items() if n is not None}, rates)


def _sum(amounts: Sequence[Decimal | None]) -> Decimal | None:
    """Of what is known; None where nothing is."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known else None
