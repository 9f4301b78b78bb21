"""Thousands of views on an account that hardly anybody follows."""

from reconciliation.quality.base import Facts, Option, Rule, Values
from reconciliation.rules import Level
from reconciliation.sentences import quantity


def notice(facts: Facts, values: Values) -> str | None:
    views = facts.claimed.views
    if views is None or facts.followers is None:
        return None
    if views < values["views_from"] or facts.followers >= values["followers_below"]:
        return None
    return f"Claims {views:,} views on an account of {quantity(facts.followers, 'followers')}."


RULE = Rule(
    "few_followers",
    "Many views, few followers",
    Level.MEDIUM,
    notice,
    {
        "views_from": Option(5_000, "from so many views on"),
        "followers_below": Option(100, "an account of fewer followers"),
    },
)
