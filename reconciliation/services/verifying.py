"""Verifying the ledger: every verdict is derived again from its receipt, and every block and the chain are checked.

What is recorded is trusted in nothing: each row is read anew, its receipt made and hashed, its inputs judged again. A
page of receipts is in memory at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from typing import Any
from uuid import UUID

from campaigns.models import Campaign
from config.bulk import read_rows
from config.memory import collector_at_rest
from reconciliation.chain import GENESIS
from reconciliation.models import Block, ReconciliationLog
from reconciliation.receipts import Receipt, differences, digest, is_derivable
from reconciliation.services.recorded import Recording
from reconciliation.services.sealing import header_of, open_day, start_of

PAGE = 2_000
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What is raised for what judging can't have left."""
_FIRST = UUID(int=0)


@dataclass(slots=True)
class Checked:
    """What a page came to: how many verdicts were checked, and each thing that is wrong, in words.

    `underivable` of them are from before their terms were kept: only their hash was checked. `unsealed` of them are of
    days that are over, and in no block.
    """

    verdicts: int = 0
    underivable: int = 0
    unsealed: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Selection:
    """Whose verdicts are derived again: a campaign's, and those of a UTC day and later. The chain is checked whole."""

    campaign: Campaign | None = None
    since: date | None = None

    def verdicts(self) -> int:
        """How many that are."""
        found = ReconciliationLog.objects.all()
        if self.campaign:
            found = found.filter(post__campaign=self.campaign)
        if self.since:
            found = found.filter(processed_at__gte=start_of(self.since))
        return found.count()

    def has(self, block: Block) -> bool:
        """Whether a block's verdicts are among them."""
        is_campaigns = self.campaign is None or block.campaign_id == self.campaign.pk
        return is_campaigns and (self.since is None or block.day >= self.since)


def verify(*, selection: Selection, head: str = "") -> Iterator[Checked]:
    """Check what is in no block, then the blocks, oldest first, and that `head`, the hash of a block that was kept
    elsewhere, is the chain's: a page at a time."""
    recording = Recording()
    yield from _unsealed(recording, selection)
    yield from _blocks(recording, selection)
    yield Checked(faults=[*_orphans(), *_headless(head)])


# --- Verdicts in no block


def _unsealed(recording: Recording, selection: Selection) -> Iterator[Checked]:
    after, today = _FIRST, open_day()
    while page := _unsealed_page(selection, after):
        with collector_at_rest():
            checked = Checked(len(page))
            receipts = recording.receipts([pk for pk, _ in page])
            for pk, processed_at in page:
                checked.unsealed += processed_at.astimezone(UTC).date() < today
                _derive(receipts[pk], f"verdict {pk} (in no block)", checked)
        yield checked
        after = page[-1][0]


def _unsealed_page(selection: Selection, after: UUID) -> list[tuple[Any, ...]]:
    return read_rows(
        """
        SELECT verdict.id, verdict.processed_at FROM reconciliation_reconciliationlog verdict
        WHERE verdict.id > %(after)s
            AND NOT EXISTS (SELECT FROM reconciliation_sealedreceipt WHERE verdict_id = verdict.id)
            AND (%(since)s::timestamptz IS NULL OR verdict.processed_at >= %(since)s)
            AND (%(campaign)s::uuid IS NULL OR EXISTS (
                SELECT FROM campaigns_post WHERE id = verdict.post_id AND campaign_id = %(campaign)s
            ))
        ORDER BY verdict.id LIMIT %(limit)s
        """,
        {
            "after": after,
            "since": selection.since and start_of(selection.since),
            "campaign": selection.campaign.pk if selection.campaign else None,
            "limit": PAGE,
        },
    )


# --- Blocks

_Place = tuple[tuple[str, str], int]
"""What the order of a block goes by, and the position."""


def _blocks(recording: Recording, selection: Selection) -> Iterator[Checked]:
    number, previous = 0, GENESIS
    while block := Block.objects.filter(number__gt=number).order_by("number").first():
        faults = []
        if block.number != number + 1:
            gone = _span("Block", number + 1, block.number - 1)
            faults.append(f"{gone}: the chain is broken before {_block(block)}.")
        elif block.previous_sha256 != previous:
            faults.append(f"The chain is broken: {_block(block)} does not follow the block before it.")
        yield Checked(faults=faults)
        yield from _block_content(recording, block, derives=selection.has(block))
        number, previous = block.number, block.sha256


