"""Many claims at once."""

from reconciliation.quality.base import Facts, Option, Rule, Values
from reconciliation.rules import Level


def notice(facts: Facts, values: Values) -> str | None:
    if facts.claims_within_an_hour < values["claims"]:
        return None
    return f"The affiliate made {facts.claims_within_an_hour:,} claims within an hour."


RULE = Rule(
    "burst",
    "A burst of submissions",
    Level.LOW,
    notice,
    {"claims": Option(50, "so many claims within an hour", least=2)},
)
