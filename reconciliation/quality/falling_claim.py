"""A claim below the one before it: public counters seldom fall."""

from reconciliation.quality.base import Facts, Rule, Values
from reconciliation.rules import Level
from reconciliation.sentences import quantity


def notice(facts: Facts, values: Values) -> str | None:
    if facts.earlier is None:
        return None
    before = dict(facts.earlier.by_metric)
    fallen = [
        f"{quantity(figure, metric)} after {before[metric]:,}"
        for metric, figure in facts.claimed.by_metric
        if figure is not None and before[metric] is not None and figure < (before[metric] or 0)
    ]
    return f"Claims {' and '.join(fallen)} in the claim before." if fallen else None


RULE = Rule("falling_claim", "A falling claim", Level.LOW, notice)
