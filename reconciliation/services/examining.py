"""Examining: the data-quality rules look at claims that have just been judged.

Settling writes which verdicts are to be examined, in its own transaction, and wakes a task; it waits for nobody. The
task takes them some hundreds at a time, reads in a statement what the rules need to know of all of them, and writes
what they notice in the transaction that strikes them off. The sweep wakes it where a hint was lost.

A rule that is marked *impossible* decides a verdict, so where the rules in force have one, settling asks beforehand.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from statistics import median_low
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import structlog
from django.db import connection, transaction

from campaigns.models import Post
from config import clock
from config.bulk import array, copy_rows, read_rows
from config.queue import enqueue
from reconciliation.comparison import Figures
from reconciliation.models import Finding, RuleSet, Unexamined, UsualViews
from reconciliation.quality import Compared, Facts, Noticed
from reconciliation.services import rulesets

if TYPE_CHECKING:
    from reconciliation.services.settling.judging import Look

log = structlog.get_logger(__name__)

PAGE = 500
RECENT = 20
"""So many of an affiliate's latest other posts are looked at."""
USUAL_FROM = 5
"""Fewer claims of an affiliate make nothing usual."""
USUAL_ON_A_PLATFORM_FROM = 30
BURST_LIMIT = 1_000
SAMPLED_ROWS = 50_000
RECOUNT_AFTER = timedelta(hours=1)
SENTENCE_CHARS = 500


class Background(NamedTuple):
    """What is known around a claim."""

    platform: str
    earlier: Figures | None
    recent: tuple[Compared, ...]
    claims_within_an_hour: int
    other_claimants: int
    platforms_usual_views: int | None
    campaign_days: tuple[date, date]
    ownership: str
    posted_on: date | None

    @property
    def usual_views(self) -> int | None:
        """The affiliate's own median, where there are enough posts."""
        views = [each.claimed.views for each in self.recent if each.claimed.views is not None]
        return median_low(views) if len(views) >= USUAL_FROM else None


_BACKGROUND = f"""
    SELECT claim.id, platform.slug, earlier.figures, recent.posts, hour.claims, others.claimants, usual.views,
        campaign.starts_on, campaign.ends_on, post.ownership,
        (post.posted_at AT TIME ZONE advertiser.time_zone)::date
    FROM reconciliation_affiliatereport claim
    JOIN campaigns_post post ON post.id = claim.post_id
    JOIN campaigns_campaign campaign ON campaign.id = post.campaign_id
    JOIN campaigns_advertiser advertiser ON advertiser.id = campaign.advertiser_id
    JOIN platforms_platform platform ON platform.id = post.platform_id
    LEFT JOIN reconciliation_usualviews usual ON usual.platform_id = post.platform_id
    LEFT JOIN LATERAL (
        SELECT ARRAY[claimed_views, claimed_clicks, claimed_conversions] AS figures
        FROM reconciliation_affiliatereport
        WHERE post_id = claim.post_id AND (claimed_at, id) < (claim.claimed_at, claim.id) AND NOT EXISTS (
            SELECT FROM reconciliation_claimwithdrawal
            WHERE claim_id = reconciliation_affiliatereport.id AND is_unseen
        )
        ORDER BY claimed_at DESC, id DESC LIMIT 1
    ) earlier ON true
    CROSS JOIN LATERAL (
        SELECT array_agg(ARRAY[report.claimed_views, report.claimed_clicks, report.claimed_conversions,
            report.claimed_views - state.views_discrepancy] ORDER BY state.claimed_at DESC, state.post_id DESC) AS posts
        FROM (
            SELECT post_id, claimed_at, current_claim_id, views_discrepancy FROM reconciliation_poststate
            WHERE affiliate_id = post.affiliate_id AND is_standing AND claimed_at <= claim.claimed_at
                AND post_id <> post.id AND verdict <> 'withdrawn'
            ORDER BY claimed_at DESC, post_id DESC LIMIT {RECENT}
        ) state
        JOIN reconciliation_affiliatereport report ON report.id = state.current_claim_id
    ) recent
    CROSS JOIN LATERAL (
        SELECT count(*) AS claims FROM (
            SELECT FROM reconciliation_poststate
            WHERE affiliate_id = post.affiliate_id AND is_standing AND claimed_at <= claim.claimed_at
                AND claimed_at > claim.claimed_at - interval '1 hour' AND verdict <> 'withdrawn'
            LIMIT {BURST_LIMIT}
        ) AS lately
    ) hour
    CROSS JOIN LATERAL (
        SELECT count(DISTINCT changes ->> 'affiliate') AS claimants FROM affiliates_auditevent
        WHERE object_id = post.id AND action IN ('claim.refused_second_claimant', 'post.displaced')
    ) others
    WHERE claim.id = ANY(%s::uuid[])
"""


