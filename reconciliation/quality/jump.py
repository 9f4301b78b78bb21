"""Far more views than usual, for the affiliate or for the platform."""

from reconciliation.quality.base import Facts, Option, Rule, Values
from reconciliation.rules import Level


def notice(facts: Facts, values: Values) -> str | None:
    views = facts.claimed.views
    if views is None or views < values["views_from"]:
        return None
    usual = {"the affiliate's usual": facts.usual_views, "what is usual on the platform": facts.platforms_usual_views}
    above = [
        f"{views // median:,} times {whose} {median:,}"
        for whose, median in usual.items()
        if median and views >= values["times"] * median
    ]
    return f"Claims {views:,} views, {' and '.join(above)}." if above else None


RULE = Rule(
    "jump",
    "Far above what is usual",
    Level.MEDIUM,
    notice,
    {
        "times": Option(5, "so many times the median", least=2, most=1_000),
        "views_from": Option(1_000, "from so many views on"),
    },
)
