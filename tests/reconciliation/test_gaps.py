"""What could explain a gap, and what is left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.gaps import Gap, explain

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
