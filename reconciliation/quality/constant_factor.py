"""Claims that stand above the truth by the same factor each time: made up from it rather than read off a screen."""

from fractions import Fraction

from reconciliation.quality.base import Compared, Facts, Option, Rule, Values
from reconciliation.rules import Level, half_even

_SMALL = 500
"""Below this many views a factor says nothing."""


def notice(facts: Facts, values: Values) -> str | None:
    own = Compared(facts.claimed, facts.truth)
    factors = [factor for each in (own, *facts.recent) if (factor := _factor(each)) is not None][: values["claims"]]
    if _factor(own) is None or len(factors) < values["claims"]:
        return None
    least, most = min(factors), max(factors)
    if least * 100 < 100 + values["above_pct"] or (most - least) * 1_000 > values["spread_permille"]:
        return None
    return f"The last {len(factors)} claims of views all are {half_even(factors[0], 2)} times what was counted."


def _factor(each: Compared) -> Fraction | None:
    claimed, counted = each.claimed.views, each.truth.views
    return Fraction(claimed, counted) if claimed is not None and counted is not None and counted >= _SMALL else None


RULE = Rule(
    "constant_factor",
    "Above the truth by the same factor each time",
    Level.HIGH,
    notice,
    {
        "claims": Option(4, "so many claims in a row, each of another post", least=3, most=20),
        "above_pct": Option(3, "each at least so many per cent above what was counted", most=1_000),
        "spread_permille": Option(10, "their factors no further apart than so many thousandths", most=1_000),
    },
)
