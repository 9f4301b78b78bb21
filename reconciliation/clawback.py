"""What to do about an affiliate who over-claims in a campaign: a suggestion to people, which does nothing by itself.

Held against each other are what was claimed and judged, and what of it is over what was counted, both at the
campaign's rates and in its currency. The first that holds is suggested:

- `suspend`: trust is low on enough outcomes, and several claims are far off or impossible. More claims would likely be
  no better, however little these would cost.
- `ignore`: it is a small amount; or, with nothing HIGH or invalid, a small share, or an amount that nobody knows.
- `claw_back`: the account as a whole is as far off as a HIGH claim, or trust is low on enough outcomes and a claim is
  HIGH. What was paid above the verified part is asked back.
- `reduce`: everything else. The verified part is paid.
"""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum

SMALL_AMOUNT = Decimal("5.00")
"""Asking for less costs more than it brings. It holds for every currency; of one whose unit is worth little, the share
tells."""
SMALL_SHARE = Decimal("0.05")
"""By default a claim that is over by less is LOW and counts as accurate: what holds of one holds of all together."""
LARGE_SHARE = Decimal("0.20")
"""Not of the truth but of what was claimed: more than the default's HIGH."""
LOW_TRUST = Decimal("0.5000")
"""Below it, most of what counts was inaccurate; where trust goes by events, it is below where everybody starts."""
ENOUGH_OUTCOMES = 10
"""Fewer tell too little: with 4 accurate of 9, anything from 19 to 73 % is likely."""
REPEATED = 3
"""One may be a slip and two a misunderstanding."""


class Action(StrEnum):
    """What is suggested."""

    IGNORE = "ignore"
    REDUCE = "reduce"
    CLAW_BACK = "claw_back"
    SUSPEND = "suspend"


@dataclass(frozen=True, slots=True)
class Account:
    """How an affiliate stands in a campaign: posts that stand, by their current verdicts.

    `worth_claimed` is what their judged figures would cost, `over_claimed` what of it is at risk; None where nobody
    knows, as without a rate. `trust_score` is of all campaigns and rests on so many `outcomes`; None where nothing
    counts yet.
    """

    currency: str
    worth_claimed: Decimal | None
    over_claimed: Decimal | None
    posts: int
    high: int
    medium: int
    invalid: int
    trust_score: Decimal | None
    outcomes: int
    unpriced: int = 0
    """Over-claims above a limit of which nobody knows what they cost."""

    @property
    def share(self) -> Decimal | None:
        """What part of the worth is over-claimed, from 0 to 1, four places, rounded down so that it is on the
        right side of a limit; None where either is unknown.

        Rates may have changed since a verdict priced its gap, so that the part would exceed the whole: it is 1 then.
        """
        if self.over_claimed is None or not self.worth_claimed:
            return None
        return min(self.over_claimed / self.worth_claimed, Decimal(1)).quantize(Decimal("0.0001"), ROUND_DOWN)

    @property
    def share_pct(self) -> Decimal | None:
        """The same in percentage points."""
        return None if self.share is None else self.share * 100

    @property
    def is_distrusted(self) -> bool:
        """Whether trust is low, and known well enough to say so."""
        return self.trust_score is not None and self.trust_score < LOW_TRUST and self.outcomes >= ENOUGH_OUTCOMES


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An action, and one sentence with the figures that it rests on."""

    action: Action
    sentence: str


def suggest(account: Account) -> Suggestion:
    """What to do about this account, in which something is over-claimed or invalid."""
    over, worth, share = account.over_claimed, account.worth_claimed, account.share
    serious = account.high + account.invalid
    posts = f"{account.posts:,} {'post' if account.posts == 1 else 'posts'}"
    trust = f"trust is {account.trust_score} from {account.outcomes:,}" if account.is_distrusted else ""
    if trust and serious >= REPEATED:
        return Suggestion(Action.SUSPEND, f"{serious:,} of {posts} are HIGH or invalid, and {trust} outcomes.")
    if over is None or worth is None or share is None:
        unpriced = f"No amount is known for what was over-claimed on {posts}"
        if serious:
            return Suggestion(Action.REDUCE, f"{unpriced}, {serious:,} HIGH or invalid: pay only what is verified.")
        return Suggestion(Action.IGNORE, f"{unpriced}, and nothing is HIGH or invalid.")
    gap = f"{over:,} of {worth:,} {account.currency} claimed is over what was counted ({share * 100:.2f} %)"
    if account.unpriced and serious and over < SMALL_AMOUNT:
        return Suggestion(Action.REDUCE, f"{gap}, and {_unpriced(account)}: pay only what is verified.")
    if over < SMALL_AMOUNT:
        return Suggestion(Action.IGNORE, f"{gap}, which is less than {SMALL_AMOUNT} {account.currency}.")
    if share < SMALL_SHARE and not serious:
        return Suggestion(
            Action.IGNORE, f"{gap}, which is less than {SMALL_SHARE * 100:.0f} %, with no HIGH among {posts}."
        )
    if trust and account.high:
        return Suggestion(Action.CLAW_BACK, f"{gap}, {account.high:,} of {posts} HIGH, and {trust} outcomes.")
    if share >= LARGE_SHARE:
        return Suggestion(Action.CLAW_BACK, f"{gap}, which is {LARGE_SHARE * 100:.0f} % or more on {posts} together.")
    levels = f"{account.high:,} HIGH and {account.medium:,} MEDIUM among {posts}"
    if account.unpriced:
        return Suggestion(Action.REDUCE, f"{gap}, {levels}, and {_unpriced(account)}: pay only what is verified.")
    verified = f"{max(worth - over, Decimal(0)):,} {account.currency}"
    return Suggestion(Action.REDUCE, f"{gap}, {levels}; the verified part is worth {verified}.")


def _unpriced(account: Account) -> str:
    return f"of {account.unpriced:,} {'over-claim' if account.unpriced == 1 else 'over-claims'} no amount is known"
