"""Limits and floors: how a gap gets its level, and which cell of the matrix decides."""

import json
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.rules import (
    CLAIMABLE,
    DEFAULT_CELLS,
    Level,
    RuleMatrixError,
    Thresholds,
    half_even,
    parse_matrix,
    severity,
    with_campaign_cells,
    worst,
)

CAMPAIGN = "01930000-0000-7000-8000-000000000001"
OTHER_CAMPAIGN = "01930000-0000-7000-8000-000000000002"
VIEWS = Thresholds(floor=50)
counts = st.integers(0, 2**53 - 1)


def cell(scope="campaign", key=CAMPAIGN, metric=None, medium=None, high=None, floor=None):
    limits = {"medium_from_pct": medium, "high_above_pct": high, "floor": floor}
    return {"scope": scope, "key": key, "metric": metric, **limits}


def thresholds(*cells, campaign=CAMPAIGN, platform="youtube", metric="views"):
    rules = parse_matrix([*DEFAULT_CELLS, *cells]).rules_for(campaign, platform, 1)
    return rules.thresholds[metric]


# Levels


@pytest.mark.parametrize(
    ("claimed", "truth", "level"),
    [
        (0, 0, None),
        (999, 1_000, None),
        (1_000, 1_000, None),
        (1_049, 1_000, Level.LOW),  # 4.9 %, and below the floor
        (104_999, 100_000, Level.LOW),
        (105_000, 100_000, Level.MEDIUM),  # exactly 5 %
        (119_999, 100_000, Level.MEDIUM),
        (120_000, 100_000, Level.MEDIUM),  # exactly 20 %
        (120_001, 100_000, Level.HIGH),
        (149, 100, Level.LOW),  # 49 %, a gap of 49
        (150, 100, Level.HIGH),  # the floor itself is not below the floor
        (49, 0, Level.LOW),
        (50, 0, Level.HIGH),
        (1_049, 999, Level.MEDIUM),  # 5.005 %, a gap of exactly 50
    ],
)
def test_a_gap_gets_its_level(claimed, truth, level):
    assert VIEWS.level(claimed, truth) is level


@given(truth=counts, first=counts, second=counts)
def test_a_higher_claim_never_has_a_lower_level(truth, first, second):
    lower, higher = sorted((first, second))
    assert severity(VIEWS.level(lower, truth)) <= severity(VIEWS.level(higher, truth))


@given(unit=st.integers(10**15, 10**40))
def test_one_view_decides_however_large_the_figures_are(unit):
    truth = 20 * unit
    at_five, at_twenty = truth + unit, truth + 4 * unit
    assert VIEWS.level(at_five - 1, truth) is Level.LOW
    assert VIEWS.level(at_five, truth) is Level.MEDIUM
    assert VIEWS.level(at_twenty, truth) is Level.MEDIUM
    assert VIEWS.level(at_twenty + 1, truth) is Level.HIGH


@given(claimed=counts, truth=counts, factor=st.integers(1, 10**9))
def test_without_a_floor_only_the_proportion_counts(claimed, truth, factor):
    bare = Thresholds(floor=0)
    assert bare.level(claimed * factor, truth * factor) is bare.level(claimed, truth)


def test_limits_with_decimals_are_exact():
    fine = Thresholds(medium_from_pct=Decimal("0.0001"), high_above_pct=Decimal("33.3333"), floor=0)
    assert fine.level(10**6 + 1, 10**6) is Level.MEDIUM
    assert fine.level(10**7 + 9, 10**7) is Level.LOW
    assert fine.level(4, 3) is Level.HIGH  # a third is above 33.3333 %
    assert fine.level(1_333_333, 10**6) is Level.MEDIUM


def test_the_worst_level_is_the_most_severe():
    assert worst([Level.MEDIUM, None, Level.HIGH, Level.LOW]) is Level.HIGH
    assert worst([None, Level.LOW]) is Level.LOW
    assert worst([None]) is None
    assert worst([]) is None


# Weighing


