"""What always holds of claims, snapshots, verdicts, trust, and the work that leads there.

Each query says it in words of its own, from the rows of record: it shares no code with what it checks.
"""

import json
from collections.abc import Sequence

from config.invariants import Invariant
from reconciliation.services import rollups

_TO_JUDGE = """
    NOT EXISTS (SELECT FROM reconciliation_claimwithdrawal gone WHERE gone.claim_id = claim.id AND gone.is_unseen)
"""
"""A claim that was withdrawn before anybody looked is as if it had never been made."""

CLAIMS = (
    Invariant(
        "A claim has one counted verdict at most",
        """
        SELECT affiliate_report_id AS id FROM reconciliation_reconciliationlog WHERE next_look_at IS NULL
        GROUP BY affiliate_report_id HAVING count(*) > 1
        """,
    ),
    # A displaced post is looked at no more; of a short link that led to another post, that one has the claims. A job
    # that is dead may be tried again; staff may have given it up.
    Invariant(
        "A claim has its counted verdict, or a job that leads to it, or was withdrawn unseen",
        f"""
        SELECT claim.id FROM reconciliation_affiliatereport claim
        JOIN campaigns_post post ON post.id = claim.post_id
        WHERE post.displaced_at IS NULL AND (post.is_identified OR post.merged_into_id IS NULL)
            AND {_TO_JUDGE}
            AND NOT EXISTS (
                SELECT FROM reconciliation_reconciliationlog verdict
                WHERE verdict.affiliate_report_id = claim.id AND verdict.next_look_at IS NULL
            )
            AND NOT EXISTS (
                SELECT FROM reconciliation_job job
                WHERE job.post_id = claim.post_id AND (
                    job.state IN ('due', 'leased', 'dead') OR job.state = 'discarded' AND EXISTS (
                        SELECT FROM affiliates_auditevent event
                        WHERE event.object_id = job.id AND event.action = 'job.discarded'
                    )
                )
            )
        """,
    ),
    Invariant(
        "What the data-quality rules noticed is about the claim and post of the verdict at which they did",
        """
        SELECT finding.id FROM reconciliation_finding finding
        JOIN reconciliation_reconciliationlog verdict ON verdict.id = finding.verdict_id
        WHERE verdict.affiliate_report_id <> finding.affiliate_report_id OR verdict.post_id <> finding.post_id
        """,
    ),
    Invariant(
        "A claim that was withdrawn unseen is never judged",
        """
        SELECT gone.id FROM reconciliation_claimwithdrawal gone
        JOIN reconciliation_reconciliationlog verdict ON verdict.affiliate_report_id = gone.claim_id
        WHERE gone.is_unseen
        """,
    ),
    Invariant(
        "A post has a claim, and a state that says how it stands",
        """
        SELECT post.id FROM campaigns_post post
        LEFT JOIN reconciliation_poststate state ON state.post_id = post.id
        LEFT JOIN reconciliation_affiliatereport claim ON claim.id = state.current_claim_id AND claim.post_id = post.id
        WHERE claim.id IS NULL
        """,
    ),
    Invariant(
        "A post's current claim is its latest that was not withdrawn unseen",
        f"""
        SELECT state.post_id AS id FROM reconciliation_poststate state
        JOIN reconciliation_affiliatereport current ON current.id = state.current_claim_id
        JOIN (
            SELECT claim.post_id, max(claim.claimed_at) AS claimed_at FROM reconciliation_affiliatereport claim
            WHERE {_TO_JUDGE}
            GROUP BY claim.post_id
        ) latest ON latest.post_id = state.post_id
        WHERE latest.claimed_at <> current.claimed_at
        """,
    ),
    Invariant(
        "A post is reconciled when each of its claims has its counted verdict, and only then",
        f"""
        SELECT post.id FROM campaigns_post post
        JOIN (
            SELECT claim.post_id, bool_and(verdict.id IS NOT NULL OR NOT {_TO_JUDGE}) AS is_judged
            FROM reconciliation_affiliatereport claim
            LEFT JOIN reconciliation_reconciliationlog verdict
                ON verdict.affiliate_report_id = claim.id AND verdict.next_look_at IS NULL
            GROUP BY claim.post_id
        ) found ON found.post_id = post.id
        WHERE post.is_reconciled <> found.is_judged
        """,
    ),
)