def background_of(claim_ids: Iterable[UUID]) -> dict[UUID, Background]:
    """What is known around these claims, by their ids."""
    found = {}
    for claim_id, slug, earlier, posts, claims, claimants, usual, starts_on, ends_on, *of_post in read_rows(
        _BACKGROUND, [array(claim_ids)]
    ):
        recent = tuple(Compared(Figures(*claimed), Figures(views)) for *claimed, views in posts or ())
        found[claim_id] = Background(
            slug,
            Figures(*earlier) if earlier else None,
            recent,
            claims,
            claimants,
            usual,
            (starts_on, ends_on),
            *of_post,
        )
    return found


class Seen(NamedTuple):
    """What the snapshot said that a claim was held against."""

    views: int | None
    clicks: int | None
    conversions: int | None
    likes: int | None
    comments: int | None
    followers: int | None
    disclosed: bool | None


def facts(claimed: Figures, claimed_at: datetime, seen: Seen, around: Background) -> Facts:
    """All that the rules may ask of a claim."""
    proven: dict[str, bool] = {
        Post.Ownership.PROVEN: True,
        Post.Ownership.UNPROVEN: False,
        Post.Ownership.FOREIGN: False,
    }
    return Facts(
        platform=around.platform,
        claimed=claimed,
        claimed_at=claimed_at,
        truth=Figures(seen.views, seen.clicks, seen.conversions),
        likes=seen.likes,
        comments=seen.comments,
        followers=seen.followers,
        earlier=around.earlier,
        recent=around.recent,
        usual_views=around.usual_views,
        platforms_usual_views=around.platforms_usual_views,
        posts_with_these_figures=sum(each.claimed == claimed for each in around.recent),
        claims_within_an_hour=around.claims_within_an_hour,
        other_claimants=around.other_claimants,
        is_author_proven=proven.get(around.ownership),
        posted_on=around.posted_on,
        campaign_days=around.campaign_days,
        disclosed=seen.disclosed,
    )


def impossible(looks: "Sequence[Look]", ruleset: RuleSet) -> dict[UUID, str]:
    """What rules that are marked impossible say of the open claims of these looks, by claim. Asked only where the rules
    in force mark any, as none is by default."""
    rules = rulesets.quality_of(ruleset.pk).marked_impossible()
    if not rules.rules:
        return {}
    around = background_of(claim.id for look in looks for claim in look.claims)
    said = {}
    for look in looks:
        seen = Seen._make(getattr(look.snapshot, name) for name in Seen._fields)
        for claim in look.claims:
            claimed = Figures(claim.views, claim.clicks, claim.conversions)
            noticed = rules.examine(facts(claimed, claim.claimed_at, seen, around[claim.id]))
            if sentences := [each.sentence for each in noticed if each.is_impossible]:
                said[claim.id] = sentences[0]
    return said


def note(verdict_ids: Sequence[UUID]) -> None:
    """In the transaction that writes these verdicts: they are to be examined, and somebody is told."""
    copy_rows(Unexamined, ("verdict",), [(verdict_id,) for verdict_id in verdict_ids])
    enqueue("reconciliation.tasks.examine")