@pytest.mark.parametrize(
    ("claimed", "truth", "difference", "percentage"),
    [
        (12_400, 10_100, 2_300, "22.77"),
        (50_000, 100_000, -50_000, "-50.00"),
        (7, 7, 0, "0.00"),
        (7, 0, 7, None),
        (0, 0, 0, None),
        (100_005, 100_000, 5, "0.00"),  # 0.005: half to even goes down …
        (100_015, 100_000, 15, "0.02"),  # … and up
        (2**53 - 1, 1, 2**53 - 2, "900719925474099000.00"),
    ],
)
def test_difference_and_percentage(claimed, truth, difference, percentage):
    rules = parse_matrix(DEFAULT_CELLS).rules_for(CAMPAIGN, "youtube", 1)
    figure = rules.weigh("views", claimed, truth, lagging=False)
    assert figure.difference == difference
    assert str(figure.percentage) == str(percentage)


def test_a_figure_without_a_truth_weighs_nothing():
    rules = parse_matrix(DEFAULT_CELLS).rules_for(CAMPAIGN, "youtube", 1)
    figure = rules.weigh("views", 900, None, lagging=True)
    assert (figure.claimed, figure.lagging) == (900, True)
    assert (figure.truth, figure.difference, figure.percentage, figure.level) == (None, None, None, None)


@given(numerator=st.integers(-(10**40), 10**40), places=st.integers(0, 6))
def test_rounding_does_not_depend_on_the_decimal_context(numerator, places):
    value = Fraction(numerator, 7)
    with localcontext() as context:
        context.prec = 3
        in_a_narrow_context = half_even(value, places)
    assert str(in_a_narrow_context) == str(half_even(value, places))
    assert abs(Fraction(in_a_narrow_context) - value) <= Fraction(1, 2 * 10**places)


# The matrix


def test_the_default():
    rules = parse_matrix(DEFAULT_CELLS).rules_for(CAMPAIGN, "youtube", 7)
    assert rules.version == 7
    assert rules.impossible_above == 10**12
    assert {metric: limits.floor for metric, limits in rules.thresholds.items()} == {
        "views": 50,
        "clicks": 5,
        "conversions": 2,
    }
    for limits in rules.thresholds.values():
        assert (limits.medium_from_pct, limits.high_above_pct) == (5, 20)


def test_the_default_is_what_thresholds_say_by_themselves():
    assert thresholds() == Thresholds(floor=50)


def test_the_default_survives_json():
    assert json.loads(json.dumps(DEFAULT_CELLS)) == DEFAULT_CELLS


# From the weakest to the strongest: each beats all before it.
BY_STRENGTH = [
    ("default", None, "views"),
    ("platform", "youtube", None),
    ("platform", "youtube", "views"),
    ("campaign", CAMPAIGN, None),
    ("campaign", CAMPAIGN, "views"),
]


@pytest.mark.parametrize("strongest", range(1, len(BY_STRENGTH)))
def test_the_more_particular_cell_wins(strongest):
    cells = [cell(*place, "5", "20", 100 + rank) for rank, place in enumerate(BY_STRENGTH[: strongest + 1])]
    everything = [*DEFAULT_CELLS[:1], *DEFAULT_CELLS[2:], *cells]
    for matrix in (parse_matrix(everything), parse_matrix(everything[::-1])):
        assert matrix.rules_for(CAMPAIGN, "youtube", 1).thresholds["views"].floor == 100 + strongest


def test_each_value_is_resolved_on_its_own():
    limits = thresholds(
        cell(metric="views", medium="2"),
        cell(high="30.5"),
        cell("platform", "youtube", floor=70),
        cell("platform", "youtube", "views", medium="9", high="40"),
    )
    assert limits == Thresholds(medium_from_pct=Decimal(2), high_above_pct=Decimal("30.5"), floor=70)


def test_cells_of_others_do_not_matter():
    cells = [cell(key=OTHER_CAMPAIGN, floor=1), cell("platform", "reddit", floor=2), cell(metric="clicks", floor=3)]
    assert thresholds(*cells) == thresholds()


