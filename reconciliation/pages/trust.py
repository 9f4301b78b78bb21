"""An affiliate's trust as its panel shows it: the score in words, its course, and the reasons for it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from config.charts import Steps, step_line
from config.templatetags.look import badge_for, day
from platforms.metrics import PLATFORM_NAMES
from reconciliation.models import TrustEvent
from reconciliation.pages.history import Event
from reconciliation.services.performance import HISTORY_DAYS, Reliance
from reconciliation.trust import KINDS, Counts


@dataclass(frozen=True, slots=True)
class TrustPanel:
    """What _trust.html writes. `summary` is of the posts that the reader may see; `course` is None where nothing
    changed."""

    summary: str
    to_raise: str
    outcomes: str
    platforms: list[tuple[str, str]]
    course: Steps | None
    course_words: str
    days: list[tuple[str, str, str]]
    reasons: list[Event]


def trust_panel(found: Reliance) -> TrustPanel:
    """The panel for what `reliance` found."""
    days = [(day(each.day), outcomes(each.counts), f"{each.score:.2f}") for each in found.history]
    changes = [] if found.score_before is None else [(0.0, found.score_before)]
    width = 100 / (HISTORY_DAYS + 1)
    changes += [(round(width * (each.day - found.since).days, 2), each.score) for each in found.history]
    words = ""
    if len(changes) > 1:
        first = day(found.since) if found.score_before is not None else days[0][0]
        words = f"From {changes[0][1]:.2f} on {first} to {changes[-1][1]:.2f} now"
    return TrustPanel(
        summary=found.trust.summary,
        to_raise=found.trust.to_raise,
        outcomes=outcomes(found.trust.counts),
        platforms=[(PLATFORM_NAMES[slug], trust.summary) for slug, trust in found.by_platform.items()],
        course=step_line(changes) if words else None,
        course_words=words,
        days=days[::-1],
        reasons=list(_reasons(found.reasons)),
    )


def outcomes(counts: Counts) -> str:
    """Counts in words, those that are 0 left out: "12 matched, 1 high"."""
    return ", ".join(f"{counts[kind]:,} {_word(kind)}" for kind in KINDS if counts.get(kind))


def _word(kind: str) -> str:
    return kind.replace("_", " ").lower()


def _reasons(events: Iterable[TrustEvent]) -> Iterator[Event]:
    for event in events:
        badge = badge_for(event.kind)
        decided = "decided in place of the verdict" if event.number else ""
        yield Event(event.created_at, 0, f"{badge.shape} {badge.word}", event.explanation, decided, badge.tone)
