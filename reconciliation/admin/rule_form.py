"""The rules as one form: limits by default and on each platform, the data-quality rules, and how trust is counted.

Campaigns' own limits are set on their pages, and are kept here as they are.
"""

from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from typing import Any

from django import forms

from config.errors import DomainError
from platforms.metrics import PLATFORM_NAMES, VIEWS_LAG, Metric
from reconciliation.models import RuleSet
from reconciliation.quality import RULES, Rule, Weight
from reconciliation.rules import (
    CLAIMABLE,
    HIGHEST_FLOOR,
    HIGHEST_PCT,
    LONGEST_LAG_H,
    RuleMatrix,
    RuleMatrixError,
    parse_matrix,
)
from reconciliation.trust import ACCURATE, DEFAULT_DELTAS, DEFAULT_START, KINDS, PolicyName, parse_trust

_PERCENTAGES = ("medium_from_pct", "high_above_pct")
_LIMITS = (*_PERCENTAGES, "floor", "lag_h")
_LABELS = {"medium_from_pct": "Medium from, %", "high_above_pct": "High above, %", "floor": "Floor", "lag_h": "Lag, h"}
_METRICS = (None, *(metric.value for metric in CLAIMABLE))
_PLACES = [("default", None, metric) for metric in _METRICS] + [
    ("platform", slug, metric) for slug in PLATFORM_NAMES for metric in _METRICS
]
Place = tuple[str, str | None, str | None]


def _name(place: Place, limit: str) -> str:
    return "-".join([*(part or "all" for part in place), limit])


def _is_asked(place: Place, limit: str) -> bool:
    scope, _, metric = place
    if limit == "lag_h":
        return scope == "platform" and metric == Metric.VIEWS
    return limit != "floor" or metric is not None or scope == "platform"


class RuleForm(forms.Form):
    """What a new version says. `based_on` is the version that the person saw."""

    based_on = forms.IntegerField(widget=forms.HiddenInput)
    days = forms.ChoiceField(label="Over the last", choices=[("7", "7 days"), ("30", "30 days"), ("90", "90 days")])

    def __init__(self, data: Any = None, *, ruleset: RuleSet) -> None:
        self.ruleset = ruleset
        self.given = {(cell["scope"], cell["key"], cell["metric"]): cell for cell in ruleset.cells}
        super().__init__(data, initial={"based_on": ruleset.version, "days": "30"})
        matrix = parse_matrix(ruleset.cells)
        for place in _PLACES:
            for limit in filter(lambda each: _is_asked(place, each), _LIMITS):
                field = _limit_field(limit, self.given.get(place, {}).get(limit), place)
                field.widget.attrs["placeholder"] = _holds(matrix, place, limit)
                self.fields[_name(place, limit)] = field
        for rule in RULES.values():
            stands = ruleset.quality.get(rule.name, {})
            self.fields[f"{rule.name}-weight"] = forms.ChoiceField(
                label=rule.title, choices=_WEIGHTS, initial=stands.get("weight", rule.severity.value)
            )
            for name, option in rule.options.items():
                self.fields[f"{rule.name}-{name}"] = forms.IntegerField(
                    label=option.meaning.capitalize(),
                    min_value=option.least,
                    max_value=option.most,
                    initial=stands.get(name, option.default),
                )
        policy = parse_trust(ruleset.trust)
        self.fields["trust-policy"] = forms.ChoiceField(label="Policy", choices=_POLICIES, initial=policy.name.value)
        self.fields["trust-start"] = _share_field("Start", policy.start, 0, 1)
        for kind in KINDS:
            bounds = (0, 1) if kind in ACCURATE else (-1, 0)
            word = kind.replace("_", " ").capitalize()
            self.fields[f"trust-{kind}"] = _share_field(word, policy.deltas[kind], *bounds)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        if cleaned["based_on"] != self.ruleset.version:
            raise forms.ValidationError(
                f"Version {self.ruleset.version} was saved meanwhile. Open the page again and change that one."
            )
        try:
            parse_matrix(self.cells)
        except RuleMatrixError as error:
            self._explain(error)
        return cleaned

    def _explain(self, error: RuleMatrixError) -> None:
        if error.cell is not None:
            cell = self.cells[error.cell - 1]
            name = _name((cell["scope"], cell["key"], cell["metric"]), error.field)
            if name in self.fields:
                return self.add_error(name, error.reason)
        return self.add_error(None, f"{_LABELS.get(error.field, error.field)}: {error.reason}")

    def explain(self, refusal: DomainError) -> None:
        """Say beside the form why its version was not taken."""
        self.add_error(None, refusal.message)

    @property
    def cells(self) -> list[dict[str, Any]]:
        """The matrix as this valid form changes it. What it does not show is kept."""
        cells = []
        for place in _PLACES:
            scope, key, metric = place
            limits = {limit: self._said(place, limit) for limit in _LIMITS if limit != "lag_h"}
            lag = self._said(place, "lag_h")
            if lag is not None:
                limits["lag_h"] = lag
            if any(value is not None for value in limits.values()):
                cells.append({"scope": scope, "key": key, "metric": metric, **limits})
        return cells + [cell for place, cell in self.given.items() if place not in _PLACES]

    def _said(self, place: Place, limit: str) -> object:
        name = _name(place, limit)
        if name not in self.fields:
            return self.given.get(place, {}).get(limit)
        value = self.cleaned_data[name]
        return _text(value) if isinstance(value, Decimal) else value

    @property
    def quality(self) -> dict[str, Any]:
        """What this valid form sets of the data-quality rules: what is not as by default."""
        found = {}
        for rule in RULES.values():
            defaults = {"weight": rule.severity.value, **rule.defaults}
            said = {name: self.cleaned_data[f"{rule.name}-{name}"] for name in defaults}
            if changed := {name: value for name, value in said.items() if value != defaults[name]}:
                found[rule.name] = changed
        return found

    @property
    def trust(self) -> dict[str, Any]:
        """How this valid form has trust counted: what is not as by default."""
        said = {name: self.cleaned_data[f"trust-{name}"] for name in ("policy", "start", *KINDS)}
        deltas = {kind.value: _text(said[kind]) for kind in KINDS if said[kind] != DEFAULT_DELTAS[kind]}
        found: dict[str, Any] = {"deltas": deltas} if deltas else {}
        if said["policy"] != PolicyName.ACCURACY:
            found["policy"] = said["policy"]
        if said["start"] != DEFAULT_START:
            found["start"] = _text(said["start"])
        return found

    @property
    def trust_fields(self) -> list[forms.BoundField]:
        """The policy, where `events` begins, and what each kind of outcome adds."""
        return [self[f"trust-{name}"] for name in ("policy", "start", *KINDS)]

    @property
    def scopes(self) -> Iterator[tuple[str, list[tuple[str, list[tuple[str, forms.BoundField | None]]]]]]:
        """For each scope its rows: the metric, and each limit's label with its field where it is asked for."""
        for (_, key), places in groupby(_PLACES, key=lambda place: place[:2]):
            title = PLATFORM_NAMES[key] if key else "Everywhere"
            yield (
                title,
                [(place[2] or "all metrics", [self._bound(place, limit) for limit in _LIMITS]) for place in places],
            )

    def _bound(self, place: Place, limit: str) -> tuple[str, forms.BoundField | None]:
        name = _name(place, limit)
        return _LABELS[limit], self[name] if name in self.fields else None

    @property
    def quality_rules(self) -> Iterator[tuple[Rule, forms.BoundField, list[forms.BoundField]]]:
        """Each rule with its weight and its options."""
        for rule in RULES.values():
            yield rule, self[f"{rule.name}-weight"], [self[f"{rule.name}-{name}"] for name in rule.options]


