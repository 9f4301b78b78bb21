"""What was claimed, what was found, what followed from it, and the work of looking."""

from reconciliation.models.deciding import Dispute, DisputeText, Override, OverrideNote
from reconciliation.models.discord import DiscordInteraction
from reconciliation.models.evidence import (
    AffiliateReport,
    ClaimWithdrawal,
    PlatformReport,
    PlatformReportBody,
    ReconciliationLog,
    ReportEvidence,
    RuleSet,
)
from reconciliation.models.imports import Import, ImportPart, ImportRow
from reconciliation.models.ledger import Block, SealedReceipt
from reconciliation.models.quality import Finding, Unexamined, UsualViews
from reconciliation.models.standing import AffiliateRollUp, DayRollUp, PostState
from reconciliation.models.trust import PlatformTrust, TrustEvent, TrustScore
from reconciliation.models.work import Heartbeat, Job, Run, RunJob

__all__ = [
    "AffiliateReport",
    "AffiliateRollUp",
    "Block",
    "ClaimWithdrawal",
    "DayRollUp",
    "DiscordInteraction",
    "Dispute",
    "DisputeText",
    "Finding",
    "Heartbeat",
    "Import",
    "ImportPart",
    "ImportRow",
    "Job",
    "Override",
    "OverrideNote",
    "PlatformReport",
    "PlatformReportBody",
    "PlatformTrust",
    "PostState",
    "ReconciliationLog",
    "ReportEvidence",
    "RuleSet",
    "Run",
    "RunJob",
    "SealedReceipt",
    "TrustEvent",
    "TrustScore",
    "Unexamined",
    "UsualViews",
]