def test_how_long_views_may_lag_is_said_by_platform_and_campaign():
    of_platform = cell("platform", "youtube", "views") | {"lag_h": 36}
    of_campaign = cell(metric="views") | {"lag_h": 0}
    for cells, hours in (([], None), ([of_platform], 36), ([of_platform, of_campaign], 0)):
        matrix = parse_matrix([*DEFAULT_CELLS, *cells])
        assert matrix.rules_for(CAMPAIGN, "youtube", 1).views_lag_h == hours
        assert matrix.rules_for(CAMPAIGN, "x", 1).views_lag_h == (0 if of_campaign in cells else None)


@pytest.mark.parametrize(
    ("place", "hours"),
    [
        (("default", None, "views"), 24),
        (("platform", "youtube", None), 24),
        (("platform", "youtube", "clicks"), 24),
        (("platform", "youtube", "views"), 1_441),
        (("platform", "youtube", "views"), -1),
        (("platform", "youtube", "views"), "24"),
        (("platform", "youtube", "views"), True),
    ],
)
def test_a_lag_that_cannot_hold_is_refused(place, hours):
    others = [each for each in DEFAULT_CELLS if each["metric"] != "views"]
    with pytest.raises(RuleMatrixError) as refusal:
        parse_matrix([*others, cell(*place, floor=50) | {"lag_h": hours}])
    assert refusal.value.field == "lag_h"


def test_zero_is_a_value():
    assert thresholds(cell(medium="0", high="0", floor=0)) == Thresholds(
        medium_from_pct=Decimal(0), high_above_pct=Decimal(0), floor=0
    )


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"medium": "21"}, "medium_from_pct"),  # above the default's 20
        ({"high": "4.9999"}, "medium_from_pct"),  # below the default's 5
        ({"medium": "8", "high": "7"}, "medium_from_pct"),
        ({"high": "1000.0001"}, "high_above_pct"),
        ({"high": "9999"}, "high_above_pct"),
        ({"medium": "5.00001"}, "medium_from_pct"),
        ({"medium": "-1"}, "medium_from_pct"),
        ({"medium": "1e1"}, "medium_from_pct"),
        ({"medium": "NaN"}, "medium_from_pct"),
        ({"medium": ""}, "medium_from_pct"),
        ({"medium": " 5"}, "medium_from_pct"),
        ({"medium": "5\n"}, "medium_from_pct"),
        ({"medium": "\u0665"}, "medium_from_pct"),
        ({"medium": 5}, "medium_from_pct"),
        ({"high": 20.0}, "high_above_pct"),
        ({"floor": -1}, "floor"),
        ({"floor": 10**12 + 1}, "floor"),
        ({"floor": True}, "floor"),
        ({"floor": 1.5}, "floor"),
        ({"floor": "50"}, "floor"),
        ({"scope": "market"}, "scope"),
        ({"scope": None}, "scope"),
        ({"scope": []}, "scope"),
        ({"scope": "default"}, "key"),
        ({"key": None}, "key"),
        ({"key": "youtube"}, "key"),
        ({"key": CAMPAIGN.replace("-", "")}, "key"),
        ({"key": 7}, "key"),
        ({"scope": "platform"}, "key"),
        ({"scope": "platform", "key": "You Tube"}, "key"),
        ({"scope": "platform", "key": None}, "key"),
        ({"metric": "likes"}, "metric"),
        ({"metric": 1}, "metric"),
        ({"metric": []}, "metric"),
    ],
)
def test_a_bad_cell_is_refused_by_its_field(values, field):
    with pytest.raises(RuleMatrixError) as refusal:
        parse_matrix([*DEFAULT_CELLS, cell(**values)])
    assert refusal.value.field == field
    assert refusal.value.reason in str(refusal.value)


