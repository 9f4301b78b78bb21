"""Sealing: the receipts of a campaign and a UTC day that is over are chained into blocks.

Each block is a transaction of its own, one at a time over the whole installation. Sealing again adds what is not in a
block yet, and else nothing: verdicts that were committed late come into a further block.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from config import clock
from config.bulk import copy_rows, read_rows
from config.ids import new_id
from config.locks import take_turn
from config.memory import collector_at_rest
from config.queue import enqueue
from reconciliation.chain import GENESIS, MAX_RECEIPTS, Header, digest_of
from reconciliation.models import Block, SealedReceipt
from reconciliation.receipts import digest
from reconciliation.services.recorded import Recording

OVER_FOR = timedelta(minutes=5)
"""How long a day has to be over: what came about on it is committed by then, but for what is late."""
TIME_BUDGET_S = 10.0
"""Of one task: a block takes a second or so."""
PAGE = 2_000
"""Receipts that are in memory at once."""


def head() -> Block | None:
    """The newest block, whose hash stands for all of them."""
    return Block.objects.order_by("-number").first()


def open_day() -> date:
    """The first day that can't be sealed yet."""
    return (clock.now() - OVER_FOR).astimezone(UTC).date()


def start_of(day: date) -> datetime:
    """When a UTC day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def seal(*, day: date | None = None) -> Iterator[Block]:
    """Seal what came about on this day, or on all days that are over: each block is committed when it is given."""
    for campaign, on in _unsealed(day):
        after: tuple[datetime, UUID] | None = None
        while sealed := _seal_block(campaign, on, after):
            block, after = sealed
            yield block


def seal_for_a_while() -> None:
    """Seal what there is to seal; what is left after TIME_BUDGET_S is for another task."""
    started = time.monotonic()
    for _ in seal():
        if time.monotonic() - started > TIME_BUDGET_S:
            enqueue("reconciliation.tasks.seal")
            return


def _unsealed(day: date | None) -> list[tuple[UUID, date]]:
    """The campaigns and days that have verdicts in no block, the oldest day first."""
    until = start_of(open_day())
    since, until = (start_of(day), min(until, start_of(day) + timedelta(days=1))) if day else (None, until)
    rows = read_rows(
        """
        SELECT DISTINCT (verdict.processed_at AT TIME ZONE 'UTC')::date AS day, post.campaign_id
        FROM reconciliation_reconciliationlog verdict
        JOIN campaigns_post post ON post.id = verdict.post_id
        WHERE verdict.processed_at < %(until)s
            AND (%(since)s::timestamptz IS NULL OR verdict.processed_at >= %(since)s)
            AND NOT EXISTS (SELECT FROM reconciliation_sealedreceipt WHERE verdict_id = verdict.id)
        ORDER BY day, post.campaign_id
        """,
        {"since": since, "until": until},
    )
    return [(campaign, on) for on, campaign in rows]


@transaction.atomic
def _seal_block(
    campaign: UUID, day: date, after: tuple[datetime, UUID] | None
) -> tuple[Block, tuple[datetime, UUID]] | None:
    """The next block of a campaign and day, and its last verdict; None where there is nothing left to seal."""
    take_turn("ledger")
    verdicts = read_rows(
        """
        SELECT verdict.processed_at, verdict.id FROM reconciliation_reconciliationlog verdict
        JOIN campaigns_post post ON post.id = verdict.post_id
        WHERE post.campaign_id = %(campaign)s AND verdict.processed_at >= %(start)s AND verdict.processed_at < %(end)s
            AND (verdict.processed_at, verdict.id) > (%(moment)s, %(after)s)
            AND NOT EXISTS (SELECT FROM reconciliation_sealedreceipt WHERE verdict_id = verdict.id)
        ORDER BY verdict.processed_at, verdict.id LIMIT %(limit)s
        """,
        {
            "campaign": campaign,
            "start": start_of(day),
            "end": start_of(day) + timedelta(days=1),
            "moment": after[0] if after else start_of(day),
            "after": after[1] if after else UUID(int=0),
            "limit": MAX_RECEIPTS,
        },
    )
    if not verdicts:
        return None
    ids = [verdict_id for _, verdict_id in verdicts]
    hashes = _hashes(ids)
    before, now = head(), clock.now()
    block = Block(
        created_at=now,
        number=before.number + 1 if before else 1,
        campaign_id=campaign,
        day=day,
        count=len(ids),
        previous_sha256=before.sha256 if before else GENESIS,
    )
    block.sha256 = header_of(block, hashes).sha256
    block.save()
    rows = enumerate(zip(ids, hashes, strict=True), start=1)
    copy_rows(
        SealedReceipt,
        ("id", "created_at", "block", "position", "verdict", "sha256"),
        ((new_id(), now, block.pk, position, verdict_id, sha256) for position, (verdict_id, sha256) in rows),
    )
    return block, verdicts[-1]


@collector_at_rest()
def _hashes(verdict_ids: list[UUID]) -> list[str]:
    recording, hashes = Recording(), []
    for start in range(0, len(verdict_ids), PAGE):
        page = verdict_ids[start : start + PAGE]
        receipts = recording.receipts(page)
        hashes += [digest(receipts[verdict_id]) for verdict_id in page]
    return hashes


def exported() -> Iterator[dict[str, Any]]:
    """All blocks, oldest first, each as what its hash is taken of, with that hash and those of its receipts."""
    for block in Block.objects.order_by("number").iterator(chunk_size=100):
        receipts = list(block.receipts.order_by("position").values_list("sha256", flat=True))
        yield {**header_of(block, receipts).told(), "sha256": block.sha256, "receipts": receipts}


def header_of(block: Block, receipts: Sequence[str]) -> Header:
    """What a block's hash is taken of, with these hashes of its receipts. Raises ValueError for what is no hash."""
    return Header(
        block.number,
        str(block.campaign_id),
        block.day,
        block.created_at,
        block.previous_sha256,
        block.count,
        digest_of(receipts),
    )
