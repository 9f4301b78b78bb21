"""One claim held against one snapshot of the truth: the verdict.

What goes in is plain values, what comes out is a plain value; nothing is looked up, so the same inputs give the same
verdict, byte for byte. The steps:

1. Each claimed figure is weighed by `rules`: how far is it over, and is that LOW, MEDIUM, HIGH or nothing at all? A
   figure that was not claimed, or that no source counts, is None and weighs nothing.
2. A figure *lags* while its source may not have caught up: views while the post (on some platforms: the claim) is
   younger than the platform's window, conversions while the claim is younger than the campaign's window, clicks never.
   The window's end itself is no longer within it. A post of unknown age counts as old.
3. The status is the first that holds:

   - INVALID_CLAIM: a figure is above what any post can have, or a data-quality rule that is marked impossible noticed
     something. Inaccurate.
   - POST_MISSING: the platform answers and the post is not there. One more look 24 hours later; if that agrees, it is
     inaccurate where the post was once seen live or the platform says it was deleted, and else no matter of trust.
   - UNVERIFIABLE: the platform denied access, or no claimed figure has a truth. No matter of trust. Where the
     affiliate can open the way (by connecting the account, or by proving it where the campaign asks for that), the
     claim waits for it: for 14 days after it was made, then this verdict counts. Where a live post's views are insights
     that the platform gives some time later only, it waits for the end of their window.
   - DISCREPANCY: a figure that does not lag is MEDIUM or HIGH; the worst of those decides. Inaccurate.
   - TOO_EARLY: a figure that lags is MEDIUM or HIGH. No matter of trust yet: one more look when the last of these
     windows has ended, and in that look nothing lags any more.
   - DISCREPANCY, LOW: something is over, but not by much. Accurate.
   - MATCHED: nothing is over. Accurate.

4. A claim that once was TOO_EARLY or UNVERIFIABLE earns no trust by what grew since: MATCHED and LOW then have no
   effect on it.

A verdict that asks for another look (`next_look_at`) is provisional and has no effect on trust. The verdict without one
is the claim's counted verdict. A claim has five looks at most.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from campaigns.rates import Rates, worth
from platforms.metrics import Availability, Lag, LagBasis, Metric
from reconciliation import sentences
from reconciliation.rules import OVER_LIMIT, Level, MetricVerdict, Rules, Thresholds, half_even, worst

__all__ = [
    "Claim",
    "Denial",
    "Figures",
    "Level",
    "Looks",
    "MetricVerdict",
    "Rules",
    "Status",
    "Thresholds",
    "TrustEffect",
    "Truth",
    "Verdict",
    "judge",
    "money_at_risk",
]

MISSING_LOOK_AFTER_H = 24
ACCESS_WITHIN_DAYS = 14
"""How long a claim waits for its affiliate to open the way to the figures."""


class Status(StrEnum):
    """What a verdict says about a claim."""

    MATCHED = "MATCHED"
    DISCREPANCY = "DISCREPANCY"
    TOO_EARLY = "TOO_EARLY"
    POST_MISSING = "POST_MISSING"
    UNVERIFIABLE = "UNVERIFIABLE"
    INVALID_CLAIM = "INVALID_CLAIM"


class TrustEffect(StrEnum):
    """How a verdict counts for its affiliate."""

    ACCURATE = "ACCURATE"
    INACCURATE = "INACCURATE"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class Figures:
    """The three figures that can be claimed and counted. None: not claimed, or no source says."""

    views: int | None = None
    clicks: int | None = None
    conversions: int | None = None

    @property
    def by_metric(self) -> tuple[tuple[str, int | None], ...]:
        """Each metric with its figure, in the order in which they are told."""
        return (("views", self.views), ("clicks", self.clicks), ("conversions", self.conversions))


@dataclass(frozen=True, slots=True)
class Claim:
    """What the affiliate says, and when; at least one figure is named."""

    figures: Figures
    claimed_at: datetime


class Denial(StrEnum):
    """Why a post is not read that its platform may well show: what its affiliate can do about it."""

    NOT_CONNECTED = "not_connected"  # only the account's owner is shown the figures: connect the account
    NOT_LISTED = "not_listed"  # the connected account does not show it: put it back, or connect the account it is on
    NOT_PROVEN = "not_proven"  # the campaign takes posts of proven accounts only: prove the author's account
    NO_POST = "no_post"  # the short link leads to no post: send the post's own address


@dataclass(frozen=True, slots=True)
class Truth:
    """What the sources said at one moment.

    `availability` is the platform's answer about the post, None when it was not asked because nothing claimed needs it.
    `deleted`: the platform itself says that the post was deleted or removed. `posted_at` is None when unknown.
    `denial`: access is denied for a reason that the affiliate can remove. `link_posts`: how many posts share the link
    that clicks and conversions were counted on. `reversed_since`: conversions that were taken back between the claim
    and the look. They are not among the figures, and yet not held against a claim that was made before.
    """

    figures: Figures
    availability: Availability | None
    deleted: bool
    fetched_at: datetime
    posted_at: datetime | None
    denial: Denial | None = None
    link_posts: int | None = None
    reversed_since: int = 0

    @property
    def standing_since_claim(self) -> Figures:
        """What a claim is held against: a reversal after it is a revision of the truth, and no accusation."""
        if self.figures.conversions is None:
            return self.figures
        return replace(self.figures, conversions=self.figures.conversions + self.reversed_since)


@dataclass(frozen=True, slots=True)
class Looks:
    """The earlier looks at this same claim, oldest first, and whether the post was ever seen live."""

    previous: tuple[Status, ...] = ()
    seen_live: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """One claim against one snapshot.

    `metrics` holds the claimed metrics only. `confidence` is the share of them that has a truth (three places).
    `next_look_at` is None exactly when this is the claim's counted verdict.
    """

    status: Status
    level: Level | None
    metrics: Mapping[str, MetricVerdict]
    confidence: Decimal
    explanation: str
    next_look_at: datetime | None
    trust_effect: TrustEffect


@dataclass(frozen=True, slots=True)
class _Decision:
    status: Status
    level: Level | None = None
    next_look_at: datetime | None = None
    trust_effect: TrustEffect = TrustEffect.NONE


def judge(
    claim: Claim,
    truth: Truth,
    *,
    platform: str,
    rules: Rules,
    lags: Mapping[str, Lag],
    looks: Looks,
    impossible: str = "",
) -> Verdict:
    """Hold a claim against a snapshot that was fetched at or after it.

    `platform` is its slug; `lags` has the windows of the metrics that can lag, by metric; `impossible` is what a
    data-quality rule that is marked so says of the claim.
    Raises ValueError for a snapshot from before the claim, and for a claim without figures.
    """
    if truth.fetched_at < claim.claimed_at:
        raise ValueError("a claim is never judged by a snapshot from before it")
    windows = open_windows(claim.claimed_at, truth.fetched_at, truth.posted_at, lags=lags, previous=looks.previous)
    counted = dict(truth.standing_since_claim.by_metric)
    metrics = {
        metric: rules.weigh(metric, claimed, counted[metric], lagging=metric in windows)
        for metric, claimed in claim.figures.by_metric
        if claimed is not None
    }
    if not metrics:
        raise ValueError("a claim names at least one figure")
    decision = _decide(claim, metrics, truth, rules, windows, lags, looks, impossible)
    known = sum(figure.truth is not None for figure in metrics.values())
    delay = truth.fetched_at - claim.claimed_at
    case = sentences.Case(
        platform, metrics, delay, len(looks.previous) + 1, truth.link_posts or 1, truth.reversed_since
    )
    return Verdict(
        status=decision.status,
        level=decision.level,
        metrics=metrics,
        confidence=half_even(Fraction(known, len(metrics)), 3),
        explanation=_explain(decision, case, truth, rules, lags, looks, impossible),
        next_look_at=decision.next_look_at,
        trust_effect=decision.trust_effect,
    )


def money_at_risk(verdict: Verdict, rates: Rates) -> Decimal | None:
    """What was claimed above the truth, at the campaign's rates; only a discrepancy puts money at risk."""
    if verdict.status != Status.DISCREPANCY:
        return None
    over = {name: figure.difference for name, figure in verdict.metrics.items() if (figure.difference or 0) > 0}
    return worth({name: gap for name, gap in over.items() if gap}, rates)


