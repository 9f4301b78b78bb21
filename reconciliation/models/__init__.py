"""What was claimed, what was found, what followed from it, and the work of looking."""

from reconciliation.models.discord import DiscordInteraction
from reconciliation.models.evidence import (
    AffiliateReport,
    PlatformReport,
    PlatformReportBody,
    PostState,
    ReconciliationLog,
    ReportEvidence,
    RuleSet,
)
from reconciliation.models.imports import Import, ImportPart, ImportRow
from reconciliation.models.trust import TrustEvent, TrustScore
from reconciliation.models.work import Job, Run, RunJob

__all__ = [
    "AffiliateReport",
    "DiscordInteraction",
    "Import",
    "ImportPart",
    "ImportRow",
    "Job",
    "PlatformReport",
    "PlatformReportBody",
    "PostState",
    "ReconciliationLog",
    "ReportEvidence",
    "RuleSet",
    "Run",
    "RunJob",
    "TrustEvent",
    "TrustScore",
]
