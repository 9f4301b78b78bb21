"""More clicks than views: nobody clicks a link in a post without its being shown."""

from reconciliation.quality.base import Facts, Rule, Values
from reconciliation.rules import Level
from reconciliation.sentences import quantity


def notice(facts: Facts, values: Values) -> str | None:
    clicks, views = facts.claimed.clicks, facts.claimed.views
    if clicks is None or views is None or clicks <= views:
        return None
    return f"Claims {quantity(clicks, 'clicks')} on {quantity(views, 'views')}."


RULE = Rule("clicks_above_views", "Clicks above views", Level.MEDIUM, notice)
