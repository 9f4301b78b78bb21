"""How a verdict is put into words.

Every verdict carries one explanation, built from the figures and times that it was drawn from and from nothing else, so
the same inputs give the same text, byte for byte. It says what was claimed, who counted what and how long after the
claim, and which limit decided:

    Claimed 12,400 views; YouTube counted 10,100 four minutes later: 22.77 % over, above the 20 % limit.

- The figure that decided comes first; what was found for the other claimed figures follows in short.
- Percentages have two places, and more where two would not show on which side of a limit they lie (20.0004 %).
- Durations are whole minutes, hours or days, rounded down. Times are UTC.
- Views are counted by the platform, clicks and conversions by our tracking. A figure that nobody gave is never 0: the
  sentence says why there is none.
- The words say what was found, never why, and never blame.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import count

from platforms.metrics import PLATFORM_NAMES, Lag, LagBasis, Metric
from reconciliation.rules import OVER_LIMIT, Level, MetricVerdict, Thresholds, half_even, severity

WITHOUT_VIEW_COUNT = {"reddit"}
"""Platforms that publish no view count: a truth for views there comes from another source."""

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # strftime's are local
_UNITS = ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute"))


def quantity(number: int, metric: str) -> str:
    """ "1,200 views", or "1 view": the number, and what there is so much of."""
    return f"{number:,} {metric.removesuffix('s') if number == 1 else metric}"


@dataclass(frozen=True, slots=True)
class Case:
    """What every sentence needs: the platform's slug, the claimed figures beside their truths, the time from the claim
    to the look, which look of this claim it is (the first is 1), how many posts share the tracking link, and how many
    of the counted conversions were reversed after the claim."""

    platform: str
    metrics: Mapping[str, MetricVerdict]
    delay: timedelta
    look: int
    link_posts: int = 1
    reversed_since: int = 0

    @property
    def platform_name(self) -> str:
        return PLATFORM_NAMES[self.platform]

    @property
    def claimed(self) -> str:
        """The opening: "Claimed 900 views and 10 clicks"."""
        return f"Claimed {_and(quantity(figure.claimed, metric) for metric, figure in self.metrics.items())}"

    @property
    def when(self) -> str:
        """How long after the claim, and at which look if it is not the first."""
        later = _later(self.delay)
        return later if self.look == 1 else f"{later}, at {'the second' if self.look == 2 else 'a later'} look"

    @property
    def shared(self) -> str:
        """What is to be said where tracked figures are those of several posts; else ""."""
        tracked = [name for name, figure in self.metrics.items() if name != Metric.VIEWS and figure.truth is not None]
        if self.link_posts < 2 or not tracked:
            return ""
        return f"The link serves {self.link_posts:,} posts, whose {_and(tracked)} are counted together."

    @property
    def taken_back(self) -> str:
        """What is to be said where conversions were counted that no longer stand; else ""."""
        conversions = self.metrics.get(Metric.CONVERSIONS)
        if not self.reversed_since or conversions is None or conversions.truth is None:
            return ""
        were = "was" if self.reversed_since == 1 else "were"
        of_them = f"{self.reversed_since:,} of the {quantity(conversions.truth, Metric.CONVERSIONS)}"
        return f"{of_them} {were} reversed after the claim, which is not held against it."

    def next_look(self, moment: datetime) -> str:
        """When the claim is looked at again."""
        utc = moment.astimezone(UTC)
        ordinal = "Second" if self.look == 1 else "Next"
        return f"{ordinal} look on {utc.day} {_MONTHS[utc.month - 1]}, {utc:%H:%M} UTC."


def impossible_claim(case: Case, highest: int) -> str:
    """A claimed figure is above `highest`."""
    above = _and(quantity(x.claimed, metric) for metric, x in case.metrics.items() if x.claimed > highest)
    return f"Claimed {above}, above the highest possible figure of {highest:,}."


def post_missing(
    case: Case, *, deleted: bool, seen_live: bool, next_look_at: datetime | None, leads_nowhere: bool = False
) -> str:
    """The platform answered without the post, or the short link leads to none; `next_look_at` is None at the look that
    counts."""
    if leads_nowhere:
        found = f"{case.claimed}; the short link led to no post on {case.platform_name} {case.when}."
        return f"{found} {case.next_look(next_look_at)}" if next_look_at else f"{found} So trust does not change."
    answer = "showed the post as deleted" if deleted else "did not show the post"
    found = f"{case.claimed}; {case.platform_name} {answer} {case.when}."
    if next_look_at:
        return f"{found} {case.next_look(next_look_at)}"
    if seen_live:
        return f"{found} It was missing at the look before as well, and had been live earlier."
    if deleted:
        return f"{found} It was missing at the look before as well."
    return f"{found} It was missing at the look before as well and was never seen live, so trust does not change."


def access_denied(case: Case) -> str:
    """The platform did not let us read the post."""
    refusal = f"{case.platform_name} did not let us read the post {case.when}"
    return f"{case.claimed}; {refusal}, so the claim cannot be checked."


def not_connected(case: Case, *, next_look_at: datetime | None) -> str:
    """Only the account's owner is shown the figures, and the account is not connected."""
    shows = f"{case.platform_name} shows these figures to the account's owner alone, and the account is not connected"
    return _awaited(case, shows, next_look_at)


