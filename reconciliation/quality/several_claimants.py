"""More than one affiliate claims the post."""

from reconciliation.quality.base import Facts, Rule, Values
from reconciliation.rules import Level


def notice(facts: Facts, values: Values) -> str | None:
    if not facts.other_claimants:
        return None
    others = "another affiliate" if facts.other_claimants == 1 else f"{facts.other_claimants:,} other affiliates"
    return f"The post was also claimed by {others}."


RULE = Rule("several_claimants", "Several claimants", Level.MEDIUM, notice)