def sweep() -> None:
    """Wake the task where its hint was lost."""
    if Unexamined.objects.exists():
        enqueue("reconciliation.tasks.examine")


def examine() -> int:
    """Examine what is to be examined, until nothing is left or others are at the rest. Returns how many verdicts."""
    _count_usual_views()
    examined = 0
    while page := _examine_page():
        examined += page
    return examined


class _Due(NamedTuple):
    """A verdict that is to be examined, with its claim and what its snapshot said."""

    verdict_id: UUID
    post_id: UUID
    ruleset_id: UUID
    claim_id: UUID
    claimed_at: datetime
    claimed: Figures
    seen: Seen


@transaction.atomic
def _examine_page() -> int:
    rows = read_rows(
        """
        SELECT verdict.id, verdict.post_id, verdict.ruleset_id, claim.id, claim.claimed_at,
            claim.claimed_views, claim.claimed_clicks, claim.claimed_conversions,
            snapshot.views, snapshot.clicks, snapshot.conversions, snapshot.likes, snapshot.comments,
            snapshot.followers, snapshot.disclosed
        FROM (
            SELECT verdict_id FROM reconciliation_unexamined ORDER BY verdict_id LIMIT %s FOR UPDATE SKIP LOCKED
        ) due
        JOIN reconciliation_reconciliationlog verdict ON verdict.id = due.verdict_id
        JOIN reconciliation_affiliatereport claim ON claim.id = verdict.affiliate_report_id
        JOIN reconciliation_platformreport snapshot ON snapshot.id = verdict.platform_report_id
        ORDER BY verdict.id
        """,
        [PAGE],
    )
    due = [_Due._make((*row[:5], Figures(*row[5:8]), Seen(*row[8:]))) for row in rows]
    if not due:
        return 0
    around = background_of({each.claim_id for each in due})
    rules = {pk: rulesets.quality_of(pk) for pk in {each.ruleset_id for each in due}}
    found = [
        (each, noticed)
        for each in due
        for noticed in rules[each.ruleset_id].examine(
            facts(each.claimed, each.claimed_at, each.seen, around[each.claim_id])
        )
    ]
    for each, noticed in found:
        if noticed.error:
            log.error("quality_rule_failed", rule=noticed.rule, error=noticed.error, verdict=str(each.verdict_id))
    Finding.objects.bulk_create([_finding(each, noticed) for each, noticed in found], ignore_conflicts=True)
    Unexamined.objects.filter(pk__in=[each.verdict_id for each in due]).delete()
    return len(due)


def _finding(due: _Due, noticed: Noticed) -> Finding:
    return Finding(
        affiliate_report_id=due.claim_id,
        post_id=due.post_id,
        verdict_id=due.verdict_id,
        ruleset_id=due.ruleset_id,
        rule=noticed.rule,
        severity=noticed.severity.value,
        sentence=noticed.sentence[:SENTENCE_CHARS],
        error=noticed.error[:64],
    )


def _count_usual_views() -> None:
    """The median of what is claimed on each platform, of a sample where there is much, at most once an hour."""
    newest = UsualViews.objects.order_by("-counted_at").values_list("counted_at", flat=True).first()
    if newest and newest > clock.now() - RECOUNT_AFTER:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO reconciliation_usualviews (platform_id, views, counted_at)
            SELECT platform_id, percentile_disc(0.5) WITHIN GROUP (ORDER BY claimed_views), %s
            FROM reconciliation_poststate TABLESAMPLE SYSTEM ((
                SELECT LEAST(100, 100.0 * %s / GREATEST(reltuples, 1))
                FROM pg_class WHERE oid = 'reconciliation_poststate'::regclass
            ))
            WHERE is_standing AND claimed_views IS NOT NULL
            GROUP BY platform_id HAVING count(*) >= %s
            ORDER BY platform_id
            ON CONFLICT (platform_id) DO UPDATE SET views = EXCLUDED.views, counted_at = EXCLUDED.counted_at
            """,
            [clock.now(), SAMPLED_ROWS, USUAL_ON_A_PLATFORM_FROM],
        )
