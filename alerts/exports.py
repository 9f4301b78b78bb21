"""The table of alerts as it is exported. Names of columns are stable: docs/api.md lists them."""

from config.tables.exporting import Export
from reconciliation.exports import MODE, POST

ALERTS = Export(
    "alerts",
    {
        "alert_id": "id",
        "kind": "kind",
        "severity": "severity",
        "status": "status",
        "summary": "summary",
        **POST,  # a second claimant's alert is about another affiliate's post: whose attempt it was, says the alert
        "campaign_id": "campaign_id",
        "campaign": "campaign__campaign_name",
        "affiliate_id": "affiliate_id",
        "affiliate": "affiliate__name",
        "verdict_id": "verdict_id",
        "money_at_risk": "verdict__money_at_risk",
        "currency": "verdict__currency",
        "created_at": "created_at",
        "acknowledged_at": "acknowledged_at",
        "acknowledged_by": "acknowledged_by__name",
        "resolved_at": "resolved_at",
        "resolved_by": "resolved_by__name",
        "resolution_note": "resolution_note",
        "updated_at": "updated_at",
        **MODE,
    },
)
