"""What always holds of alerts."""

from config.invariants import Invariant

_SAID = """
    SELECT verdict.id, verdict.post_id, said.at,
        said.number = max(said.number) OVER (PARTITION BY verdict.id) AS holds,
        said.status = 'DISCREPANCY' AND said.discrepancy_level IN ('MEDIUM', 'HIGH') AS accuses
    FROM reconciliation_reconciliationlog verdict
    JOIN (
        SELECT id AS verdict_id, 0 AS number, status, discrepancy_level, processed_at AS at
        FROM reconciliation_reconciliationlog
        UNION ALL
        SELECT verdict_id, number, status, discrepancy_level, created_at FROM reconciliation_override
    ) said ON said.verdict_id = verdict.id
    WHERE verdict.next_look_at IS NULL
"""
"""What counted verdicts said, and what was decided of them after that; the last of it holds."""

INVARIANTS = (
    Invariant(
        "An over-claim's alert is that of a counted verdict, for the same post, that said MEDIUM or HIGH at some time",
        f"""
        SELECT alert.id FROM alerts_alert alert
        JOIN campaigns_post post ON post.id = alert.post_id
        WHERE alert.campaign_id <> post.campaign_id OR alert.kind = 'over_claim' AND (
            alert.affiliate_id <> post.affiliate_id OR NOT EXISTS (
                SELECT FROM ({_SAID}) said
                WHERE said.id = alert.verdict_id AND said.post_id = alert.post_id AND said.accuses
            )
        )
        """,
    ),
    Invariant(
        "Each counted MEDIUM or HIGH discrepancy has its alert soon",
        f"""
        SELECT said.id FROM ({_SAID}) said
        WHERE said.holds AND said.accuses AND said.at < %(late)s
            AND NOT EXISTS (SELECT FROM alerts_alert alert WHERE alert.verdict_id = said.id)
        """,
    ),
    Invariant(
        "The alert of an over-claim that was decided to be none is resolved soon",
        f"""
        SELECT alert.id FROM alerts_alert alert JOIN ({_SAID}) said ON said.id = alert.verdict_id
        WHERE said.holds AND NOT said.accuses AND said.at < %(late)s AND alert.status <> 'resolved'
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
        "An alert that somebody acknowledged or resolved says who (but silence is nobody) and when, and has its event",
        """
        SELECT alert.id FROM alerts_alert alert
        CROSS JOIN LATERAL (VALUES
            ('alert.acknowledged', alert.acknowledged_at, alert.acknowledged_by_id, alert.status = 'acknowledged'),
            ('alert.resolved', alert.resolved_at, alert.resolved_by_id, alert.status = 'resolved')
        ) AS change (action, at, by_id, must_be)
        WHERE (change.must_be OR change.at IS NOT NULL) AND (
            change.at IS NULL OR change.by_id IS NULL AND NOT EXISTS (
                SELECT FROM reconciliation_override override
                WHERE override.verdict_id = alert.verdict_id AND override.reason = 'silence'
            ) OR NOT EXISTS (
                SELECT FROM affiliates_auditevent event
                WHERE event.object_id = alert.id AND event.action = change.action
            )
        )
        """,
    ),
)
