"""Data-quality rules: what is odd about a claim, whatever its verdict.

One file a rule. Staff set for each, in a version of the rule set, how severe it is, whether it is off, and its options;
marked *impossible*, what it notices makes the claim an INVALID_CLAIM. What nobody set holds by default, and no rule is
marked so by default.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciliation.quality import (
    author_not_proven,
    burst,
    clicks_above_views,
    constant_factor,
    conversions_above_clicks,
    falling_claim,
    few_followers,
    impossible_figures,
    jump,
    out_of_proportion,
    outside_campaign,
    round_numbers,
    same_figures,
    several_claimants,
    undisclosed,
)
from reconciliation.quality.base import Compared, Facts, Option, Rule
from reconciliation.rules import Level, RuleMatrixError

__all__ = ["RULES", "Compared", "Facts", "Noticed", "Option", "QualityRules", "Rule", "Weight", "parse_quality"]

RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        impossible_figures.RULE,
        clicks_above_views.RULE,
        conversions_above_clicks.RULE,
        falling_claim.RULE,
        round_numbers.RULE,
        jump.RULE,
        few_followers.RULE,
        out_of_proportion.RULE,
        constant_factor.RULE,
        same_figures.RULE,
        several_claimants.RULE,
        author_not_proven.RULE,
        outside_campaign.RULE,
        burst.RULE,
        undisclosed.RULE,
    )
}
"""All rules by name, in the order in which they are told."""


class Weight(StrEnum):
    """What follows where a rule notices something: nothing at all, a finding of this severity, or no verdict but
    INVALID_CLAIM."""

    OFF = "off"
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True)
class Noticed:
    """What a rule noticed about a claim, or, where it could not be asked, why: then `error` is the exception's name."""

    rule: str
    severity: Level
    sentence: str
    is_impossible: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Set:
    """A rule as a version of the rule set has it."""

    rule: Rule
    weight: Weight
    values: Mapping[str, int]

    def ask(self, facts: Facts) -> Noticed | None:
        is_impossible = self.weight is Weight.IMPOSSIBLE
        severity = Level.HIGH if is_impossible else Level(self.weight)
        try:
            sentence = self.rule.notice(facts, self.values)
        except Exception as error:  # noqa: BLE001 (one rule that throws keeps no other from being asked, and is seen itself)
            said = f"The rule “{self.rule.title}” failed and says nothing of this claim."
            return Noticed(self.rule.name, Level.LOW, said, error=type(error).__name__)
        return Noticed(self.rule.name, severity, sentence, is_impossible) if sentence else None


@dataclass(frozen=True, slots=True)
class QualityRules:
    """The rules that are on, as a version of the rule set has them."""

    rules: Sequence[_Set]

    def marked_impossible(self) -> "QualityRules":
        """Those of them that decide verdicts."""
        return QualityRules([each for each in self.rules if each.weight is Weight.IMPOSSIBLE])

    def examine(self, facts: Facts) -> list[Noticed]:
        """What is odd about a claim, in the order of `RULES`. Never raises: a rule that throws is among the answers."""
        return [noticed for each in self.rules if (noticed := each.ask(facts))]


def parse_quality(given: object) -> QualityRules:
    """Read the settings as they stand in JSON: by rule, its `weight` and its options; what is left out holds by
    default. Raises RuleMatrixError with the field `rule.option`."""
    if not isinstance(given, dict):
        raise RuleMatrixError("quality", "must be an object of rules by name")
    for name in given:
        if name not in RULES:
            raise RuleMatrixError(f"quality.{name}"[:80], "there is no such rule")
    found = [_read(rule, given.get(name, {})) for name, rule in RULES.items()]
    return QualityRules([each for each in found if each.weight is not Weight.OFF])


def _read(rule: Rule, given: object) -> _Set:
    where = f"quality.{rule.name}"
    if not isinstance(given, dict):
        raise RuleMatrixError(where, "must be an object of weight and options")
    weight = given.get("weight", rule.severity.value)
    if weight not in list(Weight):
        raise RuleMatrixError(f"{where}.weight", f"must be one of {', '.join(Weight)}")
    for name, value in given.items():
        if name == "weight":
            continue
        option = rule.options.get(name)
        if option is None:
            raise RuleMatrixError(f"{where}.{name}"[:120], "the rule has no such option")
        if type(value) is not int or not option.least <= value <= option.most:
            raise RuleMatrixError(f"{where}.{name}", f"must be a whole number from {option.least:,} to {option.most:,}")
    values = rule.defaults | {name: value for name, value in given.items() if name != "weight"}
    return _Set(rule, Weight(weight), values)