@pytest.mark.parametrize(
    "cells",
    [None, {}, "cells", [None], [[]], [*DEFAULT_CELLS, {}], [*DEFAULT_CELLS, {**cell(), "note": "x"}]],
)
def test_another_shape_is_refused(cells):
    with pytest.raises(RuleMatrixError) as refusal:
        parse_matrix(cells)
    assert refusal.value.field == "cells"


def test_a_refusal_says_which_cell():
    with pytest.raises(RuleMatrixError, match=r"floor: must be a whole number .* \(cell 5\)"):
        parse_matrix([*DEFAULT_CELLS, cell(floor=-1)])


def test_the_same_place_twice_is_refused():
    with pytest.raises(RuleMatrixError, match=r"metric: there already is a cell .* \(cell 6\)"):
        parse_matrix([*DEFAULT_CELLS, cell(floor=1), cell(floor=1)])


@pytest.mark.parametrize("missing", range(len(DEFAULT_CELLS)))
def test_the_default_must_say_everything(missing):
    cells = [given_cell for number, given_cell in enumerate(DEFAULT_CELLS) if number != missing]
    with pytest.raises(RuleMatrixError, match="the default says none for"):
        parse_matrix([*cells, cell("platform", "youtube", medium="5", high="20", floor=50)])


def test_cells_that_contradict_each_other_only_together_are_refused():
    platform, campaign = cell("platform", "x", "clicks", high="6"), cell(medium="7")
    parse_matrix([*DEFAULT_CELLS, platform])
    parse_matrix([*DEFAULT_CELLS, campaign])
    with pytest.raises(RuleMatrixError, match=f"7 is above high_above_pct, 6, for campaign {CAMPAIGN}, x, clicks"):
        parse_matrix([*DEFAULT_CELLS, platform, campaign])


limits = st.tuples(st.none() | st.integers(0, 1000), st.none() | st.integers(0, 1000), st.none() | st.integers(0, 99))


@given(cells=st.dictionaries(st.sampled_from(BY_STRENGTH[1:]), limits))
def test_what_is_accepted_can_always_be_applied(cells):
    texts = [
        cell(*place, None if medium is None else str(medium), None if high is None else str(high), floor)
        for place, (medium, high, floor) in cells.items()
    ]
    try:
        matrix = parse_matrix([*DEFAULT_CELLS, *texts])
    except RuleMatrixError:
        return
    for platform in ("youtube", "reddit"):
        for resolved in matrix.rules_for(CAMPAIGN, platform, 1).thresholds.values():
            assert 0 <= resolved.medium_from_pct <= resolved.high_above_pct <= 1000


# A campaign's own cells


def test_a_campaigns_cells_are_replaced_and_others_kept():
    others = cell(key=OTHER_CAMPAIGN, floor=9)
    before = [*DEFAULT_CELLS, cell(floor=1), others, cell(metric="views", floor=2)]
    after = with_campaign_cells(before, CAMPAIGN, [cell(metric="clicks", floor=3)])
    assert after == [*DEFAULT_CELLS, others, cell(metric="clicks", floor=3)]
    assert len(before) == len(DEFAULT_CELLS) + 3  # the list that was given is left alone


def test_a_campaign_can_write_only_cells_of_its_own():
    foreign = [cell("default", None, floor=0), {"metric": "views", "floor": 1}]
    after = with_campaign_cells(DEFAULT_CELLS, CAMPAIGN, foreign)
    assert {(each["scope"], each["key"]) for each in after[len(DEFAULT_CELLS) :]} == {("campaign", CAMPAIGN)}


def test_no_cells_put_the_default_back():
    assert with_campaign_cells([*DEFAULT_CELLS, cell(floor=1)], CAMPAIGN, []) == DEFAULT_CELLS


def test_a_campaigns_cell_must_be_an_object():
    with pytest.raises(RuleMatrixError, match="cells: a cell is an object"):
        with_campaign_cells(DEFAULT_CELLS, CAMPAIGN, ["views"])


def test_the_claimable_metrics_in_their_order():
    assert CLAIMABLE == ("views", "clicks", "conversions")
