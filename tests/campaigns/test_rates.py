"""What figures are worth."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.rates import Rates, worth


@pytest.mark.parametrize(
    ("quantities", "rates", "amount"),
    [
        ({"views": 1000}, Rates(per_1000_views=Decimal(10)), "10.00"),
        ({"views": 1}, Rates(per_1000_views=Decimal(10)), "0.01"),
        ({"views": 1}, Rates(per_1000_views=Decimal(5)), "0.00"),  # 0.005: half to even, down
        ({"views": 3}, Rates(per_1000_views=Decimal(5)), "0.02"),  # 0.015: half to even, up
        ({"views": 100, "clicks": 3, "conversions": 2}, Rates(Decimal(1), Decimal("0.5"), Decimal(7)), "15.60"),
        ({"views": 100, "clicks": 3}, Rates(per_click=Decimal("0.5")), "1.50"),
        ({"clicks": 0}, Rates(per_click=Decimal("0.5")), "0.00"),
        ({"views": 2**53 - 1}, Rates(per_1000_views=Decimal("99999999.9999")), "900719925473198380074.53"),
        ({"views": 100}, Rates(per_click=Decimal("0.5")), None),
        ({"views": 100}, Rates(), None),
        ({}, Rates(Decimal(1), Decimal(1), Decimal(1)), None),
    ],
)
def test_quantities_are_priced_exactly_and_rounded_once(quantities, rates, amount):
    priced = worth(quantities, rates)
    assert (None if priced is None else str(priced)) == amount


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.decimals(0, 10**6, places=4))
def test_more_is_never_worth_less(some, more, rate):
    rates = Rates(per_1000_views=rate)
    assert worth({"views": some + more}, rates) >= worth({"views": some}, rates)
