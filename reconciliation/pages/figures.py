"""Figure cards, the chart, and what a verdict rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from config.charts import ChartGeometry, ChartPoint, line_chart
from config.templatetags.look import day, figure, moment, money, percent, signed_percent
from platforms.metrics import DEFINITIONS, Metric
from reconciliation.comparison import TrustEffect
from reconciliation.gaps import Gap, Look
from reconciliation.models import AffiliateReport, Override, ReconciliationLog
from reconciliation.pages.rows import leading_metric, share_pct
from reconciliation.rules import CLAIMABLE

CHART_DAYS = 60


@dataclass(frozen=True, slots=True)
class Card:
    """A figure card: see figure_card.html."""

    label: str
    value: str
    note: str = ""
    tone: str = ""
    hot: bool = False


def total_cards(totals: Mapping[str, Any], at_risk: Sequence[Mapping[str, Any]], currency: str) -> list[Card]:
    """The five figures over a set of posts; they are sums of current verdicts."""
    claimed, verified, over = (totals[f"{name}_views"] for name in ("claimed", "verified", "over_claimed"))
    unjudged = [
        ("too_early", "too early"),
        ("unverifiable", "unverifiable"),
        ("missing", "missing"),
        ("invalid", "invalid"),
        ("pending", "waiting"),
    ]
    return [
        Card(
            "Claimed views",
            figure(claimed),
            f"{_count(totals['posts'], 'post')} · {_count(totals['affiliates'], 'affiliate')}",
        ),
        Card("Verified views", figure(verified), _share(verified, claimed), tone="verified"),
        Card("Over-claimed", figure(over), _share(over, claimed)),
        _risk_card(totals, at_risk, currency),
        Card(
            "Not judged yet",
            figure(totals["unjudged_views"]),
            " · ".join(f"{figure(totals[name])} {word}" for name, word in unjudged if totals[name]) or "all is judged",
        ),
    ]


def _risk_card(totals: Mapping[str, Any], at_risk: Sequence[Mapping[str, Any]], currency: str) -> Card:
    """Sums of several currencies stand beside each other, never in one."""
    if not at_risk:
        is_unpriced = bool(totals["over_claimed_posts"])
        unknown = "no rate is set for it" if is_unpriced else "nothing is over-claimed"
        return Card("Money at risk", money(None if is_unpriced else Decimal(0), currency), unknown)
    posts, affiliates = sum(row["posts"] for row in at_risk), totals["affiliates_at_risk"]
    return Card(
        "Money at risk",
        " + ".join(money(row["amount"], row["currency"]) for row in at_risk),
        f"{_count(posts, 'post')}, {_count(affiliates, 'affiliate')}",
        hot=any(row["amount"] > 0 for row in at_risk),
    )


def verdict_cards(
    claim: AffiliateReport,
    verdict: ReconciliationLog | None,
    platform: str,
    *,
    with_money: bool,
    override: Override | None = None,
) -> list[Card]:
    """The leading figure of a claim and what its verdict found. What it costs is the advertiser's to see; there an
    override holds."""
    metric = leading_metric(claim)
    claimed, difference = getattr(claim, f"claimed_{metric}"), getattr(verdict, f"{metric}_discrepancy", None)
    looked_at = verdict.platform_report.fetched_at if verdict else None
    gap = _gap(metric, claim, verdict)
    cards = [
        Card(f"Claimed {metric}", figure(claimed), moment(claim.claimed_at)),
        Card(
            f"{platform if metric == Metric.VIEWS else 'Our tracking'} counted",
            figure(None if difference is None else claimed - difference),
            moment(looked_at) if looked_at else "not looked at yet",
            tone="verified",
        ),
        Card("Gap", signed_percent(getattr(verdict, f"{metric}_diff_pct", None)), _gap_note(difference, gap)),
    ]
    outcome = override or verdict
    if with_money and outcome and outcome.money_at_risk is not None:
        amount = money(outcome.money_at_risk, outcome.currency)
        cards.append(Card("Money at risk", amount, "at the campaign's rate", hot=outcome.money_at_risk > 0))
    return cards


def _gap(metric: Metric, claim: AffiliateReport, verdict: ReconciliationLog | None) -> Gap | None:
    if verdict is None:
        return None
    truth, claimed = verdict.platform_report, getattr(claim, f"claimed_{metric}")
    look = Look(verdict.post.platform.slug, claim.claimed_at, truth.fetched_at, truth.posted_at, verdict.terms)
    return look.gap(metric.value, claimed, getattr(verdict, f"{metric}_discrepancy"))


def _gap_note(difference: int | None, gap: Gap | None) -> str:
    if difference is None:
        return "no count to compare with"
    if difference <= 0:
        return f"{figure(-difference)} more counted than claimed" if difference else "claimed what was counted"
    reasons = {"rounding": gap.rounding, "a new definition": gap.definition, "lag": gap.lag} if gap else {}
    could = [f"{reason} {figure(number)}" for reason, number in reasons.items() if number]
    explained = f"; of that {' and '.join(could)} at most" if could else ""
    return f"{figure(difference)} more claimed than counted{explained}"


def views_chart(days: Sequence[Mapping[str, Any]]) -> ChartGeometry:
    """Claimed and verified views of the last CHART_DAYS days that end with the newest claim.

    A day without claims is a known 0; on a day whose claims could not be compared nothing is known.
    """
    by_day = {row["day"]: row for row in days}
    if not by_day:
        return line_chart([])
    last: date = max(by_day)
    first = max(min(by_day), last - timedelta(days=CHART_DAYS - 1))
    nothing = {"claimed": 0, "verified": 0}
    dates = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    rows = [(each, by_day.get(each, nothing)) for each in dates]
    return line_chart([ChartPoint(day(each), row["claimed"], row["verified"]) for each, row in rows])


def _share(part: int | None, whole: int | None) -> str:
    return "" if part is None else f"{percent(share_pct(part, whole))} of claimed"


def _count(number: int, noun: str) -> str:
    return f"{figure(number)} {noun if number == 1 else f'{noun}s'}"


_TRUST = {
    TrustEffect.ACCURATE.value: "counts as accurate",
    TrustEffect.INACCURATE.value: "counts as inaccurate",
    TrustEffect.NONE.value: "changes nothing",
}


def basis(verdict: ReconciliationLog | None, override: Override | None = None) -> list[tuple[str, str]]:
    """What a verdict rests on, as terms and their words; nothing while there is none."""
    if verdict is None:
        return []
    definitions = verdict.platform_report.definitions
    known = {metric: DEFINITIONS.get(definitions.get(metric, "")) for metric in CLAIMABLE}
    meanings = [(f"What {metric} are", definition.text) for metric, definition in known.items() if definition]
    return [
        ("Rules", f"version {verdict.ruleset.version}"),
        ("Confidence", f"{percent(verdict.confidence * 100)} of the claimed figures have a count"),
        ("Trust", _TRUST[(override or verdict).trust_effect]),
        ("Look again", moment(verdict.next_look_at) if verdict.next_look_at else "no, this verdict is final"),
        *meanings,
    ]
