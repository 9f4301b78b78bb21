"""More conversions than clicks: a sale goes back to a click."""

from reconciliation.quality.base import Facts, Rule, Values
from reconciliation.rules import Level
from reconciliation.sentences import quantity


def notice(facts: Facts, values: Values) -> str | None:
    conversions, clicks = facts.claimed.conversions, facts.claimed.clicks
    if conversions is None or clicks is None or conversions <= clicks:
        return None
    return f"Claims {quantity(conversions, 'conversions')} from {quantity(clicks, 'clicks')}."


RULE = Rule("conversions_above_clicks", "Conversions above clicks", Level.MEDIUM, notice)
