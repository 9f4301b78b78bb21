"""What could explain a gap, and what is left."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.gaps import Gap, Look, explain

counts = st.integers(0, 10**13)


@pytest.mark.parametrize(
    ("claimed", "truth", "changed", "lagging", "gap"),
    [
        (100, 100, False, False, None),
        (99, 100, True, True, None),
        (990, 900, False, False, Gap(0, 0, 0, 90)),  # shown in full
        (1_200, 1_140, False, False, Gap(50, 0, 0, 10)),  # 1.2K
        (1_250, 1_200, False, False, Gap(0, 0, 0, 50)),  # nobody shows 1.25K
        (12_400, 12_350, False, False, Gap(50, 0, 0, 0)),  # 12.4K
        (12_400, 10_100, False, False, Gap(50, 0, 0, 2_250)),
        (13_000, 12_400, False, False, Gap(500, 0, 0, 100)),  # 13K
        (1_200_000, 1_100_000, False, False, Gap(50_000, 0, 0, 50_000)),  # 1.2M
        (3_000_000_000, 2_960_000_000, False, False, Gap(40_000_000, 0, 0, 0)),  # 3B
        (12_400, 10_100, True, False, Gap(50, 2_250, 0, 0)),
        (12_400, 10_100, False, True, Gap(50, 0, 2_250, 0)),
        (12_400, 10_100, True, True, Gap(50, 2_250, 0, 0)),
    ],
)
def test_what_could_explain_a_gap(claimed: int, truth: int, changed: bool, lagging: bool, gap: Gap | None):
    assert explain(claimed, truth, definition_changed=changed, lagging=lagging) == gap


@given(claimed=counts, truth=counts, changed=st.booleans(), lagging=st.booleans())
def test_the_parts_add_up_and_none_is_negative(claimed: int, truth: int, changed: bool, lagging: bool):
    gap = explain(claimed, truth, definition_changed=changed, lagging=lagging)
    if gap is None:
        assert claimed <= truth
        return
    parts = (gap.rounding, gap.definition, gap.lag, gap.unexplained)
    assert min(parts) >= 0
    assert sum(parts) == claimed - truth
    assert gap.rounding * 100 <= 5 * claimed  # 1.0K at the coarsest


AT = datetime(2026, 8, 26, 12, tzinfo=UTC)
TERMS = {"previous": [], "lags": {"views": {"post_age": 24}, "conversions": {"claim_age": 72}}}
OLD = AT - timedelta(days=90)


@pytest.mark.parametrize(
    ("metric", "look", "gap"),
    [
        ("views", Look("x", AT, AT, OLD, TERMS), Gap(0, 0, 0, 12)),
        ("views", Look("x", AT, AT, None, TERMS), Gap(0, 0, 0, 12)),
        ("views", Look("x", AT, AT, AT, None), Gap(0, 0, 0, 12)),
        ("views", Look("x", AT, AT, AT, TERMS), Gap(0, 0, 12, 0)),
        ("clicks", Look("x", AT, AT, AT, TERMS), Gap(0, 0, 0, 12)),
        ("conversions", Look("x", AT, AT + timedelta(hours=71), OLD, TERMS), Gap(0, 0, 12, 0)),
        ("conversions", Look("x", AT, AT + timedelta(hours=72), OLD, TERMS), Gap(0, 0, 0, 12)),
        ("views", Look("x", AT, AT, AT, TERMS | {"previous": ["TOO_EARLY"]}), Gap(0, 0, 0, 12)),
        ("views", Look("youtube", AT, AT + timedelta(days=2), OLD, TERMS), Gap(0, 12, 0, 0)),
    ],
)
def test_what_could_explain_a_gap_depends_on_when_it_was_looked(metric: str, look: Look, gap: Gap):
    assert look.gap(metric, 112, 12) == gap
    assert look.gap(metric, 112, None) is look.gap(metric, None, 12) is look.gap(metric, 112, 0) is None