JOBS = (
    Invariant(
        "A post has one pending job at most",
        """
        SELECT post_id AS id FROM reconciliation_job WHERE state IN ('due', 'leased')
        GROUP BY post_id HAVING count(*) > 1
        """,
    ),
    # Who asks for a look, or tries a dead one again, may do so for a post whose claims are all judged.
    Invariant(
        "A job that nobody asked for has an open claim to look at",
        f"""
        SELECT job.id FROM reconciliation_job job
        WHERE job.state IN ('due', 'leased') AND job.reason IN ('submission', 'second_look')
            AND NOT EXISTS (
                SELECT FROM reconciliation_affiliatereport claim WHERE claim.post_id = job.post_id AND NOT EXISTS (
                    SELECT FROM reconciliation_reconciliationlog verdict
                    WHERE verdict.affiliate_report_id = claim.id AND verdict.next_look_at IS NULL
                ) AND {_TO_JUDGE}
            )
            AND NOT EXISTS (
                SELECT FROM affiliates_auditevent event
                WHERE event.object_id = job.id AND event.action = 'job.retried'
            )
        """,
    ),
    Invariant(
        "A job is held no longer than its lease",
        "SELECT id FROM reconciliation_job WHERE state = 'leased' AND leased_until < %(late)s",
    ),
    Invariant(
        "A job has an end when it is over, and a holder only while it is held",
        """
        SELECT id FROM reconciliation_job
        WHERE (state IN ('due', 'leased')) <> (finished_at IS NULL) OR (state = 'leased') <> (lease IS NOT NULL)
        """,
    ),
    Invariant(
        "A job that is dead says why",
        "SELECT id FROM reconciliation_job WHERE state = 'dead' AND last_error = ''",
    ),
    Invariant(
        "A job that was discarded has an event that says so, or was a cancelled run's",
        """
        SELECT job.id FROM reconciliation_job job
        WHERE job.state = 'discarded' AND NOT EXISTS (
            SELECT FROM affiliates_auditevent event WHERE event.object_id = job.id AND event.action = 'job.discarded'
        ) AND NOT EXISTS (
            SELECT FROM reconciliation_runjob runjob JOIN reconciliation_run run ON run.id = runjob.run_id
            WHERE runjob.job_id = job.id AND run.cancelled_at IS NOT NULL
        )
        """,
    ),
    Invariant(
        "A displaced post has no job to come",
        """
        SELECT job.id FROM reconciliation_job job JOIN campaigns_post post ON post.id = job.post_id
        WHERE job.state IN ('due', 'leased') AND post.displaced_at IS NOT NULL
        """,
    ),
)

VERDICTS = (
    Invariant(
        "A verdict, its claim and its snapshot are of one post",
        """
        SELECT verdict.id FROM reconciliation_reconciliationlog verdict
        JOIN reconciliation_affiliatereport claim ON claim.id = verdict.affiliate_report_id
        JOIN reconciliation_platformreport snapshot ON snapshot.id = verdict.platform_report_id
        WHERE claim.post_id <> verdict.post_id OR snapshot.post_id <> verdict.post_id
        """,
    ),
    Invariant(
        "A verdict's snapshot was fetched when its claim was made, or later",
        """
        SELECT verdict.id FROM reconciliation_reconciliationlog verdict
        JOIN reconciliation_affiliatereport claim ON claim.id = verdict.affiliate_report_id
        JOIN reconciliation_platformreport snapshot ON snapshot.id = verdict.platform_report_id
        WHERE snapshot.fetched_at < claim.claimed_at
        """,
    ),
    Invariant(
        "A provisional verdict has no effect on trust",
        """
        SELECT id FROM reconciliation_reconciliationlog WHERE next_look_at IS NOT NULL AND trust_effect <> 'NONE'
        """,
    ),
    Invariant(
        "A verdict's difference is the claim minus the truth, and unknown where either is",
        """
        SELECT verdict.id FROM reconciliation_reconciliationlog verdict
        JOIN reconciliation_affiliatereport claim ON claim.id = verdict.affiliate_report_id
        JOIN reconciliation_platformreport snapshot ON snapshot.id = verdict.platform_report_id
        WHERE verdict.status IN ('MATCHED', 'DISCREPANCY', 'TOO_EARLY') AND (
            verdict.views_discrepancy IS DISTINCT FROM claim.claimed_views - snapshot.views
            OR verdict.clicks_discrepancy IS DISTINCT FROM claim.claimed_clicks - snapshot.clicks
        )
        """,
    ),
)

