"""Published before the campaign began, or after it ended."""

from reconciliation.quality.base import Facts, Rule, Values
from reconciliation.rules import Level


def notice(facts: Facts, values: Values) -> str | None:
    if facts.posted_on is None or facts.campaign_days is None:
        return None
    first, last = facts.campaign_days
    if facts.posted_on < first:
        return f"Published on {facts.posted_on:%Y-%m-%d}, before the campaign began on {first:%Y-%m-%d}."
    if facts.posted_on > last:
        return f"Published on {facts.posted_on:%Y-%m-%d}, after the campaign ended on {last:%Y-%m-%d}."
    return None


RULE = Rule("outside_campaign", "Published outside the campaign", Level.MEDIUM, notice)