def not_listed(case: Case, *, next_look_at: datetime | None) -> str:
    """The account is connected, and the post is not among those that the platform shows of it."""
    shows = f"{case.platform_name} shows no such post of the connected account"
    return _awaited(case, shows, next_look_at, until="it does")


def not_proven(case: Case, *, next_look_at: datetime | None) -> str:
    """The campaign takes posts of proven accounts only, and the author's is none of the claimant's."""
    asks = "the campaign takes posts of proven accounts only, and the author's is not proven to be the claimant's"
    return _awaited(case, asks, next_look_at)


def _awaited(case: Case, reason: str, next_look_at: datetime | None, *, until: str = "it is") -> str:
    sentence = f"{case.claimed}; {reason}, so the claim cannot be checked"
    return f"{sentence} until {until}. {case.next_look(next_look_at)}" if next_look_at else f"{sentence}."


def no_truth(case: Case, *, next_look_at: datetime | None) -> str:
    """No source has a figure for anything that was claimed, or none yet: then it is looked for at `next_look_at`."""
    sentence = f"{case.claimed}; {_why_unknown(case, case.metrics)}, so the claim cannot be checked"
    return f"{sentence} yet. {case.next_look(next_look_at)}" if next_look_at else f"{sentence}."


def figures_judged(
    case: Case,
    *,
    thresholds: Mapping[str, Thresholds],
    lags: Mapping[str, Lag],
    next_look_at: datetime | None,
    cleared: bool,
) -> str:
    """The claimed figures were held against the counted ones; at least one has a truth.

    `next_look_at` is set when the verdict waits for lagging figures; without it, lagging figures that are over a limit
    were left out of the judgement. `cleared`: an earlier look was over a limit and too early, and this one is not.
    """
    waiting = [metric for metric, figure in case.metrics.items() if figure.lagging and figure.level in OVER_LIMIT]
    left_out = [] if next_look_at else waiting

    def weight(metric: str) -> tuple[bool, bool, int]:
        figure = case.metrics[metric]
        return figure.truth is None, metric in left_out, -severity(figure.level)

    def finding(metric: str) -> str:
        if metric in left_out:
            return f"not judged: {_lag(case, metric, lags[metric])}"
        return _outcome(case, metric, thresholds[metric])

    first, *others = sorted(case.metrics, key=weight)
    lead = case.metrics[first]
    counted = f"{_source(case, first)} counted {lead.truth:,} {case.when}"
    parts = [f"Claimed {quantity(lead.claimed, first)}; {counted}: {finding(first)}."]
    if others:
        in_short = "; ".join(f"{_pair(metric, case.metrics[metric])} ({finding(metric)})" for metric in others)
        parts.append(_sentence(in_short))
    parts += filter(None, (case.shared, case.taken_back))
    if next_look_at:
        parts.append(_sentence(_and(_lag(case, metric, lags[metric]) for metric in waiting)))
        parts.append(case.next_look(next_look_at))
    if cleared:
        parts.append("An earlier look was too early to tell, so trust does not change.")
    return " ".join(parts)


