"""`manage.py judge` as a process of its own: cases in, verdicts out, line for line."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciliation.cases import CaseError, as_json, parse_case

ROOT = Path(__file__).resolve().parents[2]
CLAIMED_AT = datetime.fromisoformat("2026-11-02T12:00:00Z")
NAMES = ("views", "clicks", "conversions")
OLD_H = 24 * 30


def case(
    platform: str,
    claimed: tuple[int | None, ...],
    truth: tuple[int | None, ...],
    *,
    post_age_h: int | None = OLD_H,
    claim_age_h: int = 0,
    **others: Any,
) -> dict[str, Any]:
    fetched_at = CLAIMED_AT + timedelta(hours=claim_age_h)
    posted_at = None if post_age_h is None else fetched_at - timedelta(hours=post_age_h)
    return {
        "platform": platform,
        "claimed": dict(zip(NAMES, claimed, strict=True)),
        "truth": dict(zip(NAMES, truth, strict=True)),
        "posted_at": posted_at and posted_at.isoformat(),
        "claimed_at": CLAIMED_AT.isoformat(),
        "fetched_at": fetched_at.isoformat(),
        "availability": "live",
    } | others


def answer(given: dict[str, Any]) -> dict[str, Any]:
    return as_json(parse_case(json.dumps(given)).judged())


N = None
CASES = [  # the examples of the rules, and their edges
    ("youtube", (104_900, N, N), (100_000, N, N), {}, "DISCREPANCY", "LOW"),
    ("youtube", (105_000, N, N), (100_000, N, N), {}, "DISCREPANCY", "MEDIUM"),
    ("youtube", (120_000, N, N), (100_000, N, N), {}, "DISCREPANCY", "MEDIUM"),
    ("youtube", (120_001, N, N), (100_000, N, N), {}, "DISCREPANCY", "HIGH"),
    ("youtube", (50_000, N, N), (100_000, N, N), {}, "MATCHED", N),
    ("x", (60, N, N), (40, N, N), {}, "DISCREPANCY", "LOW"),
    ("youtube", (50, N, N), (0, N, N), {}, "DISCREPANCY", "HIGH"),
    ("youtube", (49, N, N), (0, N, N), {}, "DISCREPANCY", "LOW"),
    ("tiktok", (3_000, 10, N), (1_000, 10, N), {"post_age_h": 5}, "TOO_EARLY", "HIGH"),
    ("tiktok", (3_000, 20, N), (1_000, 10, N), {"post_age_h": 5}, "DISCREPANCY", "HIGH"),
    ("reddit", (900, N, N), (N, N, N), {}, "UNVERIFIABLE", N),
    ("reddit", (900, 10, N), (N, 10, N), {}, "MATCHED", N),
    ("reddit", (900, N, N), (100, N, N), {}, "DISCREPANCY", "HIGH"),
    ("reddit", (900, N, N), (100, N, N), {"post_age_h": N}, "DISCREPANCY", "HIGH"),
    ("youtube", (900, N, N), (100, N, N), {"post_age_h": 23}, "TOO_EARLY", "HIGH"),
    ("youtube", (900, N, N), (100, N, N), {"post_age_h": 24}, "DISCREPANCY", "HIGH"),
    ("meta", (900, N, N), (100, N, N), {"claim_age_h": 47}, "TOO_EARLY", "HIGH"),
    ("facebook", (900, N, N), (100, N, N), {"claim_age_h": 48}, "DISCREPANCY", "HIGH"),
    ("x", (N, N, 9), (N, N, 3), {"claim_age_h": 71}, "TOO_EARLY", "HIGH"),
    ("x", (N, N, 9), (N, N, 3), {"claim_age_h": 72}, "DISCREPANCY", "HIGH"),
    ("x", (10**12, N, N), (10**12, N, N), {}, "MATCHED", N),
    ("x", (10**12 + 1, N, N), (10**12 + 1, N, N), {}, "INVALID_CLAIM", N),
    ("x", (10**30, N, N), (N, N, N), {"availability": "missing"}, "INVALID_CLAIM", N),
    ("x", (5, N, N), (N, N, N), {"availability": "missing"}, "POST_MISSING", N),
    ("x", (5, 900, N), (N, 1, N), {"availability": "denied"}, "UNVERIFIABLE", N),
]


@pytest.mark.parametrize(("platform", "claimed", "truth", "times", "status", "level"), CASES)
def test_status_and_level(platform: str, claimed: Any, truth: Any, times: Any, status: str, level: str | None):
    found = answer(case(platform, claimed, truth, **times))
    assert (found["status"], found["level"]) == (status, level)


def test_only_claimed_figures_that_have_a_truth_are_in_the_answer():
    assert answer(case("youtube", (1_052, 7, N), (1_000, N, 12))) == {
        "status": "DISCREPANCY",
        "level": "MEDIUM",
        "metrics": {"views": {"diff": 52, "pct": "5.20", "level": "MEDIUM"}},
        "confidence": "0.500",
        "explanation": (
            "Claimed 1,052 views; YouTube counted 1,000 the same minute: 5.20 % over, within the 5 to 20 % band. "
            "Clicks: 7 claimed (our tracking counts no clicks for this post)."
        ),
    }
    assert answer(case("x", (N, 6, N), (N, 0, N)))["metrics"] == {"clicks": {"diff": 6, "pct": None, "level": "HIGH"}}


GIVEN = case("x", (5, N, N), (N, N, N))


def test_what_is_left_out_is_not_known():
    for given in (GIVEN | {"truth": None, "posted_at": None}, {**GIVEN, "truth": {}, "claimed": {"views": 5}}):
        found = answer(given)
        assert (found["status"], found["metrics"], found["confidence"]) == ("UNVERIFIABLE", {}, "0.000")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", ""),
        ("[" * 100_000, ""),
        ("[]", ""),
        (json.dumps(GIVEN | {"platform": "myspace"}), "platform"),
        (json.dumps(GIVEN | {"platform": ["x"]}), "platform"),
        (json.dumps(GIVEN | {"availability": None}), "availability"),
        (json.dumps(GIVEN | {"availability": ["live"]}), "availability"),
        (json.dumps(GIVEN | {"claimed": [1]}), "claimed"),
        (json.dumps(GIVEN | {"claimed": {"views": None}}), "claimed"),
        (json.dumps(GIVEN | {"claimed": {"views": -1}}), "claimed.views"),
        (json.dumps(GIVEN | {"claimed": {"views": True}}), "claimed.views"),
        (json.dumps(GIVEN | {"truth": {"clicks": 1.0}}), "truth.clicks"),
        (json.dumps(GIVEN | {"truth": {"clicks": "1"}}), "truth.clicks"),
        (json.dumps(GIVEN).replace('"views": 5', '"views": NaN'), ""),
        (json.dumps(GIVEN | {"claimed_at": None}), "claimed_at"),
        (json.dumps(GIVEN | {"posted_at": "yesterday"}), "posted_at"),
        (json.dumps(GIVEN | {"fetched_at": "2026-11-02T11:59:59Z"}), "fetched_at"),
        (json.dumps(GIVEN | {"fetched_at": "9999-12-31T23:59:59Z", "availability": "missing"}), "fetched_at"),
    ],
)
def test_what_is_no_case_says_where(text: str, field: str):
    with pytest.raises(CaseError) as refused:
        parse_case(text).judged()
    assert refused.value.field == field


def test_each_line_is_answered_in_order_without_a_database():
    given = [json.dumps(GIVEN), "nonsense", json.dumps(case("youtube", (12_400, N, N), (10_100, N, N)))]
    process = subprocess.run(
        [sys.executable, "manage.py", "judge"],
        cwd=ROOT,
        input="\n".join(given).encode(),
        capture_output=True,
        timeout=60,
        env=os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:9/nothing"},
    )
    assert process.returncode == 1
    assert process.stdout.isascii()
    answers = [json.loads(line) for line in process.stdout.splitlines()]
    assert [each.get("status") for each in answers] == ["UNVERIFIABLE", None, "DISCREPANCY"]
    assert answers[1] == {"error": {"field": "", "reason": "This is no JSON."}}
    assert answers[2]["metrics"]["views"] == {"diff": 2_300, "pct": "22.77", "level": "HIGH"}