STATES = (
    Invariant(
        "A post's counted verdict is that of the latest claim that has one",
        """
        SELECT state.post_id AS id FROM reconciliation_poststate state
        LEFT JOIN (
            SELECT DISTINCT ON (claim.post_id) claim.post_id, verdict.id
            FROM reconciliation_affiliatereport claim
            JOIN reconciliation_reconciliationlog verdict ON verdict.affiliate_report_id = claim.id
            WHERE verdict.next_look_at IS NULL
            ORDER BY claim.post_id, claim.claimed_at DESC, claim.id DESC
        ) latest ON latest.post_id = state.post_id
        WHERE state.counted_verdict_id IS DISTINCT FROM latest.id
        """,
    ),
    Invariant(
        "A post's current verdict is the last word on its current claim",
        """
        SELECT state.post_id AS id FROM reconciliation_poststate state
        LEFT JOIN (
            SELECT DISTINCT ON (affiliate_report_id) affiliate_report_id, id FROM reconciliation_reconciliationlog
            ORDER BY affiliate_report_id, next_look_at DESC NULLS FIRST, processed_at DESC, id DESC
        ) latest ON latest.affiliate_report_id = state.current_claim_id
        WHERE state.current_verdict_id IS DISTINCT FROM latest.id
        """,
    ),
    # What asked no platform knows nothing of its figures, and is the latest only where nothing else is known.
    Invariant(
        "A post's latest snapshot is its latest, and it has been seen live since the first one that shows it",
        """
        SELECT state.post_id AS id FROM reconciliation_poststate state
        LEFT JOIN reconciliation_platformreport latest ON latest.id = state.latest_snapshot_id
        LEFT JOIN (
            SELECT post_id, COALESCE(
                max(fetched_at) FILTER (WHERE availability IS NOT NULL), max(fetched_at)
            ) AS latest_at, min(fetched_at) FILTER (WHERE availability = 'live') AS live_since
            FROM reconciliation_platformreport GROUP BY post_id
        ) found ON found.post_id = state.post_id
        WHERE (latest.fetched_at, state.seen_live_at) IS DISTINCT FROM (found.latest_at, found.live_since)
            OR latest.post_id <> state.post_id OR state.last_fetched_at < latest.fetched_at
        """,
    ),
)

OVERRIDES = (
    Invariant(
        "An override is of a counted verdict, and those of one verdict are numbered without a gap",
        """
        SELECT override.id FROM reconciliation_override override
        JOIN reconciliation_reconciliationlog verdict ON verdict.id = override.verdict_id
        WHERE verdict.next_look_at IS NOT NULL OR override.number > 1 AND NOT EXISTS (
            SELECT FROM reconciliation_override before
            WHERE before.verdict_id = override.verdict_id AND before.number = override.number - 1
        )
        """,
    ),
    Invariant(
        "An override has an event that says who decided",
        """
        SELECT override.id FROM reconciliation_override override
        WHERE NOT EXISTS (
            SELECT FROM affiliates_auditevent event
            WHERE event.object_id = override.verdict_id AND event.action = 'verdict.overridden'
                AND event.changes ->> 'override' = override.id::text
                AND event.actor_id IS NOT DISTINCT FROM override.decided_by_id
        )
        """,
    ),
    Invariant(
        "An override in a live campaign counts for trust in its verdict's place, and nothing else does",
        """
        SELECT COALESCE(event.id, decided.id) AS id
        FROM (
            SELECT override.id, override.verdict_id, override.number, override.trust_effect, CASE
                WHEN override.trust_effect = 'NONE' THEN 'NONE'
                ELSE COALESCE(override.discrepancy_level, override.status)
            END AS kind
            FROM reconciliation_override override
            JOIN reconciliation_reconciliationlog verdict ON verdict.id = override.verdict_id
            JOIN campaigns_post post ON post.id = verdict.post_id
            JOIN campaigns_campaign campaign ON campaign.id = post.campaign_id
            WHERE campaign.livemode
        ) decided
        FULL JOIN (SELECT * FROM reconciliation_trustevent WHERE number > 0) event
            ON event.verdict_id = decided.verdict_id AND event.number = decided.number
        WHERE (decided.trust_effect, decided.kind) IS DISTINCT FROM (event.effect, event.kind)
        """,
    ),
)

