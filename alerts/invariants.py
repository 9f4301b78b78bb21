"""What always holds of alerts."""

from config.invariants import Invariant

INVARIANTS = (
    Invariant(
        "An over-claim's alert is that of a counted MEDIUM or HIGH discrepancy, for the same post",
        """
        SELECT alert.id FROM alerts_alert alert
        JOIN campaigns_post post ON post.id = alert.post_id
        LEFT JOIN reconciliation_reconciliationlog verdict ON verdict.id = alert.verdict_id
            AND verdict.post_id = alert.post_id AND verdict.next_look_at IS NULL AND verdict.status = 'DISCREPANCY'
            AND verdict.discrepancy_level IN ('MEDIUM', 'HIGH')
        WHERE alert.campaign_id <> post.campaign_id
            OR alert.kind = 'over_claim' AND (verdict.id IS NULL OR alert.affiliate_id <> post.affiliate_id)
        """,
    ),
    Invariant(
        "Each counted MEDIUM or HIGH discrepancy has its alert soon",
        """
        SELECT verdict.id FROM reconciliation_reconciliationlog verdict
        WHERE verdict.next_look_at IS NULL AND verdict.status = 'DISCREPANCY'
            AND verdict.discrepancy_level IN ('MEDIUM', 'HIGH') AND verdict.processed_at < %(late)s
            AND NOT EXISTS (SELECT FROM alerts_alert alert WHERE alert.verdict_id = verdict.id)
        """,
    ),
    Invariant(
        "Two affiliates who claim one content are an alert soon",
        """
        SELECT event.id FROM affiliates_auditevent event
        WHERE event.action IN ('claim.refused_second_claimant', 'post.displaced') AND event.created_at < %(late)s
            AND NOT EXISTS (
                SELECT FROM alerts_alert alert
                WHERE alert.kind = 'second_claimant' AND alert.post_id = event.object_id
                    AND alert.affiliate_id = (event.changes ->> 'affiliate')::uuid
            )
        """,
    ),
    Invariant(
        "An alert that somebody acknowledged or resolved says who and when, and has an event that says so",
        """
        SELECT alert.id FROM alerts_alert alert
        CROSS JOIN LATERAL (VALUES
            ('alert.acknowledged', alert.acknowledged_at, alert.acknowledged_by_id, alert.status = 'acknowledged'),
            ('alert.resolved', alert.resolved_at, alert.resolved_by_id, alert.status = 'resolved')
        ) AS change (action, at, by_id, must_be)
        WHERE (change.must_be OR change.at IS NOT NULL) AND (
            change.at IS NULL OR change.by_id IS NULL OR NOT EXISTS (
                SELECT FROM affiliates_auditevent event
                WHERE event.object_id = alert.id AND event.action = change.action
            )
        )
        """,
    ),
)
