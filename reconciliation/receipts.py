"""A verdict's receipt: what it was drawn from and by, and what it came to, in one form that anybody can check.

A receipt is a JSON object of four parts. `inputs` has the claim and the snapshot as they are recorded, and what was
known of earlier looks; `rules` has the version of the rule set with the very limits, lags and rates that held;
`outcome` is the verdict as it is recorded; `format` is the number of this form. Whoever has it can judge the inputs by
the rules (`derive`) and hold the outcome against that.

Its *canonical* text is JSON in UTF-8 with sorted keys and no blanks. Values are text, whole numbers, booleans and null
only: decimals are text with the places they are recorded with (percentages of the rules: four), times are UTC with six
digits after the second and a Z, ids are in lower case. So the same receipt is the same bytes, and has one SHA-256.

There is nothing personal in it: ids, figures and times only.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from campaigns.rates import Rates
from platforms.metrics import Availability, Lag, LagBasis
from reconciliation.comparison import Claim, Denial, Figures, Looks, Status, Truth, Verdict, judge, money_at_risk
from reconciliation.rules import CLAIMABLE, Rules, Thresholds

FORMAT = 1

CLAIM = (
    "id", "created_at", "post_id", "claimed_views", "claimed_clicks", "claimed_conversions", "submission_method",
    "claimed_at", "request_id",
)  # fmt: skip
SNAPSHOT = (
    "id", "created_at", "post_id", "connection_id", "availability", "deleted", "denial", "views", "likes", "comments",
    "shares", "clicks", "conversions", "link_posts", "followers", "disclosed", "spend", "posted_at", "provenance",
    "definitions", "fetched_at", "request_id",
)  # fmt: skip
VERDICT = (
    "id", "created_at", "affiliate_report_id", "platform_report_id", "post_id", "ruleset_id", "status",
    "discrepancy_level", "views_discrepancy", "clicks_discrepancy", "conversions_discrepancy", "views_diff_pct",
    "clicks_diff_pct", "conversions_diff_pct", "confidence", "explanation", "trust_effect", "money_at_risk", "currency",
    "next_look_at", "processed_at", "request_id",
)  # fmt: skip
"""The columns of a claim, a snapshot and a verdict that a receipt has, each under its own name: all that there are, but
for a verdict's `terms`, which stand among the inputs and the rules."""

Receipt = dict[str, Any]


class KeptTerms(NamedTuple):
    """What a verdict was drawn by that claim, snapshot and rule set do not say, or that may change after it.

    `lags` is their text (see `lags_text`), which most of a batch has in common.
    """

    lags: str
    rate_per_1000_views: Decimal | None = None
    rate_per_click: Decimal | None = None
    rate_per_conversion: Decimal | None = None
    previous: tuple[Status, ...] = ()
    seen_live: bool = False
    reversed_since: int = 0
    impossible: str = ""

    @property
    def rates(self) -> Rates:
        """The prices that held."""
        return Rates(self.rate_per_1000_views, self.rate_per_click, self.rate_per_conversion)

    def as_json(self) -> str:
        """As it is kept with the verdict. A rate that is not set is left out."""
        rates = {name: getattr(self.rates, name) for name in Rates.__dataclass_fields__}
        return json.dumps(
            {
                "lags": json.loads(self.lags),
                "rates": {name: f"{rate:.4f}" for name, rate in rates.items() if rate is not None},
                "previous": self.previous,
                "seen_live": self.seen_live,
                "reversed_since": self.reversed_since,
                "impossible": self.impossible,
            }
        )


def lags_text(lags: Mapping[str, Lag]) -> str:
    """How long each metric's source may lag, as JSON: hours, by metric and by which age decides."""
    return json.dumps({metric: {lag.basis: lag.hours} for metric, lag in lags.items()})


def read_lags(told: Mapping[str, Any]) -> dict[str, Lag]:
    """The windows that `KeptTerms.as_json` wrote, by metric."""
    lags = told["lags"].items()
    return {metric: Lag(LagBasis(basis), hours) for metric, lag in lags for basis, hours in lag.items()}


class Recorded(NamedTuple):
    """A verdict with what it was drawn from, as the database has it.

    `claim`, `snapshot` and `verdict` have the values of CLAIM, SNAPSHOT and VERDICT. `terms` is None of a verdict from
    before they were kept, `rules` where the version that it names can't be read; `ruleset_sha256` is of all that this
    version says (see `digest_of_ruleset`), None where it is gone.
    """

    campaign: str
    platform: str
    claim: tuple[Any, ...]
    snapshot: tuple[Any, ...]
    verdict: tuple[Any, ...]
    rules: Rules | None
    ruleset_sha256: str | None
    terms: Mapping[str, Any] | None


def receipt(recorded: Recorded) -> Receipt:
    """The receipt of a verdict."""
    campaign, platform, claim, snapshot, verdict, rules, ruleset_sha256, terms = recorded
    known = ("previous", "seen_live", "reversed_since", "impossible")
    kept = terms if isinstance(terms, dict) else {}
    return {
        "format": FORMAT,
        "inputs": {
            "campaign_id": campaign,
            "platform": platform,
            "claim": _plain(CLAIM, claim),
            "snapshot": _plain(SNAPSHOT, snapshot),
            **{name: kept.get(name) for name in known},
        },
        "rules": {
            "ruleset_sha256": ruleset_sha256,
            **(_limits(rules) if rules else {}),
            **{name: kept.get(name) for name in ("lags", "rates")},
        },
        "outcome": _plain(VERDICT, verdict),
    }


