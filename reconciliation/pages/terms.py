"""What a campaign pays and which limits hold for it, in words."""

from campaigns.models import Campaign, CampaignPlatform
from config.templatetags.look import day, figure, money
from reconciliation.rules import CLAIMABLE, RuleMatrix


def terms(campaign: Campaign, matrix: RuleMatrix) -> list[tuple[str, str]]:
    """Terms and their words, platforms first."""
    running = [each for each in campaign.campaign_platforms.all() if each.closed_at is None]
    return [
        *((each.platform.name, _rates(each, campaign.currency)) for each in running),
        ("Limits", _limits(campaign, matrix)),
        ("Claims", _claims(campaign)),
        *([("Budget", money(campaign.budget, campaign.currency))] if campaign.budget is not None else []),
        ("System name", campaign.name),
    ]


def _rates(assigned: CampaignPlatform, currency: str) -> str:
    rates = {
        "per 1,000 views": assigned.rate_per_1000_views,
        "per click": assigned.rate_per_click,
        "per conversion": assigned.rate_per_conversion,
    }
    return ", ".join(f"{money(rate, currency)} {unit}" for unit, rate in rates.items() if rate) or "pays nothing"


def _limits(campaign: Campaign, matrix: RuleMatrix) -> str:
    by_metric = {metric: matrix.thresholds_for(str(campaign.pk), None, metric) for metric in CLAIMABLE}
    views = by_metric[CLAIMABLE[0]]
    floors = ", ".join(f"{figure(limits.floor)} {metric}" for metric, limits in by_metric.items())
    return (
        f"Medium from {views.medium_from_pct.normalize():f} %, High above {views.high_above_pct.normalize():f} % "
        f"over; Low below a gap of {floors}"
    )


def _claims(campaign: Campaign) -> str:
    who = "from all affiliates" if campaign.is_open else "from the affiliates you invited"
    proven = ", for posts of proven accounts" if campaign.requires_proof else ""
    return f"{who}{proven}, {day(campaign.starts_on)} to {day(campaign.last_claim_day)}"
