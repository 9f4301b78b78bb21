"""Verdicts as they are recorded, with all that their receipts are made of, many at a time."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from config.bulk import array, read_rows
from reconciliation.models import RuleSet
from reconciliation.receipts import CLAIM, SNAPSHOT, VERDICT, Receipt, Recorded, receipt
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


class Recording:
    """Reads receipts from the rows of record as they are now, whatever this process read of rule sets before."""

    def __init__(self) -> None:
        self._matrices: dict[str, tuple[RuleMatrix, int] | None] = {}
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
            terms,
        )

    def _rules_for(self, ruleset: str, campaign: str, platform: str) -> Rules | None:
        key = ruleset, campaign, platform
        if key not in self._rules:
            if ruleset not in self._matrices:
                self._matrices[ruleset] = _matrix(ruleset)
            found = self._matrices[ruleset]
            self._rules[key] = found[0].rules_for(campaign, platform, found[1]) if found else None
        return self._rules[key]


def _matrix(ruleset: str) -> tuple[RuleMatrix, int] | None:
    """The limits of a version; None where it is gone, or is none any more: then its receipts say so."""
    found = RuleSet.objects.filter(pk=ruleset).first()
    try:
        return found and (parse_matrix(found.cells), found.version)
    except RuleMatrixError:
        return None