def canonical(value: Mapping[str, Any]) -> bytes:
    """The one text that a receipt, or a part of one, is hashed as."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def digest(receipt: Receipt) -> str:
    """A receipt's SHA-256, in lower-case hexadecimal digits."""
    return sha256(canonical(receipt)).hexdigest()


def digest_of_ruleset(parts: Mapping[str, Any]) -> str:
    """The SHA-256 of a version of the rules, of all its cells and settings: which of them held is in the receipt, and
    the others are the same ones as long as this is."""
    return sha256(canonical(parts)).hexdigest()


def is_derivable(receipt: Receipt) -> bool:
    """Whether it has all that its verdict was drawn by: those from before the terms were kept have not."""
    return receipt["rules"]["lags"] is not None


def derive(receipt: Receipt) -> dict[str, Any]:
    """What a receipt's inputs come to by its rules, in the words of its outcome, as far as a judgement decides it.

    Raises ValueError, or another error that says that the receipt is not one that judging could have left.
    """
    rules, lags, rates = _read_rules(canonical(receipt["rules"]))
    return _judged(judged_by(receipt, rules, lags, impossible=receipt["inputs"]["impossible"]), rates)


def kept_lags(receipt: Receipt) -> Mapping[str, Lag]:
    """The windows that held."""
    return _read_rules(canonical(receipt["rules"]))[1]


def judged_by(receipt: Receipt, rules: Rules, lags: Mapping[str, Lag], *, impossible: str) -> Verdict:
    """What a receipt's inputs come to by these rules. Raises as `derive`."""
    inputs = receipt["inputs"]
    claim, snapshot = inputs["claim"], inputs["snapshot"]
    return judge(
        Claim(
            Figures(claim["claimed_views"], claim["claimed_clicks"], claim["claimed_conversions"]),
            datetime.fromisoformat(claim["claimed_at"]),
        ),
        Truth(
            figures=Figures(snapshot["views"], snapshot["clicks"], snapshot["conversions"]),
            availability=None if snapshot["availability"] is None else Availability(snapshot["availability"]),
            deleted=snapshot["deleted"],
            fetched_at=datetime.fromisoformat(snapshot["fetched_at"]),
            posted_at=None if snapshot["posted_at"] is None else datetime.fromisoformat(snapshot["posted_at"]),
            denial=None if snapshot["denial"] is None else Denial(snapshot["denial"]),
            link_posts=snapshot["link_posts"],
            reversed_since=inputs["reversed_since"],
        ),
        platform=inputs["platform"],
        rules=rules,
        lags=lags,
        looks=Looks(tuple(map(Status, inputs["previous"])), seen_live=inputs["seen_live"]),
        impossible=impossible,
    )


def differences(receipt: Receipt) -> dict[str, tuple[object, object]]:
    """What judging the inputs anew gives otherwise: by name, as it stands and as it would be. Raises as `derive`."""
    stands = receipt["outcome"]
    return {name: (stands[name], value) for name, value in derive(receipt).items() if stands[name] != value}


def _judged(verdict: Verdict, rates: Rates) -> dict[str, Any]:
    figures = {metric: verdict.metrics.get(metric.value) for metric in CLAIMABLE}
    told = {
        "status": verdict.status,
        "discrepancy_level": verdict.level,
        **{f"{metric}_discrepancy": figure and figure.difference for metric, figure in figures.items()},
        **{f"{metric}_diff_pct": figure and figure.percentage for metric, figure in figures.items()},
        "confidence": verdict.confidence,
        "explanation": verdict.explanation,
        "trust_effect": verdict.trust_effect,
        "money_at_risk": money_at_risk(verdict, rates),
        "next_look_at": verdict.next_look_at,
    }
    return _plain(tuple(told), tuple(told.values()))


def told_moment(moment: datetime) -> str:
    """A time as receipts tell it: UTC, six digits after the second, Z."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


_TELL: dict[type, Callable[[Any], str]] = {datetime: told_moment, Decimal: "{:f}".format, UUID: str}


def _plain(names: tuple[str, ...], values: tuple[Any, ...]) -> dict[str, Any]:
    return {
        name: tell(value) if (tell := _TELL.get(type(value))) else value
        for name, value in zip(names, values, strict=True)
    }


def _limits(rules: Rules) -> dict[str, Any]:
    return {
        "version": rules.version,
        "impossible_above": rules.impossible_above,
        "thresholds": {
            metric.value: {
                "medium_from_pct": f"{limits.medium_from_pct:.4f}",
                "high_above_pct": f"{limits.high_above_pct:.4f}",
                "floor": limits.floor,
            }
            for metric, limits in ((metric, rules.thresholds[metric]) for metric in CLAIMABLE)
        },
    }


@lru_cache(maxsize=1_000)
def _read_rules(text: bytes) -> tuple[Rules, Mapping[str, Lag], Rates]:
    """What a receipt's `rules` say, from their canonical text."""
    told = orjson.loads(text)
    thresholds = {
        metric: Thresholds(
            medium_from_pct=Decimal(limits["medium_from_pct"]),
            high_above_pct=Decimal(limits["high_above_pct"]),
            floor=limits["floor"],
        )
        for metric, limits in told["thresholds"].items()
    }
    lags = read_lags(told)
    rates = Rates(**{name: Decimal(rate) for name, rate in told["rates"].items()})
    return Rules(told["version"], thresholds, told["impossible_above"]), lags, rates