def decided(*, status: str, level: str | None, reason: str, decided_at: datetime) -> str:
    """What a person put in the place of a verdict: "Decided on 25 Nov 2026: matched. Reason: evidence was shown."."""
    day = decided_at.astimezone(UTC)
    word = status.replace("_", " ").lower() + (f", {level.lower()}" if level else "")
    return f"Decided on {day.day} {_MONTHS[day.month - 1]} {day.year}: {word}. Reason: {reason}."


def _pair(metric: str, figure: MetricVerdict) -> str:
    counted = "" if figure.truth is None else f", {figure.truth:,} counted"
    return f"{metric}: {figure.claimed:,} claimed{counted}"


def _outcome(case: Case, metric: str, limits: Thresholds) -> str:
    """On which side of the limits a figure lies, or why nobody can say."""
    figure = case.metrics[metric]
    if figure.truth is None:
        return _why_unknown(case, [metric])
    gap = figure.claimed - figure.truth
    if gap <= 0:
        return "within the count"
    below_floor = gap < limits.floor
    floor = f"a gap of {quantity(gap, metric)} is {'' if below_floor else 'not '}below the floor of {limits.floor:,}"
    if not figure.truth:
        return f"a count of 0 gives no percentage, and {floor}"
    exact = Fraction(gap * 100, figure.truth)
    level = limits.level_at(exact)
    over = f"{_percentage(exact, limits)} over"
    if below_floor and level in OVER_LIMIT:
        return f"{over}, but {floor}"
    medium, high = _limit(limits.medium_from_pct), _limit(limits.high_above_pct)
    match level:
        case Level.HIGH:
            return f"{over}, above the {high} % limit"
        case Level.MEDIUM:
            return f"{over}, within the {medium} to {high} % band"
        case _:
            return f"{over}, below the {medium} % limit"


def _percentage(exact: Fraction, limits: Thresholds) -> str:
    """At least two places, and as many as it takes to land on the right side of the limits."""
    rounded = (half_even(exact, places) for places in count(2))
    return f"{next(x for x in rounded if limits.level_at(Fraction(x)) is limits.level_at(exact)):,f} %"


def _limit(percentage: Decimal) -> str:
    return f"{percentage.normalize():,f}"


def _source(case: Case, metric: str) -> str:
    if metric != Metric.VIEWS:
        return "our tracking"
    return "another source" if case.platform in WITHOUT_VIEW_COUNT else case.platform_name


def _why_unknown(case: Case, metrics: Collection[str]) -> str:
    tracked = [metric for metric in metrics if metric != Metric.VIEWS]
    reasons = [f"our tracking counts no {' or '.join(tracked)} for this post"] if tracked else []
    if Metric.VIEWS in metrics:
        verb = "publishes" if case.platform in WITHOUT_VIEW_COUNT else "gave"
        reasons.insert(0, f"{case.platform_name} {verb} no view count")
    return _and(reasons)


def _lag(case: Case, metric: str, lag: Lag) -> str:
    source = f"{_source(case, metric)}'s figures" if metric == Metric.VIEWS else f"tracked {metric}"
    return f"{source} may lag {lag.hours} h after {'publication' if lag.basis == LagBasis.POST_AGE else 'the claim'}"


def _later(delay: timedelta) -> str:
    for size, unit in _UNITS:
        if number := delay // size:
            written = _NUMBERS[number] if number < len(_NUMBERS) else f"{number:,}"
            return f"{written} {unit if number == 1 else f'{unit}s'} later"
    return "the same minute"


def _and(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
