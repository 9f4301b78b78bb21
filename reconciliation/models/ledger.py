"""The ledger: the receipts of verdicts, chained into blocks."""

from django.db import models
from django.db.models import Q

from campaigns.models import Campaign
from config.models import AppendOnly
from reconciliation.chain import MAX_RECEIPTS
from reconciliation.models.evidence import ReconciliationLog


class Block(AppendOnly):
    """The receipts of a campaign and a UTC day (or some of them), sealed at `created_at`. One chain goes through all
    blocks: each names the hash of the one before."""

    number = models.PositiveIntegerField(unique=True)
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="+")
    day = models.DateField(help_text="On which its verdicts came about, in UTC.")
    count = models.PositiveIntegerField(help_text="How many receipts it holds.")
    previous_sha256 = models.CharField("hash of the one before", max_length=64, unique=True)
    sha256 = models.CharField("hash", max_length=64, unique=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.CheckConstraint(condition=Q(number__gte=1), name="block_numbered_from_1"),
            models.CheckConstraint(condition=Q(count__gte=1, count__lte=MAX_RECEIPTS), name="block_count_bounds"),
        ]

    def __str__(self) -> str:
        return f"Block {self.number:,}"


class SealedReceipt(AppendOnly):
    """That a verdict's receipt is in a block: where, and with which hash."""

    block = models.ForeignKey(Block, models.PROTECT, related_name="receipts", db_index=False)
    position = models.PositiveIntegerField(help_text="Within the block, from 1.")
    verdict = models.OneToOneField(ReconciliationLog, models.PROTECT, related_name="sealed")
    sha256 = models.CharField("hash", max_length=64)

    class Meta:
        ordering = ["block", "position"]
        constraints = [models.UniqueConstraint(fields=["block", "position"], name="receipt_has_its_place")]

    def __str__(self) -> str:
        return f"Receipt {self.position:,} of {self.block}"
