"""Round numbers again and again: counted figures rarely are."""

from reconciliation.quality.base import Facts, Option, Rule, Values
from reconciliation.rules import Level

_SMALL = 1_000
"""Below this a round number is no wonder."""


def notice(facts: Facts, values: Values) -> str | None:
    figures = [facts.claimed.views, *(each.claimed.views for each in facts.recent)]
    told = [figure for figure in figures if figure is not None and figure >= _SMALL][: values["claims"]]
    unit = 10 ** values["zeros"]
    if facts.claimed.views not in told[:1] or len(told) < values["claims"] or any(figure % unit for figure in told):
        return None
    return f"The last {len(told)} claims of views are all round numbers: {', '.join(f'{each:,}' for each in told)}."


RULE = Rule(
    "round_numbers",
    "Round numbers again and again",
    Level.LOW,
    notice,
    {
        "claims": Option(5, "so many claims in a row, each of another post", least=2, most=20),
        "zeros": Option(2, "end in at least so many zeros", most=6),
    },
)
