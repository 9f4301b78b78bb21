"""A figure that no post has ever had."""

from reconciliation.quality.base import Facts, Option, Rule, Values
from reconciliation.rules import Level
from reconciliation.sentences import quantity


def notice(facts: Facts, values: Values) -> str | None:
    above = [
        f"{quantity(figure, metric)}, more than {values[metric]:,}"
        for metric, figure in facts.claimed.by_metric
        if figure is not None and figure > values[metric]
    ]
    return f"Claims {' and '.join(above)}: no post has had as many." if above else None


RULE = Rule(
    "impossible_figures",
    "Figures that no post has had",
    Level.HIGH,
    notice,
    {
        "views": Option(20_000_000_000, "more views than any post has had"),
        "clicks": Option(1_000_000_000, "more clicks than any link has had"),
        "conversions": Option(100_000_000, "more conversions than any link has had"),
    },
)
