"""A post's history in words: claims, looks, revisions and verdicts, the newest first. Rows in, events out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from django.urls import reverse

from config.templatetags.look import badge_for, figure
from platforms.metrics import Availability, Metric
from reconciliation.comparison import Denial
from reconciliation.models import AffiliateReport, Override, PlatformReport, ReconciliationLog
from reconciliation.rules import CLAIMABLE

_SHOWN = ("views", "likes", "comments", "shares", "clicks", "conversions")


@dataclass(frozen=True, slots=True)
class Event:
    """One line of timeline.html. `rank` orders what happened at the same moment."""

    at: datetime
    rank: int
    title: str
    detail: str = ""
    who: str = ""
    tone: str = ""
    receipt: str = ""
    """The address of a verdict's."""


def history(
    *,
    affiliate: str,
    platform: str,
    claims: Iterable[AffiliateReport],
    snapshots: Sequence[PlatformReport],
    verdicts: Iterable[ReconciliationLog],
    overrides: Iterable[Override] = (),
    with_receipts: bool = False,
) -> list[Event]:
    """Everything that happened to a post, from rows in any order; `with_receipts`: the reader may see the verdicts'."""
    looks = sorted(snapshots, key=lambda snapshot: (snapshot.fetched_at, snapshot.pk))
    events = [
        *(_claim(claim, affiliate) for claim in claims),
        *(_look(look, platform) for look in looks),
        *(_revision(*fall, platform) for fall in _falls(looks)),
        *(_verdict(verdict, with_receipt=with_receipts) for verdict in verdicts),
        *(_decision(override) for override in overrides),
    ]
    return sorted(events, key=lambda event: (event.at, event.rank), reverse=True)


def quantities(row: AffiliateReport | PlatformReport, prefix: str = "", names: Sequence[str] = _SHOWN) -> str:
    """The figures a row has: "12,400 views, 310 clicks"; "" where it has none."""
    known = [(name, getattr(row, prefix + name)) for name in names]
    return ", ".join(quantity(n, name) for name, n in known if n is not None)


def quantity(number: int, name: str) -> str:
    """A figure with its unit: "1 click", "12,400 views"."""
    return f"{figure(number)} {name.removesuffix('s') if number == 1 else name}"


def _claim(claim: AffiliateReport, affiliate: str) -> Event:
    figures = quantities(claim, "claimed_", CLAIMABLE)
    who = f"{affiliate}, by {claim.get_submission_method_display()}"
    return Event(claim.claimed_at, 0, f"Claimed {figures}", who=who, tone="claimed")


def _look(look: PlatformReport, platform: str) -> Event:
    if look.availability == Availability.MISSING:
        title = f"{platform} {'showed the post as deleted' if look.deleted else 'did not show the post'}"
    elif look.denial == Denial.NOT_CONNECTED:
        title = f"Not read: the account on {platform} is not connected"
    elif look.denial == Denial.NOT_LISTED:
        title = f"{platform} showed no such post of the connected account"
    elif look.availability == Availability.DENIED:
        title = f"{platform} did not let us read the post"
    elif look.availability is None:
        title = f"Our tracking counted {quantities(look) or 'nothing that was claimed'}"
    else:
        title = f"{platform} counted {quantities(look) or 'nothing it shows'}"
    return Event(look.fetched_at, 1, title, tone="verified")


def _falls(looks: Sequence[PlatformReport]) -> Iterable[tuple[Metric, PlatformReport, PlatformReport]]:
    """Neighbouring looks with a known figure of which the later is less: views, clicks or conversions."""
    for metric in CLAIMABLE:
        counted = [look for look in looks if getattr(look, metric) is not None]
        for before, after in pairwise(counted):
            if getattr(after, metric) < getattr(before, metric):
                yield metric, before, after


def _revision(metric: Metric, before: PlatformReport, after: PlatformReport, platform: str) -> Event:
    earlier, later = getattr(before, metric), getattr(after, metric)
    who = platform if metric == Metric.VIEWS else "Our tracking"
    return Event(
        after.fetched_at,
        2,
        f"{who} took back {quantity(earlier - later, metric)}",
        f"{figure(earlier)} before, {figure(later)} now. What fell after a claim is not held against it.",
        tone="medium",
    )


def _verdict(verdict: ReconciliationLog, *, with_receipt: bool) -> Event:
    badge = badge_for(verdict.status, verdict.discrepancy_level)
    return Event(
        verdict.processed_at,
        3,
        f"{badge.shape} {badge.word}{'' if verdict.is_counted else ', for now'}",
        verdict.explanation,
        tone=badge.tone,
        receipt=reverse("api-reconciliation-receipt", args=[verdict.pk]) if with_receipt else "",
    )


def _decision(override: Override) -> Event:
    badge = badge_for(override.status, override.discrepancy_level)
    detail = " ".join(filter(None, [override.explanation, override.words]))
    return Event(override.created_at, 4, f"Decided: {badge.shape} {badge.word}", detail, tone=badge.tone)
