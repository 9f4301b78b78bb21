"""Which of the looks that are due is taken first: one moment for each, and the earliest goes first.

That moment is when the look is due, less a head start. The head start is the reason's, plus up to an hour for the money
at stake, on a logarithmic scale: ten times the money is a sixth of the way. So a claim goes before a re-check that has
been due for less than eight hours, and after one that has waited longer: what waits ages by itself, and nothing waits
for ever. Money decides among looks of one reason and never makes one of a lower reason that is due at the same time
overtake. Claims are taken in the order in which they came.

The amount is taken as it stands, whatever its currency: this decides an order and no payment.
"""

import math
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum


class Reason(StrEnum):
    """Why a post is looked at."""

    SUBMISSION = "submission"
    DISPUTE = "dispute"
    TRACKING = "tracking"
    MANUAL = "manual"
    SECOND_LOOK = "second_look"
    RECHECK = "recheck"


HEAD_START = {
    Reason.SUBMISSION: timedelta(hours=8),
    Reason.DISPUTE: timedelta(hours=6, minutes=30),
    Reason.TRACKING: timedelta(hours=5),
    Reason.MANUAL: timedelta(hours=3, minutes=30),
    Reason.SECOND_LOOK: timedelta(hours=2),
    Reason.RECHECK: timedelta(),
}
STAKE_HEAD_START = timedelta(hours=1)
FULL_STAKE_DIGITS = 6
"""A million, in whatever currency, has the whole of it."""


def urgent_at(reason: Reason, due_at: datetime, at_stake: Decimal | None = None) -> datetime:
    """The moment by which a look is ordered; never later than it is due. `at_stake`: None where nobody knows."""
    head_start = HEAD_START[reason]
    if at_stake and reason != Reason.SUBMISSION:
        head_start += min(math.log10(1 + float(at_stake)) / FULL_STAKE_DIGITS, 1.0) * STAKE_HEAD_START
    return due_at - head_start


def outranked_by(reason: Reason) -> list[Reason]:
    """The reasons that give way to this one where a look is wanted for both."""
    return [each for each in Reason if HEAD_START[each] < HEAD_START[reason]]