DISPUTES = (
    Invariant(
        "A dispute is its affiliate's, about a counted verdict, and upheld by an override of that verdict",
        """
        SELECT dispute.id FROM reconciliation_dispute dispute
        JOIN reconciliation_reconciliationlog verdict ON verdict.id = dispute.verdict_id
        JOIN campaigns_post post ON post.id = verdict.post_id
        LEFT JOIN reconciliation_override override ON override.id = dispute.override_id
        WHERE verdict.next_look_at IS NOT NULL OR post.affiliate_id <> dispute.affiliate_id
            OR override.verdict_id <> dispute.verdict_id OR dispute.state = 'upheld' AND override.id IS NULL
        """,
    ),
    Invariant(
        "A dispute has an event that says who opened it, and one that says how it ended",
        """
        SELECT dispute.id FROM reconciliation_dispute dispute
        CROSS JOIN LATERAL (
            VALUES ('dispute.opened', true), ('dispute.' || dispute.state, dispute.state <> 'open')
        ) AS change (action, has_happened)
        WHERE has_happened AND NOT EXISTS (
            SELECT FROM affiliates_auditevent event WHERE event.object_id = dispute.id AND event.action = change.action
        )
        """,
    ),
    Invariant(
        "A dispute that nobody decided on in time is over soon",
        "SELECT id FROM reconciliation_dispute WHERE state = 'open' AND deadline_at < %(late)s",
    ),
)

_OUTCOMES = """
    SELECT DISTINCT ON (event.affiliate_id, content, day) event.affiliate_id, event.platform_id, event.kind
    FROM reconciliation_trustevent event
    JOIN campaigns_post post ON post.id = event.post_id
    CROSS JOIN LATERAL (SELECT COALESCE(post.merged_into_id, post.id) AS content) same
    ORDER BY event.affiliate_id, content, day, claimed_at DESC, claim_id DESC, number DESC
"""
_NUMBERS = """
    count(*) FILTER (WHERE kind = 'MATCHED') AS matched, count(*) FILTER (WHERE kind = 'LOW') AS low,
    count(*) FILTER (WHERE kind = 'MEDIUM') AS medium, count(*) FILTER (WHERE kind = 'HIGH') AS high,
    count(*) FILTER (WHERE kind = 'POST_MISSING') AS post_missing,
    count(*) FILTER (WHERE kind = 'INVALID_CLAIM') AS invalid_claim
"""


def _as_counted(row: str) -> str:
    names = ("matched", "low", "medium", "high", "post_missing", "invalid_claim")
    return "ARRAY[" + ", ".join(f"COALESCE({row}.{name}, 0)" for name in names) + "]::bigint[]"