_WEIGHTS = [
    (Weight.OFF.value, "off"),
    (Weight.LOW.value, "low"),
    (Weight.MEDIUM.value, "medium"),
    (Weight.HIGH.value, "high"),
    (Weight.IMPOSSIBLE.value, "impossible: the claim is invalid"),
]

_POLICIES = [
    (PolicyName.ACCURACY.value, "accuracy: the share of accurate posts"),
    (PolicyName.EVENTS.value, "events: a start, and what each post adds"),
]


def _holds(matrix: RuleMatrix, place: Place, limit: str) -> str:
    """What holds there where the field is left empty, as far as one number says it."""
    _, platform, metric = place
    if limit == "lag_h":
        return str(VIEWS_LAG[str(platform)].hours)
    if limit == "floor" and metric is None:
        return ""
    holds = getattr(matrix.thresholds_for(None, platform, metric or Metric.VIEWS), limit)
    return _text(holds) if isinstance(holds, Decimal) else str(holds)


def _text(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _share_field(label: str, stands: Decimal, lowest: int, highest: int) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        widget=forms.NumberInput({"step": "any"}),
        min_value=lowest,
        max_value=highest,
        decimal_places=4,
        initial=stands,
    )


def _limit_field(limit: str, stands: Any, place: Place) -> forms.Field:
    _, key, metric = place
    where = f"{PLATFORM_NAMES[key] if key else 'everywhere'}, {metric or 'all metrics'}"
    named = {"aria-label": f"{_LABELS[limit]}: {where}"}
    if limit in _PERCENTAGES:
        percentage = forms.NumberInput(named | {"step": "any"})
        initial = None if stands is None else Decimal(stands)
        return forms.DecimalField(
            widget=percentage, min_value=0, max_value=HIGHEST_PCT, decimal_places=4, required=False, initial=initial
        )
    highest = HIGHEST_FLOOR if limit == "floor" else LONGEST_LAG_H
    return forms.IntegerField(
        widget=forms.NumberInput(named), min_value=0, max_value=highest, required=False, initial=stands
    )