def _block_content(recording: Recording, block: Block, *, derives: bool) -> Iterator[Checked]:
    hashes: list[str] = []
    last: _Place | None = None
    expected = 1
    while page := _sealed_page(block, expected - 1):
        with collector_at_rest():
            checked = Checked(len(page) if derives else 0)
            receipts = recording.receipts([pk for _, pk, _ in page]) if derives else {}
            for position, pk, sha256 in page:
                if position != expected:
                    gone = _span("position", expected, position - 1)
                    checked.faults.append(f"Missing row: of {_block(block)}, {gone}.")
                hashes.append(sha256)
                expected = position + 1
                if derives:
                    last = _sealed(block, position, pk, sha256, receipts.get(pk), last, checked)
        yield checked
    yield Checked(faults=_sums(block, expected - 1, hashes))


def _sealed_page(block: Block, after: int) -> list[tuple[Any, ...]]:
    return read_rows(
        """
        SELECT position, verdict_id, sha256 FROM reconciliation_sealedreceipt
        WHERE block_id = %s AND position > %s ORDER BY position LIMIT %s
        """,
        [block.pk, after, PAGE],
    )


def _sealed(
    block: Block,
    position: int,
    pk: UUID,
    sha256: str,
    receipt: Receipt | None,
    last: _Place | None,
    checked: Checked,
) -> _Place | None:
    """Check one receipt of a block; returns where it stands in the block's order, for the next one."""
    where = f"verdict {pk} ({_block(block)}, position {position:,})"
    if receipt is None:
        checked.faults.append(f"Missing row: {where} is gone.")
        return last
    outcome, campaign = receipt["outcome"], receipt["inputs"]["campaign_id"]
    order = outcome["processed_at"], outcome["id"]
    if last and order <= last[0]:
        checked.faults.append(f"Re-ordered rows: {where} came about before the one at position {last[1]:,}.")
    if campaign != str(block.campaign_id) or outcome["processed_at"][:10] != block.day.isoformat():
        checked.faults.append(f"Misplaced row: {where} is of another campaign or day than its block.")
    if _digest(receipt) != sha256:
        missing = [name for name in ("claim", "snapshot") if receipt["inputs"][name]["id"] is None]
        gone = f" Its {' and its '.join(missing)} is gone." if missing else ""
        checked.faults.append(f"Changed receipt: {where} is not what was sealed.{gone}")
    _derive(receipt, where, checked)
    return order, position


def _digest(receipt: Receipt) -> str:
    try:
        return digest(receipt)
    except _UNREADABLE:
        return ""  # JSON that can't be written: nothing of ours


def _derive(receipt: Receipt, where: str, checked: Checked) -> None:
    """Judge a verdict's inputs again."""
    if not is_derivable(receipt):
        checked.underivable += 1
        return
    try:
        changed = differences(receipt)
    except _UNREADABLE as error:
        checked.faults.append(f"Not derivable: {where}: its inputs can't be judged ({type(error).__name__}: {error}).")
        return
    if changed:
        told = "; ".join(f"{name}: {stands} → {derived}" for name, (stands, derived) in changed.items())
        checked.faults.append(f"Otherwise: {where} does not follow from its inputs ({told}).")


def _sums(block: Block, last: int, hashes: Sequence[str]) -> list[str]:
    if last != block.count:
        return [f"Missing row: {_block(block)} has {len(hashes):,} rows, and was sealed with {block.count:,}."]
    try:
        is_whole = header_of(block, hashes).sha256 == block.sha256
    except ValueError:
        is_whole = False  # one of them is no hash
    changed = "its hash is not that of its rows: it, or the hash, place or number of one of its rows, was changed"
    return [] if is_whole else [f"Changed block: {_block(block)}: {changed}."]


def _orphans() -> list[str]:
    rows = read_rows(
        """
        SELECT block_id, count(*) FROM reconciliation_sealedreceipt sealed
        WHERE NOT EXISTS (SELECT FROM reconciliation_block WHERE id = sealed.block_id) GROUP BY block_id
        """,
        [],
    )
    return [f"Missing block: {count:,} rows are of block {pk}, which is gone." for pk, count in rows]


def _headless(head: str) -> list[str]:
    if not head or Block.objects.filter(sha256=head).exists():
        return []
    return [f"Another chain: no block has the hash {head}."]


def _block(block: Block) -> str:
    return f"block {block.number:,}"


def _span(what: str, first: int, last: int) -> str:
    return f"{what} {first:,} is missing" if first == last else f"{what}s {first:,} to {last:,} are missing"
