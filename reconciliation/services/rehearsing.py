"""Rehearsing: what verdicts and alerts of a period would have been by other rules. Nothing is written.

Each look is judged again from its receipt, as the look that it was. What its rules noticed is known by the findings on
record: a rule that would be marked impossible makes those claims invalid. What other options of a data-quality rule
would have noticed, and other windows would have been waited for, is not known and not guessed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from platforms.metrics import Lag, Metric
from platforms.models import Platform
from reconciliation.comparison import Level, Status
from reconciliation.models import Finding, ReconciliationLog, RuleSet
from reconciliation.quality import parse_quality
from reconciliation.receipts import Receipt, is_derivable, judged_by, kept_lags
from reconciliation.rules import OVER_LIMIT, RuleMatrix, parse_matrix
from reconciliation.services.recorded import Recording

PAGE = 1_000
CASES_SHOWN = 50
Word = str
"""A status with its level, as people say it: "DISCREPANCY HIGH"."""


@dataclass(frozen=True, slots=True)
class Case:
    """A verdict that would have been another one."""

    verdict_id: UUID
    post_id: UUID
    before: Word
    after: Word
    explanation: str
    """As it would have been."""


@dataclass(slots=True)
class Rehearsed:
    """What a period comes to. `changes`: how often which verdict would have been which; `cases`: the newest of them.

    `alerts_more` and `alerts_fewer` count verdicts on which an alert would have been opened, or would not. `unknown`
    are from before it was kept what a verdict was drawn by.
    """

    verdicts: int = 0
    unknown: int = 0
    changes: Counter[tuple[Word, Word]] = field(default_factory=Counter)
    alerts_more: int = 0
    alerts_fewer: int = 0
    cases: list[Case] = field(default_factory=list)

    @property
    def most_frequent(self) -> list[tuple[tuple[Word, Word], int]]:
        """The changes, those that would have been most frequent first."""
        return self.changes.most_common()

    @property
    def changed(self) -> int:
        """How many verdicts would have been other ones."""
        return self.changes.total()


def rehearse(
    *,
    cells: list[dict[str, Any]],
    quality: dict[str, Any],
    since: datetime,
    until: datetime,
    at_most: int | None = None,
) -> Iterator[Rehearsed]:
    """Judge the verdicts of a period, the newest first, by rules that are not saved; yields what all that were judged
    so far come to, a page of them at a time. Raises RuleMatrixError before anything else."""
    candidate = Candidate(cells, quality)
    return _rehearsed(candidate, since, until, at_most)


class Candidate:
    """Rules that may be saved."""

    def __init__(self, cells: list[dict[str, Any]], quality: dict[str, Any]) -> None:
        self.matrix: RuleMatrix = parse_matrix(cells)
        self.platforms = {platform.slug: platform for platform in Platform.objects.all()}
        self.impossible = {each.rule.name for each in parse_quality(quality).marked_impossible().rules}

    def _views_lag(self, platform: str, hours: int | None) -> dict[str, Lag]:
        """How long views may lag by these rules; where they say nothing, as the platform's row has it now."""
        return {Metric.VIEWS.value: self.platforms[platform].lags(views_lag_h=hours)[Metric.VIEWS]}

    def judge(self, receipt: Receipt, noticed: Mapping[str, str]) -> tuple[Word, bool, str]:
        """The verdict in words, whether an alert would follow, and its explanation."""
        inputs = receipt["inputs"]
        rules = self.matrix.rules_for(inputs["campaign_id"], inputs["platform"], 0)
        lags = dict(kept_lags(receipt)) | self._views_lag(inputs["platform"], rules.views_lag_h)
        impossible = next((noticed[name] for name in noticed if name in self.impossible), "")
        verdict = judged_by(receipt, rules, lags, impossible=impossible)
        is_alert = _is_alert(verdict.status, verdict.level, verdict.next_look_at)
        return _word(verdict.status, verdict.level), is_alert, verdict.explanation


def _rehearsed(candidate: Candidate, since: datetime, until: datetime, at_most: int | None) -> Iterator[Rehearsed]:
    so_far, recording, before = Rehearsed(), Recording(), None
    while at_most is None or so_far.verdicts < at_most:
        verdicts = ReconciliationLog.objects.filter(processed_at__gte=since, processed_at__lt=until).order_by("-id")
        if before:
            verdicts = verdicts.filter(pk__lt=before)
        size = PAGE if at_most is None else min(PAGE, at_most - so_far.verdicts)
        page = list(verdicts.values_list("pk", flat=True)[:size])
        if not page:
            return
        receipts, noticed = recording.receipts(page), _noticed(page)
        for verdict_id in page:
            _count(so_far, candidate, verdict_id, receipts[verdict_id], noticed.get(verdict_id, {}))
        before = page[-1]
        yield so_far


def _noticed(verdict_ids: list[UUID]) -> dict[UUID, dict[str, str]]:
    """What was noticed about the claims of these verdicts, by verdict and rule."""
    findings = Finding.objects.filter(affiliate_report__verdicts__in=verdict_ids, error="")
    found: dict[UUID, dict[str, str]] = {}
    for verdict_id, rule, sentence in findings.values_list("affiliate_report__verdicts", "rule", "sentence"):
        found.setdefault(verdict_id, {})[rule] = sentence
    return found


def _count(
    so_far: Rehearsed, candidate: Candidate, verdict_id: UUID, receipt: Receipt, noticed: Mapping[str, str]
) -> None:
    so_far.verdicts += 1
    if not is_derivable(receipt):
        so_far.unknown += 1
        return
    stands = receipt["outcome"]
    before = _word(stands["status"], stands["discrepancy_level"])
    was_alert = _is_alert(stands["status"], stands["discrepancy_level"], stands["next_look_at"])
    after, is_alert, explanation = candidate.judge(receipt, noticed)
    so_far.alerts_more += is_alert and not was_alert
    so_far.alerts_fewer += was_alert and not is_alert
    if after != before:
        so_far.changes[before, after] += 1
        if len(so_far.cases) < CASES_SHOWN:
            post_id = UUID(stands["post_id"])
            so_far.cases.append(Case(verdict_id, post_id, before, after, explanation))


def _is_alert(status: str, level: str | None, next_look_at: object) -> bool:
    """Whether an alert follows from a verdict: one that counts and is over a limit."""
    return next_look_at is None and status == Status.DISCREPANCY and level in OVER_LIMIT


def _word(status: str, level: str | Level | None) -> Word:
    return f"{status} {level}" if level else str(status)


def parts_of(ruleset: RuleSet, given: Mapping[str, Any]) -> dict[str, Any]:
    """`cells` and `quality` as somebody gives them, and as a version has them where they are left out."""
    return {name: given.get(name, getattr(ruleset, name)) for name in ("cells", "quality")}
