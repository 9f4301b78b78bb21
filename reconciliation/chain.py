"""How receipts are chained: a block's hash covers the hashes of its receipts, in their order, and the block before.

Whoever keeps the newest block's hash (the *head*) elsewhere can tell later whether anything below it was changed, left
out or put elsewhere: no block can be made anew without a new head.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from reconciliation.receipts import canonical, told_moment

FORMAT = 1
MAX_RECEIPTS = 10_000
"""Of one block."""
GENESIS = "0" * 64
"""What stands for the block before the first."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a block's hash is taken of."""

    number: int
    campaign: str
    day: date
    sealed_at: datetime
    previous_sha256: str
    count: int
    receipts_sha256: str

    def told(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "format": FORMAT,
            **asdict(self),
            "day": self.day.isoformat(),
            "sealed_at": told_moment(self.sealed_at),
        }

    @property
    def sha256(self) -> str:
        """The block's hash: of its canonical JSON."""
        return sha256(canonical(self.told())).hexdigest()


def digest_of(receipts: Iterable[str]) -> str:
    """The one hash of a block's receipts: of their hashes' bytes, one after the other. Raises ValueError for what is
    no hash."""
    return sha256(b"".join(map(bytes.fromhex, receipts))).hexdigest()