TRUST = (
    Invariant(
        "A trust event is a counted verdict of a live campaign, and each of these has one",
        """
        SELECT COALESCE(event.id, counted.id) AS id
        FROM (
            SELECT verdict.id, verdict.post_id, verdict.trust_effect, post.affiliate_id, post.platform_id,
                claim.id AS claim_id, claim.claimed_at, (claim.claimed_at AT TIME ZONE 'UTC')::date AS day,
                CASE WHEN trust_effect = 'NONE' THEN 'NONE' ELSE COALESCE(discrepancy_level, verdict.status) END AS kind
            FROM reconciliation_reconciliationlog verdict
            JOIN reconciliation_affiliatereport claim ON claim.id = verdict.affiliate_report_id
            JOIN campaigns_post post ON post.id = verdict.post_id
            JOIN campaigns_campaign campaign ON campaign.id = post.campaign_id
            WHERE verdict.next_look_at IS NULL AND campaign.livemode
        ) counted
        FULL JOIN (SELECT * FROM reconciliation_trustevent WHERE number = 0) event ON event.verdict_id = counted.id
        WHERE (counted.post_id, counted.trust_effect, counted.kind, counted.affiliate_id, counted.platform_id,
                counted.claim_id, counted.claimed_at, counted.day)
            IS DISTINCT FROM (event.post_id, event.effect, event.kind, event.affiliate_id, event.platform_id,
                event.claim_id, event.claimed_at, event.day)
        """,
    ),
    Invariant(
        "A decision counts for trust after the verdict that it stands for, and for the same claim",
        """
        SELECT decision.id FROM reconciliation_trustevent decision
        LEFT JOIN reconciliation_trustevent before
            ON before.verdict_id = decision.verdict_id AND before.number = decision.number - 1
        WHERE decision.number > 0
            AND (decision.post_id, decision.affiliate_id, decision.platform_id, decision.claim_id, decision.claimed_at,
                decision.day)
            IS DISTINCT FROM (before.post_id, before.affiliate_id, before.platform_id, before.claim_id,
                before.claimed_at, before.day)
        """,
    ),
    Invariant(
        "Trust is a recount of its events: each content once a day, by its latest claim and the last word on it",
        f"""
        SELECT COALESCE(counted.affiliate_id, trust.affiliate_id) AS id
        FROM (SELECT affiliate_id, {_NUMBERS} FROM ({_OUTCOMES}) outcome GROUP BY affiliate_id) counted
        FULL JOIN reconciliation_trustscore trust ON trust.affiliate_id = counted.affiliate_id
        WHERE {_as_counted("counted")} <> {_as_counted("trust")}
        """,
    ),
    Invariant(
        "Trust on a platform is a recount of the events on it",
        f"""
        SELECT COALESCE(counted.affiliate_id, share.trust_id) AS id
        FROM (
            SELECT affiliate_id, platform_id, {_NUMBERS} FROM ({_OUTCOMES}) outcome GROUP BY affiliate_id, platform_id
        ) counted
        FULL JOIN reconciliation_platformtrust share
            ON share.trust_id = counted.affiliate_id AND share.platform_id = counted.platform_id
        WHERE {_as_counted("counted")} <> {_as_counted("share")}
        """,
    ),
    Invariant(
        "A trust score is what its counts come to by the policy that holds",
        """
        SELECT affiliate_id AS id FROM reconciliation_trustscore trust
        CROSS JOIN (SELECT trust FROM reconciliation_ruleset ORDER BY version DESC LIMIT 1) AS holds (settings)
        CROSS JOIN LATERAL (
            SELECT COALESCE((settings ->> 'start')::numeric, 0.5)
                + matched * COALESCE((settings #>> '{deltas,MATCHED}')::numeric, 0.02)
                + low * COALESCE((settings #>> '{deltas,LOW}')::numeric, 0.01)
                + medium * COALESCE((settings #>> '{deltas,MEDIUM}')::numeric, -0.05)
                + high * COALESCE((settings #>> '{deltas,HIGH}')::numeric, -0.15)
                + post_missing * COALESCE((settings #>> '{deltas,POST_MISSING}')::numeric, -0.1)
                + invalid_claim * COALESCE((settings #>> '{deltas,INVALID_CLAIM}')::numeric, -0.25) AS reached,
                COALESCE(accurate_submissions::numeric / NULLIF(total_submissions, 0), 1) AS share
        ) made
        WHERE abs(trust_score - CASE WHEN settings ->> 'policy' = 'events' THEN LEAST(GREATEST(reached, 0), 1)
            ELSE share END) > 0.00005
        """,
    ),
)

LEDGER = (
    Invariant(
        "Blocks are numbered from 1 without a gap, and each names the hash of the one before",
        """
        SELECT id FROM (
            SELECT id, number, row_number() OVER chain AS expected, previous_sha256,
                lag(sha256, 1, repeat('0', 64)::varchar) OVER chain AS before
            FROM reconciliation_block WINDOW chain AS (ORDER BY number)
        ) block
        WHERE number <> expected OR previous_sha256 <> before
        """,
    ),
    Invariant(
        "A block has a receipt at each place from 1 to its count, and at no other",
        """
        SELECT COALESCE(block.id, receipts.block_id) AS id FROM reconciliation_block block
        FULL JOIN (
            SELECT block_id, count(*) AS count, min(position) AS first, max(position) AS last
            FROM reconciliation_sealedreceipt GROUP BY block_id
        ) receipts ON receipts.block_id = block.id
        WHERE (block.count, 1, block.count) IS DISTINCT FROM (receipts.count, receipts.first, receipts.last)
        """,
    ),
)

RUNS = (
    Invariant(
        "A run has events that say who asked for it, and who cancelled it",
        """
        SELECT run.id FROM reconciliation_run run
        CROSS JOIN LATERAL (
            VALUES ('run.requested', true), ('run.cancelled', run.cancelled_at IS NOT NULL)
        ) AS change (action, has_happened)
        WHERE has_happened AND NOT EXISTS (
            SELECT FROM affiliates_auditevent event WHERE event.object_id = run.id AND event.action = change.action
        )
        """,
    ),
)


def _sums_that_differ() -> Sequence[str]:
    return [f"{each.table} {json.dumps(each.key, default=str)}" for each in rollups.differences()]


SUMS = (Invariant("What lists and sums are read from is a recount of claims and verdicts", _sums_that_differ),)

INVARIANTS = (*CLAIMS, *JOBS, *VERDICTS, *STATES, *OVERRIDES, *DISPUTES, *TRUST, *LEDGER, *SUMS, *RUNS)
