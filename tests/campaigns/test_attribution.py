"""Whose sale is it: the cases of the module's docstring, and what holds for all."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.attribution import CLOCK_SKEW, Attribution, Unattributed, Visit, by_click, by_link
from tests.factories import TODAY

LINK = UUID(int=1)


def visit(before_sale: timedelta, number: int = 7) -> Visit:
    return Visit(UUID(int=number), LINK, TODAY - before_sale)


@pytest.mark.parametrize(
    ("before_sale", "reason"),
    [
        (timedelta(0), None),
        (timedelta(minutes=3), None),
        (timedelta(days=30), None),
        (timedelta(days=30, microseconds=1), Unattributed.CLICK_TOO_OLD),
        (timedelta(days=400), Unattributed.CLICK_TOO_OLD),
        (-CLOCK_SKEW, None),
        (-CLOCK_SKEW - timedelta(microseconds=1), Unattributed.CLICK_AFTER_SALE),
        (-timedelta(days=1), Unattributed.CLICK_AFTER_SALE),
    ],
)
def test_a_named_click_has_the_sale_within_the_window(before_sale, reason):
    named = visit(before_sale)
    expected = Attribution(None, reason) if reason else Attribution(named)
    assert by_click(named, sold_at=TODAY, window_days=30) == expected


@pytest.mark.parametrize(
    ("hours_before", "expected"),
    [
        ([], None),
        ([1], 0),
        ([5, 1, 3], 1),
        ([1, -1], 0),
        ([-1], None),
        ([25], None),
        ([24, 25], 0),
    ],
)
def test_a_named_link_has_the_sale_by_its_last_click_inside_the_window(hours_before, expected):
    visits = [visit(timedelta(hours=hours), number) for number, hours in enumerate(hours_before)]
    found = by_link(visits, sold_at=TODAY, window_days=1)
    if expected is None:
        assert found == Attribution(None, Unattributed.NO_CLICK)
    else:
        assert found == Attribution(visits[expected])


@given(
    minutes=st.lists(st.integers(-3_000, 500_000), max_size=30),
    days=st.integers(1, 366),
    data=st.randoms(use_true_random=False),
)
def test_the_order_of_clicks_changes_nothing_and_no_later_one_was_passed_over(minutes, days, data):
    visits = [visit(timedelta(minutes=m), number) for number, m in enumerate(minutes)]
    found = by_link(visits, sold_at=TODAY, window_days=days)
    data.shuffle(visits)
    assert by_link(visits, sold_at=TODAY, window_days=days) == found
    inside = [v for v in visits if -timedelta(days=days) <= v.at - TODAY <= CLOCK_SKEW]
    assert (found.visit is None) == (not inside)
    if found.visit:
        assert found.visit in inside
        assert all(v.at <= found.visit.at for v in inside)
