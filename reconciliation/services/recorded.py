"""Verdicts as they are recorded, with all that their receipts are made of, many at a time."""

from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

from config.bulk import array, read_rows
from reconciliation.models import RuleSet
from reconciliation.receipts import CLAIM, SNAPSHOT, VERDICT, Receipt, Recorded, digest_of_ruleset, receipt
from reconciliation.rules import RuleMatrix, RuleMatrixError, Rules, parse_matrix

_AFTER_SNAPSHOT = len(CLAIM) + len(SNAPSHOT)
_AFTER_VERDICT = _AFTER_SNAPSHOT + len(VERDICT)
_RULESET, _ID = (_AFTER_SNAPSHOT + VERDICT.index(name) for name in ("ruleset_id", "id"))


def _columns(table: str, names: Iterable[str]) -> str:
    return ", ".join(f"{table}.{name}{'::text' if name == 'id' or name.endswith('_id') else ''}" for name in names)


# What is missing is told of as nothing, and its receipt differs: the verdict itself decides which rows there are.
_QUERY = f"""
    SELECT {_columns("claim", CLAIM)}, {_columns("snapshot", SNAPSHOT)}, {_columns("verdict", VERDICT)},
        verdict.terms, post.campaign_id::text, platform.slug
    FROM reconciliation_reconciliationlog verdict
    LEFT JOIN reconciliation_affiliatereport claim ON claim.id = verdict.affiliate_report_id
    LEFT JOIN reconciliation_platformreport snapshot ON snapshot.id = verdict.platform_report_id
    LEFT JOIN campaigns_post post ON post.id = verdict.post_id
    LEFT JOIN platforms_platform platform ON platform.id = post.platform_id
"""


class _Version(NamedTuple):
    """A version of the rules. Where it is gone, or its cells are none any more, its receipts say so."""

    matrix: RuleMatrix | None
    number: int
    sha256: str | None


class Recording:
    """Reads receipts from the rows of record as they are now, whatever this process read of rule sets before."""

    def __init__(self) -> None:
        self._versions: dict[str, _Version] = {}
        self._rules: dict[tuple[str, str, str], Rules | None] = {}

    def receipts(self, verdict_ids: Iterable[UUID]) -> dict[UUID, Receipt]:
        """The receipts of these verdicts, as far as they are there, in no order."""
        rows = read_rows(f"{_QUERY} WHERE verdict.id = ANY(%s::uuid[])", [array(verdict_ids)])
        return {UUID(row[_ID]): receipt(self._recorded(row)) for row in rows}

    def of_posts(self, post_ids: Iterable[UUID]) -> list[Receipt]:
        """The receipts of all verdicts on these posts."""
        rows = read_rows(f"{_QUERY} WHERE verdict.post_id = ANY(%s::uuid[])", [array(post_ids)])
        return [receipt(self._recorded(row)) for row in rows]

    def _recorded(self, row: tuple[Any, ...]) -> Recorded:
        terms, campaign, platform = row[_AFTER_VERDICT:]
        return Recorded(
            campaign,
            platform,
            row[: len(CLAIM)],
            row[len(CLAIM) : _AFTER_SNAPSHOT],
            row[_AFTER_SNAPSHOT:_AFTER_VERDICT],
            self._rules_for(row[_RULESET], campaign, platform),
            self._versions[row[_RULESET]].sha256,
            terms,
        )

    def _rules_for(self, ruleset: str, campaign: str, platform: str) -> Rules | None:
        key = ruleset, campaign, platform
        if key not in self._rules:
            if ruleset not in self._versions:
                self._versions[ruleset] = _read_version(ruleset)
            matrix, number, _ = self._versions[ruleset]
            self._rules[key] = matrix.rules_for(campaign, platform, number) if matrix else None
        return self._rules[key]


def _read_version(ruleset: str) -> _Version:
    found = RuleSet.objects.filter(pk=ruleset).first()
    if not found:
        return _Version(None, 0, None)
    parts = {name: getattr(found, name) for name in ("version", "cells", "quality", "trust")}
    try:
        return _Version(parse_matrix(found.cells), found.version, digest_of_ruleset(parts))
    except RuleMatrixError:
        return _Version(None, found.version, digest_of_ruleset(parts))