def open_windows(
    claimed_at: datetime,
    fetched_at: datetime,
    posted_at: datetime | None,
    *,
    lags: Mapping[str, Lag],
    previous: Collection[str],
) -> dict[str, datetime]:
    """The metrics that lag at this fetch, with the moment from which they no longer do: none once an earlier look was
    TOO_EARLY (`previous`), since this one came when the last window had ended."""
    if Status.TOO_EARLY in previous:
        return {}
    windows = {}
    for metric, lag in lags.items():
        since = posted_at if lag.basis == LagBasis.POST_AGE else claimed_at
        if since and fetched_at < (end := since + timedelta(hours=lag.hours)):
            windows[metric] = end
    return windows


def _decide(
    claim: Claim,
    metrics: Mapping[str, MetricVerdict],
    truth: Truth,
    rules: Rules,
    windows: Mapping[str, datetime],
    lags: Mapping[str, Lag],
    looks: Looks,
    impossible: str,
) -> _Decision:
    """The first status that holds, in the order of the module's docstring."""
    if impossible or any(figure.claimed > rules.impossible_above for figure in metrics.values()):
        return _Decision(Status.INVALID_CLAIM, trust_effect=TrustEffect.INACCURATE)
    if truth.availability == Availability.MISSING:
        if not looks.previous or looks.previous[-1] != Status.POST_MISSING:
            next_look_at = truth.fetched_at + timedelta(hours=MISSING_LOOK_AFTER_H)
            return _Decision(Status.POST_MISSING, next_look_at=next_look_at)
        once_there = looks.seen_live or truth.deleted
        effect = TrustEffect.INACCURATE if once_there else TrustEffect.NONE
        return _Decision(Status.POST_MISSING, trust_effect=effect)
    if truth.denial in (Denial.NOT_CONNECTED, Denial.NOT_LISTED):
        return _awaiting_access(claim, truth)
    settled = worst(figure.level for figure in metrics.values() if not figure.lagging)
    if truth.denial is Denial.NOT_PROVEN and settled not in OVER_LIMIT:  # what is over is over, whoever's the post is
        return _awaiting_access(claim, truth)
    if truth.availability == Availability.DENIED:
        return _Decision(Status.UNVERIFIABLE)
    if all(figure.truth is None for figure in metrics.values()):
        return _Decision(Status.UNVERIFIABLE, next_look_at=_insights_until(truth, lags, windows, metrics))
    if settled in OVER_LIMIT:
        return _Decision(Status.DISCREPANCY, settled, trust_effect=TrustEffect.INACCURATE)
    level = worst(figure.level for figure in metrics.values())
    if level in OVER_LIMIT:
        ends = [windows[metric] for metric, figure in metrics.items() if figure.lagging and figure.level in OVER_LIMIT]
        return _Decision(Status.TOO_EARLY, level, next_look_at=max(ends))
    waited = Status.TOO_EARLY in looks.previous or Status.UNVERIFIABLE in looks.previous
    effect = TrustEffect.NONE if waited else TrustEffect.ACCURATE
    return _Decision(Status.DISCREPANCY if level else Status.MATCHED, level, trust_effect=effect)


