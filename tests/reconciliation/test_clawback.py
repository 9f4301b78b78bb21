"""What is suggested about an affiliate who over-claims: a table of accounts at the edges."""

from decimal import Decimal

import pytest

from reconciliation.clawback import Account, suggest


def _account(worth: str | None, over: str | None, trust: str | None = None, **rest: int) -> Account:
    counts = {"posts": 10, "high": 0, "medium": 1, "invalid": 0, "outcomes": 0} | rest
    known = [None if each is None else Decimal(each) for each in (worth, over, trust)]
    return Account(currency="USD", worth_claimed=known[0], over_claimed=known[1], trust_score=known[2], **counts)


@pytest.mark.parametrize(
    ("account", "action", "figures"),
    [
        # an unknown amount is not nothing
        (_account(None, None), "ignore", ["No amount is known", "10 posts,"]),
        (_account("0.00", "0.00"), "ignore", ["No amount is known"]),
        (_account("100.00", None, posts=1, high=1), "reduce", ["No amount is known", "1 post, 1 HIGH or invalid"]),
        (_account(None, None, posts=2, invalid=2), "reduce", ["2 posts, 2 HIGH or invalid"]),
        # a small amount, however large its share
        (_account("5.00", "4.99", high=1), "ignore", ["4.99 of 5.00 USD", "less than 5.00 USD"]),
        (_account("50.00", "5.00", high=1), "reduce", ["5.00 of 50.00 USD", "10.00 %", "worth 45.00 USD"]),
        # over-claims without a price are not nothing either
        (_account("33.28", "1.88", high=1, unpriced=1), "reduce", ["1.88 of 33.28", "1 over-claim no amount"]),
        (_account("33.28", "1.88", unpriced=1), "ignore", ["less than 5.00 USD"]),
        (
            _account("100.00", "9.00", high=1, unpriced=2),
            "reduce",
            ["2 over-claims no amount", "what is verified"],
        ),
        # a small share, unless a claim is far off
        (_account("1000.00", "49.99"), "ignore", ["49.99 of 1,000.00 USD", "4.99 %", "less than 5 %", "10 posts"]),
        (_account("1000.00", "50.00"), "reduce", ["5.00 %", "0 HIGH and 1 MEDIUM", "worth 950.00 USD"]),
        (_account("1000.00", "49.99", high=1), "reduce", ["1 HIGH"]),
        (_account("1000.00", "49.99", invalid=1), "reduce", ["worth 950.01 USD"]),
        # a large share
        (_account("1000.00", "199.99", high=2), "reduce", ["19.99 %", "2 HIGH"]),
        (_account("1000.00", "200.00", high=2), "claw_back", ["200.00 of 1,000.00 USD", "20 % or more"]),
        (_account("10.00", "30.00", high=2), "claw_back", ["100.00 %"]),  # rates were lowered since
        # low trust, known well enough
        (
            _account("1000.00", "60.00", high=1, trust="0.4999", outcomes=10),
            "claw_back",
            ["1 of 10 posts", "0.4999 from 10"],
        ),
        (_account("1000.00", "60.00", high=1, trust="0.5000", outcomes=10), "reduce", []),
        (_account("1000.00", "60.00", high=1, trust="0.1000", outcomes=9), "reduce", []),
        (_account("1000.00", "60.00", trust="0.1000", outcomes=10), "reduce", []),
        # ... and again and again
        (
            _account("1000.00", "60.00", high=3, trust="0.4999", outcomes=10),
            "suspend",
            ["3 of 10 posts", "0.4999 from 10"],
        ),
        (_account("1000.00", "60.00", high=1, invalid=2, trust="0.2", outcomes=10), "suspend", ["3 of 10 posts are"]),
        (_account(None, None, invalid=3, trust="0.2", outcomes=10), "suspend", []),
        (_account("1000.00", "1.00", high=3, trust="0.2", outcomes=10), "suspend", []),
        (_account("1000.00", "900.00", high=9, trust="0.2", outcomes=9), "claw_back", ["90.00 %"]),
        (_account("1000.00", "900.00", high=9, trust="0.5", outcomes=500), "claw_back", []),
    ],
)
def test_the_action_follows_from_amount_share_trust_and_history(account, action, figures):
    suggestion = suggest(account)
    assert suggestion.action == action
    assert [figure for figure in figures if figure not in suggestion.sentence] == []
