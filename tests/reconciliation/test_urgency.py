"""Which look goes first."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from reconciliation.models import Job
from reconciliation.urgency import Reason, outranked_by, urgent_at

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
H = timedelta(hours=1)
ALL = (Decimal("9e20"), Decimal(1_000_000), Decimal(5), None)


def test_of_looks_due_at_once_the_reason_decides_before_any_money():
    for reason in Reason:
        order = [urgent_at(reason, NOW, stake) for stake in ALL]
        assert order == sorted(order)
    for dearest, cheapest in pairwise(Reason):
        assert urgent_at(dearest, NOW) < urgent_at(cheapest, NOW, Decimal("9e20"))
    assert list(Reason) == [Reason(value) for value, _ in Job._meta.get_field("reason").choices]


@pytest.mark.parametrize("stake", ALL)
def test_what_waits_ages_and_nothing_waits_for_ever(stake):
    assert urgent_at(Reason.RECHECK, NOW - 8.01 * H, stake) < urgent_at(Reason.SUBMISSION, NOW)
    assert urgent_at(Reason.RECHECK, NOW - 6.9 * H, stake) > urgent_at(Reason.SUBMISSION, NOW)


@pytest.mark.parametrize(
    ("stake", "head_start_min"),
    [(None, 0), (Decimal(0), 0), (Decimal(9), 10), (Decimal(999), 30), (Decimal(999_999), 60), (Decimal("1e24"), 60)],
)
def test_ten_times_the_money_is_ten_minutes(stake, head_start_min):
    assert NOW - urgent_at(Reason.RECHECK, NOW, stake) == timedelta(minutes=head_start_min)


def test_claims_are_taken_as_they_came():
    assert urgent_at(Reason.SUBMISSION, NOW, Decimal(1_000_000)) == urgent_at(Reason.SUBMISSION, NOW)


def test_which_reasons_give_way():
    assert outranked_by(Reason.RECHECK) == []
    assert outranked_by(Reason.SECOND_LOOK) == [Reason.RECHECK]
    assert set(outranked_by(Reason.SUBMISSION)) == set(Reason) - {Reason.SUBMISSION}