def _insights_until(
    truth: Truth, lags: Mapping[str, Lag], windows: Mapping[str, datetime], metrics: Mapping[str, MetricVerdict]
) -> datetime | None:
    """When a live post has the figures that its platform gives some time later only; None where none are to come."""
    insights = Metric.VIEWS in windows and lags[Metric.VIEWS].basis == LagBasis.CLAIM_AGE
    expected = insights and Metric.VIEWS in metrics and truth.availability == Availability.LIVE
    return windows[Metric.VIEWS] if expected else None


def _awaiting_access(claim: Claim, truth: Truth) -> _Decision:
    until = claim.claimed_at + timedelta(days=ACCESS_WITHIN_DAYS)
    return _Decision(Status.UNVERIFIABLE, next_look_at=until if truth.fetched_at < until else None)


def _explain(
    decision: _Decision,
    case: sentences.Case,
    truth: Truth,
    rules: Rules,
    lags: Mapping[str, Lag],
    looks: Looks,
    impossible: str,
) -> str:
    match decision.status:
        case Status.INVALID_CLAIM if impossible:
            return f"{case.claimed}. {impossible}"
        case Status.INVALID_CLAIM:
            return sentences.impossible_claim(case, rules.impossible_above)
        case Status.POST_MISSING:
            return sentences.post_missing(
                case,
                deleted=truth.deleted,
                seen_live=looks.seen_live,
                next_look_at=decision.next_look_at,
                leads_nowhere=truth.denial is Denial.NO_POST,
            )
        case Status.UNVERIFIABLE if truth.denial is Denial.NOT_CONNECTED:
            return sentences.not_connected(case, next_look_at=decision.next_look_at)
        case Status.UNVERIFIABLE if truth.denial is Denial.NOT_LISTED:
            return sentences.not_listed(case, next_look_at=decision.next_look_at)
        case Status.UNVERIFIABLE if truth.denial is Denial.NOT_PROVEN:
            return sentences.not_proven(case, next_look_at=decision.next_look_at)
        case Status.UNVERIFIABLE if truth.availability == Availability.DENIED:
            return sentences.access_denied(case)
        case Status.UNVERIFIABLE:
            return sentences.no_truth(case, next_look_at=decision.next_look_at)
        case _:
            return sentences.figures_judged(
                case,
                thresholds=rules.thresholds,
                lags=lags,
                next_look_at=decision.next_look_at,
                cleared=decision.level not in OVER_LIMIT and Status.TOO_EARLY in looks.previous,
            )
