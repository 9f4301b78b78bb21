"""What other rules would have made of past verdicts: told beforehand, and nothing is written."""

import json
from collections import deque
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from config import clock
from reconciliation.models import Finding, ReconciliationLog, RuleSet
from reconciliation.receipts import told_moment
from reconciliation.rules import RuleMatrixError
from reconciliation.services import rehearsing, rulesets
from reconciliation.services.recorded import Recording
from tests.factories import TODAY
from tests.reconciliation.test_admin_rules import PAGE, shown
from tests.staff import client_for, judged_posts, superuser

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]
LATER = TODAY + timedelta(hours=1)
LENIENT = {"scope": "platform", "key": "youtube", "metric": "views", "medium_from_pct": None, "high_above_pct": "1000"}


def cells(**limits: object) -> list[dict[str, Any]]:
    return [*rulesets.current().cells, LENIENT | {"floor": None} | limits]


def rehearsed(**given: Any) -> rehearsing.Rehearsed:
    parts = rehearsing.parts_of(rulesets.current(), given)
    [last] = deque(rehearsing.rehearse(**parts, since=TODAY - timedelta(days=1), until=LATER), maxlen=1)
    return last


def test_the_rules_that_hold_change_nothing():
    judged_posts(3)
    found = rehearsed()
    assert (found.verdicts, found.unknown, found.changed, found.alerts_more, found.alerts_fewer) == (3, 0, 0, 0, 0)


def test_other_limits_are_told_by_counts_and_cases():
    posts = judged_posts(3)
    before = {f"{verdict.status} {verdict.discrepancy_level}" for verdict in ReconciliationLog.objects.all()}
    assert before == {"DISCREPANCY HIGH"}
    found = rehearsed(cells=cells(floor=10**9))
    assert found.changes == {("DISCREPANCY HIGH", "DISCREPANCY LOW"): 3}
    assert (found.alerts_more, found.alerts_fewer) == (0, 3)
    assert {case.post_id for case in found.cases} == {post.pk for post in posts}
    assert "below the floor of 1,000,000,000" in found.cases[0].explanation
    assert RuleSet.objects.count() == 1


def test_a_rule_that_would_be_impossible_makes_what_it_noticed_invalid():
    judged_posts(2)
    for verdict in ReconciliationLog.objects.all():
        said = {"rule": "burst", "severity": "LOW", "sentence": "Fifty claims within an hour."}
        about = {"affiliate_report": verdict.affiliate_report, "post": verdict.post, "ruleset": verdict.ruleset}
        Finding.objects.create(verdict=verdict, **about, **said)
    found = rehearsed(quality={"burst": {"weight": "impossible"}})
    assert found.changes == {("DISCREPANCY HIGH", "INVALID_CLAIM"): 2}
    assert found.alerts_fewer == 2


def test_only_the_period_counts_and_no_more_than_is_asked_for():
    judged_posts(3)
    parts = rehearsing.parts_of(rulesets.current(), {})
    assert list(rehearsing.rehearse(**parts, since=TODAY - timedelta(days=2), until=TODAY)) == []
    [found] = rehearsing.rehearse(**parts, since=TODAY, until=LATER, at_most=2)
    assert found.verdicts == 2


def test_rules_that_cannot_hold_are_refused_first():
    with pytest.raises(RuleMatrixError):
        rehearsing.rehearse(cells=[], quality={}, since=TODAY, until=LATER)


def test_the_command_says_counts_first_and_then_the_cases(tmp_path: Path):
    judged_posts(2)
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"cells": cells(floor=10**9)}))
    said = StringIO()
    with clock.at(LATER):
        call_command("rehearse", str(file), stdout=said)
    lines = said.getvalue().splitlines()
    assert lines[0] == "2 verdicts: 2 would have been others; 0 alerts more, 2 fewer."
    assert lines[1].split() == ["2", "DISCREPANCY", "HIGH", "→", "DISCREPANCY", "LOW"]
    assert len(lines) == 4
    for text in ("nonsense", "[]", '{"cells": []}', '{"limits": []}'):
        file.write_text(text)
        with pytest.raises(CommandError):
            call_command("rehearse", str(file), stdout=said)


def test_the_form_shows_what_would_have_been_different_and_saves_nothing():
    judged_posts(2)
    client = client_for(superuser())
    with clock.at(LATER):
        page = client.post(PAGE, shown(client) | {"platform-youtube-views-floor": "1000000", "rehearse": "yes"})
    text = page.content.decode()
    assert "2 of 2 verdicts, with 0 alerts more and 2 fewer." in text
    verdict = ReconciliationLog.objects.first()
    assert verdict
    assert reverse("admin:reconciliation_reconciliationlog_change", args=[verdict.pk]) in text
    assert RuleSet.objects.count() == 1


def test_rules_that_say_nothing_of_lag_are_judged_by_the_platforms_window():
    judged_posts(1)
    receipt = next(iter(Recording().receipts(ReconciliationLog.objects.values_list("pk", flat=True)).values()))
    receipt["inputs"]["snapshot"]["posted_at"] = told_moment(TODAY - timedelta(hours=25))
    receipt["rules"]["lags"]["views"] = {"post_age": 200}
    for lag_h, word in ((None, "DISCREPANCY HIGH"), (26, "TOO_EARLY HIGH")):
        limits = {"floor": None, "high_above_pct": None, "lag_h": lag_h}
        candidate = rehearsing.Candidate(cells(**limits), {})
        assert candidate.judge(receipt, {})[0] == word
