"""Rule sets: which thresholds and floors hold, as append-only versions."""

from typing import Any
from uuid import UUID

from django.db import transaction

from affiliates.models import User
from affiliates.services import audit
from config.locks import take_turn
from reconciliation.errors import RulesRefusedError
from reconciliation.models import RuleSet
from reconciliation.quality import QualityRules, parse_quality
from reconciliation.rules import DEFAULT_CELLS, RuleMatrix, RuleMatrixError, parse_matrix, with_campaign_cells
from reconciliation.services import trusting
from reconciliation.trust import Policy, parse_trust

_parsed: dict[UUID, RuleMatrix] = {}
_quality: dict[UUID, QualityRules] = {}


def ensure_default() -> None:
    """Version 1 exists, however the database was made. Runs after every migrate; harmless to repeat."""
    RuleSet.objects.get_or_create(version=1, defaults={"cells": DEFAULT_CELLS})


def current() -> RuleSet:
    """The newest version: the one that new verdicts are drawn by."""
    newest: RuleSet = RuleSet.objects.order_by("-version")[0]
    return newest


def matrix_of(ruleset: RuleSet) -> RuleMatrix:
    """A version's cells, parsed once a process: a version never changes."""
    if ruleset.pk not in _parsed:
        _parsed[ruleset.pk] = parse_matrix(ruleset.cells)
    return _parsed[ruleset.pk]


def quality_of(ruleset_id: UUID) -> QualityRules:
    """A version's data-quality rules, parsed once a process."""
    if ruleset_id not in _quality:
        _quality[ruleset_id] = parse_quality(RuleSet.objects.get(pk=ruleset_id).quality)
    return _quality[ruleset_id]


def policy_of(ruleset: RuleSet) -> Policy:
    """How trust is counted by a version."""
    return parse_trust(ruleset.trust)


@transaction.atomic
def save_version(
    *,
    by: User | None,
    cells: list[dict[str, Any]] | None = None,
    quality: dict[str, Any] | None = None,
    trust: dict[str, Any] | None = None,
) -> RuleSet:
    """Write a new version; what is None stays as it is. Raises RulesRefusedError; writing what already holds gives the
    current version back. Where trust is counted otherwise from now on, all scores follow in the same transaction."""
    take_turn("ruleset")
    newest = current()
    parts = {
        "cells": newest.cells if cells is None else cells,
        "quality": newest.quality if quality is None else quality,
        "trust": newest.trust if trust is None else trust,
    }
    try:
        parse_matrix(parts["cells"])
        parse_quality(parts["quality"])
        policy = parse_trust(parts["trust"])
    except RuleMatrixError as error:
        raise RulesRefusedError(error.reason, field=error.field) from error
    if all(getattr(newest, name) == part for name, part in parts.items()):
        return newest
    ruleset = RuleSet.objects.create(version=newest.version + 1, created_by=by, **parts)
    if policy != policy_of(newest):
        trusting.rescore(policy)
    audit(actor=by, action="ruleset.saved", row=ruleset, changes={"version": ruleset.version})
    return ruleset


@transaction.atomic
def set_campaign_thresholds(*, campaign_id: object, cells: list[dict[str, Any]], by: User) -> RuleSet:
    """Replace one campaign's cells and leave all others as they are. An empty list: the defaults hold for it."""
    take_turn("ruleset")
    try:
        merged = with_campaign_cells(current().cells, str(campaign_id), cells)
    except RuleMatrixError as error:
        raise RulesRefusedError(error.reason, field=error.field) from error
    return save_version(cells=merged, by=by)
