"""The same figures on many posts."""

from reconciliation.quality.base import Facts, Option, Rule, Values
from reconciliation.rules import Level


def notice(facts: Facts, values: Values) -> str | None:
    largest = max(figure for _, figure in facts.claimed.by_metric if figure is not None)
    if largest < values["figure_from"] or facts.posts_with_these_figures < values["posts"]:
        return None
    return f"The same figures are claimed for {facts.posts_with_these_figures:,} other posts."


RULE = Rule(
    "same_figures",
    "The same figures on many posts",
    Level.MEDIUM,
    notice,
    {
        "posts": Option(2, "so many of the latest 20 other posts", most=20),
        "figure_from": Option(100, "where the largest figure is at least this"),
    },
)
