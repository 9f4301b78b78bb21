"""Sets of claims, verdicts, jobs and current states that have a name."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from uuid import UUID

from django.apps import apps
from django.db import connection, models
from django.db.models import (
    Aggregate,
    Case,
    Count,
    Exists,
    F,
    Max,
    Min,
    OrderBy,
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    Sum,
    Value,
    When,
    Window,
)
from django.db.models.functions import Cast, Coalesce, JSONObject, RowNumber

from config import clock
from config.bulk import array, read_rows
from config.ids import new_id
from config.models import AppendOnlyQuerySet
from reconciliation.sums import MEASURES, MISCLAIMED, OVER_CLAIMED, POST_ORDERS, SUMS

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from affiliates.models import User
    from campaigns.models import Post
    from campaigns.querysets import PostQuerySet


def _visible_posts(user: "User | AnonymousUser") -> "models.QuerySet[Any]":
    return apps.get_model("campaigns", "Post").objects.visible_to(user).values("pk")


def with_standing(posts: "PostQuerySet") -> "PostQuerySet":
    """These posts with all that says how each stands, in one query; `next_look_at` is null where no look is to come."""
    jobs = apps.get_model("reconciliation", "Job").objects.pending()
    standing: PostQuerySet = posts.select_related(
        "tracking_link",
        "platform",
        "campaign",
        "affiliate",
        "state__current_claim",
        "state__current_verdict__affiliate_report",
        "state__current_verdict__platform_report",
        "state__current_verdict__post__campaign",
        "state__current_verdict__ruleset",
        "state__override",
        "state__latest_snapshot",
    ).annotate(
        title=Coalesce("text__title", Value("")),
        description=Coalesce("text__description", Value(""), output_field=models.TextField()),
        next_look_at=Subquery(jobs.filter(post=OuterRef("pk")).values("due_at")),
        state__current_verdict__decision=_decision("state__current_verdict"),
    )
    return standing


def _decision(verdict: str) -> Subquery:
    """What holds in the place of a verdict, by the path to it, as it is shown; null where nothing was decided."""
    decided = apps.get_model("reconciliation", "Override").objects.filter(verdict=OuterRef(verdict))
    shown = JSONObject(
        status="status",
        discrepancy_level="discrepancy_level",
        reason="reason",
        explanation="explanation",
        note="note__text",
        trust_effect="trust_effect",
        decided_at="created_at",
        money_at_risk=Cast("money_at_risk", models.TextField()),
    )
    return Subquery(decided.order_by("-number").values(shown=shown)[:1])


class AffiliateReportQuerySet(AppendOnlyQuerySet):
    """Claims."""

    def open(self) -> Self:
        """Claims without a counted verdict that are to get one."""
        verdicts = apps.get_model("reconciliation", "ReconciliationLog").objects
        unjudged = self.filter(~Exists(verdicts.filter(affiliate_report=OuterRef("pk"), next_look_at=None)))
        return unjudged.exclude(withdrawal__is_unseen=True)

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Those of posts this user may see."""
        return self.filter(post__in=_visible_posts(user))

    def with_verdicts(self) -> Self:
        """Each with what is shown of its post, and its verdicts in `latest_verdicts`, newest first, in two queries."""
        verdicts = apps.get_model("reconciliation", "ReconciliationLog").objects.for_claims()
        names = ("url", "platform__slug", "platform__name", "campaign__campaign_name", "affiliate__name")
        return (
            self.select_related("post__platform", "post__campaign", "post__affiliate")
            .only(*(field.name for field in self.model._meta.concrete_fields), *(f"post__{name}" for name in names))
            .prefetch_related(Prefetch("verdicts", verdicts, to_attr="latest_verdicts"))
        )


class PlatformReportQuerySet(AppendOnlyQuerySet):
    """Snapshots."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Those of posts this user may see."""
        return self.filter(post__in=_visible_posts(user))


class TrustEventQuerySet(AppendOnlyQuerySet):
    """Outcomes as trust reads them."""

    def counting(self) -> Self:
        """Of these, the latest of each content and day, where it is a matter of trust."""
        place = Window(
            RowNumber(),
            partition_by=[Coalesce("post__merged_into_id", "post_id"), "day"],
            order_by=["-claimed_at", "-claim_id", "-number"],
        )
        latest = self.annotate(place=place).filter(place=1)
        found: Self = self.model._default_manager.filter(pk__in=latest.values("pk")).exclude(kind="NONE")
        return found

    def explained(self) -> Self:
        """Each with its `explanation`: the verdict's, or that of what was decided in its place."""
        overrides = apps.get_model("reconciliation", "Override").objects
        decided = overrides.filter(verdict=OuterRef("verdict"), number=OuterRef("number"))
        return self.annotate(explanation=Coalesce(Subquery(decided.values("explanation")), F("verdict__explanation")))


class ReconciliationLogQuerySet(AppendOnlyQuerySet):
    """Verdicts."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Those of posts this user may see."""
        return self.filter(post__in=_visible_posts(user))

    def counted(self) -> Self:
        """Each claim's one last word."""
        return self.filter(next_look_at=None)

    def with_override(self) -> Self:
        """Each with what was decided in its place, in a query for all."""
        decided = apps.get_model("reconciliation", "Override").objects.holding()
        return self.prefetch_related(Prefetch("overrides", decided, to_attr="decisions"))

    def with_decision(self) -> Self:
        """Each with `decision`: what was decided in its place, as it is shown."""
        return self.annotate(decision=_decision("pk"))

    def with_outcome(self) -> Self:
        """Each with what holds: `outcome_status`, `outcome_level` and `outcome_money` are the verdict's own, or those
        that were decided in their place."""
        decided = apps.get_model("reconciliation", "Override").objects.filter(verdict=OuterRef("pk"))
        latest = decided.order_by("-number")

        def held(column: str) -> Case:
            decision = Subquery(latest.values(column)[:1])
            return Case(When(Exists(decided), then=decision), default=F(column))

        return self.annotate(
            outcome_status=held("status"), outcome_level=held("discrepancy_level"), outcome_money=held("money_at_risk")
        )

    def for_claims(self) -> Self:
        """What a list of claims shows of the verdicts on them, newest first."""
        figures = ("views", "clicks", "conversions", "provenance", "definitions", "fetched_at")
        return (
            self.select_related("platform_report", "ruleset", "post__campaign")
            .with_override()
            .only(
                *(field.name for field in self.model._meta.concrete_fields),
                *(f"platform_report__{name}" for name in figures),
                "ruleset__version",
                "post__campaign__advertiser_id",
            )
            .order_by("-processed_at", "-id")
        )

    def for_results(self) -> Self:
        """Everything a list of verdicts shows, in one query and another for what was decided in their place."""
        return self.with_override().select_related(
            "affiliate_report",
            "platform_report",
            "ruleset",
            "post__platform",
            "post__campaign",
            "post__affiliate",
        )


class OverrideQuerySet(AppendOnlyQuerySet):
    """Decisions on verdicts."""

    def holding(self) -> Self:
        """Of each verdict the one that holds."""
        later = apps.get_model("reconciliation", "Override").objects
        return self.filter(~Exists(later.filter(verdict=OuterRef("verdict"), number__gt=OuterRef("number"))))


class DisputeQuerySet(models.QuerySet[Any]):
    """Objections to verdicts."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Those of posts this user may see."""
        return self.filter(verdict__post__in=_visible_posts(user))

    def decidable_by(self, user: "User | AnonymousUser") -> Self:
        """Those this user may decide on: staff all, managers their own campaigns', where staff let them."""
        campaigns = apps.get_model("campaigns", "Campaign").objects.managed_by(user)
        mine = campaigns if user.is_staff else campaigns.filter(advertiser__decides_disputes=True)
        return self.filter(verdict__post__campaign__in=mine.values("pk"))

    def open(self) -> Self:
        """Those that somebody has to decide on."""
        return self.filter(state="open")

    def for_list(self) -> Self:
        """Everything a list of disputes shows, in one query."""
        return self.select_related(
            "words",
            "override",
            "verdict__post__platform",
            "verdict__post__campaign",
            "verdict__post__affiliate",
            "verdict__post__text",
        )


LANE = """
    SELECT id FROM platforms_connection
    WHERE platform_id = post.platform_id AND livemode = campaign.livemode
        AND (affiliate_id IS NULL OR (affiliate_id = post.affiliate_id AND state <> 'disconnected'))
    ORDER BY affiliate_id NULLS LAST LIMIT 1
"""
"""The lane of a post: its affiliate's own connection where there is one, else the application's."""


FINDINGS_SHOWN = 20


class FindingQuerySet(AppendOnlyQuerySet):
    """Findings."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Staff see all, members those on claims in their advertiser's campaigns; affiliates none."""
        advertisers = apps.get_model("campaigns", "Advertiser").objects.visible_to(user)
        return self.filter(post__campaign__advertiser__in=advertisers.values("pk"))

    def of_post(self, post: "Post") -> Self:
        """The newest on one post's claims, and those of posts that turned out to be the same."""
        same = Q(post=post) | Q(post__merged_into=post)
        return self.filter(same).order_by("-created_at", "-id")[:FINDINGS_SHOWN]


class NextLook(NamedTuple):
    """A look that is to be taken: a row of `JobQuerySet.add_pending`."""

    post: UUID
    asks_platform: bool
    reason: str
    due_at: datetime
    urgent_at: datetime
    request_id: str


class JobQuerySet(models.QuerySet[Any]):
    """Looks to be taken."""

    def pending(self) -> Self:
        """Those that are not over yet; a post has at most one."""
        return self.filter(state__in=("due", "leased"))

    def due(self, moment: datetime) -> Self:
        """Those whose time has come and that nobody holds."""
        return self.filter(state="due", due_at__lte=moment)

    def most_urgent_first(self, moment: datetime) -> Self:
        """Of those that are due: see `urgency`. Nothing is due before it is urgent, which keeps the search short."""
        return self.filter(urgent_at__lte=moment).order_by("urgent_at", "id")

    def add_pending(self, looks: Sequence[NextLook]) -> None:
        """Make these looks due, each in its post's lane, in one statement: of posts that nobody is to look at meanwhile
        for another reason."""
        posts, ask_platform, reasons, due, urgent, request_ids = zip(*looks, strict=True)
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                INSERT INTO reconciliation_job (
                    id, created_at, post_id, connection_id, reason, state, due_at, urgent_at, attempts, last_error,
                    request_id
                )
                SELECT new.id, %s, new.post_id, lane.id, new.reason, 'due', new.due_at, new.urgent_at, 0, '',
                    new.request_id
                FROM unnest(%s::uuid[], %s::uuid[], %s::boolean[], %s::text[], %s::timestamptz[], %s::timestamptz[],
                    %s::text[]) AS new (id, post_id, asks_platform, reason, due_at, urgent_at, request_id)
                JOIN campaigns_post post ON post.id = new.post_id
                JOIN campaigns_campaign campaign ON campaign.id = post.campaign_id
                LEFT JOIN LATERAL ({LANE}) lane ON new.asks_platform AND post.is_identified
                ORDER BY new.post_id
                ON CONFLICT (post_id) WHERE state IN ('due', 'leased') DO NOTHING
                """,
                [
                    clock.now(),
                    array([new_id() for _ in looks]),
                    array(posts),
                    array(ask_platform),
                    array(reasons),
                    array(due),
                    array(urgent),
                    list(request_ids),
                ],
            )

    def lease_out(self, job_ids: Collection[UUID], *, lease: UUID, until: datetime) -> None:
        """Give these jobs into somebody's hands, in one statement. The attempt counts from here on."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE reconciliation_job SET state = 'leased', lease = %s, leased_until = %s, attempts = attempts + 1
                WHERE id = ANY(%s::uuid[])
                """,
                [lease, until, array(job_ids)],
            )

    def finish(self, job_ids: Collection[UUID]) -> None:
        """Of these looks, those that were not over yet are, in one statement; who is just taking one finds the lease
        void."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE reconciliation_job
                SET state = 'done', finished_at = %s, lease = NULL, leased_until = NULL, last_error = ''
                WHERE id = ANY(%s::uuid[]) AND state IN ('due', 'leased')
                """,
                [clock.now(), array(job_ids)],
            )

    def twins_of(self, contents: Collection[str], platform_id: UUID, *, besides: Collection[UUID]) -> Self:
        """Those for posts of these contents of a platform, in whatever campaign, besides these jobs."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT job.id FROM campaigns_post post JOIN reconciliation_job job ON job.post_id = post.id
                WHERE post.platform_id = %s AND post.external_id = ANY(%s) AND job.state = 'due'
                """,
                [platform_id, list(contents)],
            )
            return self.filter(pk__in=[row[0] for row in cursor.fetchall() if row[0] not in besides])

    def move(self, moments: Mapping[UUID, tuple[datetime, datetime]]) -> None:
        """Make these jobs due, and urgent, at other moments, in one statement."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE reconciliation_job AS job SET due_at = new.due_at, urgent_at = new.urgent_at
                FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[]) AS new (id, due_at, urgent_at)
                WHERE job.id = new.id
                """,
                [
                    array(moments),
                    array(due_at for due_at, _ in moments.values()),
                    array(urgent_at for _, urgent_at in moments.values()),
                ],
            )

    def lapsed(self, moment: datetime) -> Self:
        """Those whose holder did not settle in time: it has died, or it will find its lease void."""
        return self.filter(state="leased", leased_until__lt=moment)

    def in_lane(self, connection_id: object | None) -> Self:
        """Those of one connection, or those that ask no platform."""
        return self.filter(connection_id=connection_id) if connection_id else self.filter(connection=None)

    def forgotten_lanes(self, moment: datetime, *, after: timedelta) -> "models.QuerySet[Any]":
        """The lanes that may work and have had something due for a while: values of connection_id, each once."""
        lanes = apps.get_model("platforms", "Connection").objects.may_call(moment)
        open_lane = Q(connection=None) | Q(connection__in=lanes)
        return self.due(moment - after).filter(open_lane).order_by().values_list("connection_id", flat=True).distinct()

    def due_by_lane(self, moment: datetime) -> "models.QuerySet[Any]":
        """Of each lane with something due: connection_id, how many looks, and since when the oldest has been due."""
        lanes = self.due(moment).exclude(connection=None).order_by().values_list("connection_id")
        rows: models.QuerySet[Any] = lanes.annotate(looks=Count("pk"), oldest_due_at=Min("due_at"))
        return rows

    def oldest_due_by_platform(self, moment: datetime) -> "models.QuerySet[Any]":
        """Of each platform where a lane that may call has something due: platform_id, since when the oldest is due.

        Re-checks come when the budget has room for them, and tell nothing of how a platform fares.
        """
        lanes = apps.get_model("platforms", "Connection").objects.may_call(moment)
        due = (
            self.due(moment)
            .filter(connection__in=lanes)
            .exclude(reason="recheck")
            .order_by()
            .values_list("connection__platform_id")
        )
        rows: models.QuerySet[Any] = due.annotate(oldest_due_at=Min("due_at"))
        return rows

    def latest_first(self) -> Self:
        """What is still to come first, then what was over last."""
        return self.order_by(F("finished_at").desc(nulls_first=True), "-due_at")

    def overdue_by_platform(self, since: datetime) -> "models.QuerySet[Any]":
        """Platforms with looks that were due before `since` and wait still: source, answered_at, how many posts.

        What waits for an affiliate to connect anew says nothing about the platform.
        """
        rows: models.QuerySet[Any] = (
            self.due(since)
            .exclude(connection=None)
            .exclude(reason="recheck")
            .exclude(connection__affiliate__isnull=False, connection__state="parked")
            .order_by("connection__platform__name")
            .values(source=F("connection__platform__name"))
            .annotate(answered_at=Max("connection__last_success_at"), posts=Count("pk"))
        )
        return rows


class RunQuerySet(models.QuerySet[Any]):
    """Sets of looks that somebody asked for."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Staff see all, others what they asked for; with a key, those of its mode."""
        runs = self if user.is_staff else self.filter(requested_by_id=user.pk)
        livemode = getattr(user, "livemode", None)
        return runs if livemode is None else runs.exclude(run_jobs__job__post__campaign__livemode=not livemode)


class HeartbeatQuerySet(models.QuerySet[Any]):
    """Processes that work the queue."""

    def alive(self, moment: datetime, *, within: timedelta) -> Self:
        """Those seen lately; what was seen in the future was seen before the clock stepped back."""
        return self.filter(beat_at__gt=moment - within, beat_at__lt=moment + within)


class Looked(NamedTuple):
    """How a post stands after a look, by ids: a row of `PostStateQuerySet.write_looks`."""

    post: UUID
    current_verdict: UUID | None
    counted_verdict: UUID | None
    latest_snapshot: UUID | None
    last_fetched_at: datetime | None
    seen_live_at: datetime | None


class ShownPost(NamedTuple):
    """What a row of a list shows of a post: its claim, and what that claim's verdict found, or what was decided in its
    place; None while there is none.

    `trust_score` is None while no verdict counts for it; `explained_before` is what the last word on its latest claim
    that has one says.
    """

    pk: UUID
    url: str
    title: str | None
    posted_at: datetime | None
    platform: str
    campaign: str
    livemode: bool
    affiliate: str
    trust_score: Decimal | None
    claimed_at: datetime
    claimed_views: int | None
    claimed_clicks: int | None
    claimed_conversions: int | None
    status: str | None
    level: str | None
    explanation: str | None
    money_at_risk: Decimal | None
    currency: str | None
    views_discrepancy: int | None
    clicks_discrepancy: int | None
    conversions_discrepancy: int | None
    views_diff_pct: Decimal | None
    clicks_diff_pct: Decimal | None
    conversions_diff_pct: Decimal | None
    explained_before: str | None


class AccountShare(NamedTuple):
    """What an affiliate's posts in a campaign and on a platform come to. Quantities are claimed and judged ones; None:
    no claim of it was."""

    campaign_id: UUID
    affiliate_id: UUID
    platform_id: UUID
    posts: int
    high: int
    medium: int
    invalid: int
    views: Decimal | None
    clicks: Decimal | None
    conversions: Decimal | None
    over_claimed: Decimal | None
    unpriced: int
    """Over-claims above a limit of which nobody knows what they cost."""


def _columns_of(pairs: Collection[tuple[UUID, UUID]]) -> dict[str, Any]:
    return {"campaigns": array(pair[0] for pair in pairs), "affiliates": array(pair[1] for pair in pairs)}


class CountableQuerySet(models.QuerySet[Any]):
    """Rows that stand for posts."""

    number: Aggregate
    """Of how many posts, in all, some rows are."""

    def cells(self, *by: str) -> list[Any]:
        """How many posts there are of each verdict on each platform, and of each value of these columns."""
        columns = ("verdict", "platform__slug", *by)
        rows = self.order_by().values(*columns).annotate(n=self.number).filter(n__gt=0)
        return list(rows.values_list(*columns, "n", named=True))


class ShownClaim(NamedTuple):
    """What is claimed now for a post that its platform, as far as is known, shows."""

    post: UUID
    campaign: UUID
    platform: UUID
    claimed_at: datetime
    views: int | None
    clicks: int | None
    conversions: int | None


_WITH_OVERRIDE = """
    LEFT JOIN LATERAL (
        SELECT * FROM reconciliation_override WHERE verdict_id = verdict.id ORDER BY number DESC LIMIT 1
    ) AS override ON true
"""
_HOLDS = {
    column: f"CASE WHEN override.id IS NULL THEN verdict.{column} ELSE override.{column} END"
    for column in ("status", "discrepancy_level", "views_discrepancy", "views_diff_pct", "money_at_risk")
}
_UNJUDGED = "CASE row.verdict WHEN 'withdrawn' THEN 'withdrawn' ELSE 'pending' END"
_OUTCOME = f"""
    override_id = override.id,
    verdict = lower(COALESCE(NULLIF({_HOLDS["status"]}, 'DISCREPANCY'), {_HOLDS["discrepancy_level"]}, {_UNJUDGED})),
    views_discrepancy = {_HOLDS["views_discrepancy"]}, views_diff_pct = {_HOLDS["views_diff_pct"]},
    money_at_risk = {_HOLDS["money_at_risk"]},
    currency = CASE WHEN {_HOLDS["money_at_risk"]} IS NULL THEN '' ELSE verdict.currency END
"""
"""What `PostState` copies of a verdict, or of the override that holds in its place."""


class PostStateQuerySet(CountableQuerySet):
    """How posts stand now."""

    number = Count("pk")

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Those of posts this user may see."""
        return self.filter(post__in=_visible_posts(user))

    def for_page(self) -> Self:
        """Everything that a post's own page shows of how it stands, in one query."""
        return self.select_related(
            "post__platform",
            "post__campaign__advertiser",
            "post__affiliate",
            "post__text",
            "current_claim",
            "current_verdict__platform_report",
            "current_verdict__ruleset",
            "override",
            "latest_snapshot",
        )

    def take(self, post: "Post") -> None:
        """Lock how a post stands before it is displaced or merged, which changes both rows: job, state, post is the
        order in which claiming and settling take them."""
        list(self.select_for_update().filter(post=post))

    def shown_claims(self, post_ids: Collection[UUID]) -> list[ShownClaim]:
        """Of those of these posts that stand, are identified and are not known to be hidden, what is claimed now."""
        rows = read_rows(
            """
            SELECT state.post_id, state.campaign_id, state.platform_id, state.claimed_at, state.claimed_views,
                claim.claimed_clicks, claim.claimed_conversions
            FROM reconciliation_poststate state
            JOIN reconciliation_affiliatereport claim ON claim.id = state.current_claim_id
            JOIN campaigns_post post ON post.id = state.post_id
            LEFT JOIN reconciliation_platformreport snapshot ON snapshot.id = state.latest_snapshot_id
            WHERE state.post_id = ANY(%s::uuid[]) AND state.is_standing AND post.is_identified
                AND state.verdict <> 'withdrawn'
                AND coalesce(snapshot.availability, 'live') = 'live'
            """,
            [array(post_ids)],
        )
        return [ShownClaim._make(row) for row in rows]

    def write_claims(self, claims: Mapping[UUID, UUID]) -> None:
        """Make these claims, by the ids of their posts, the current ones, in one statement. None has a verdict yet."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO reconciliation_poststate (
                    post_id, campaign_id, platform_id, affiliate_id, is_standing,
                    current_claim_id, claimed_at, claimed_on, claimed_views, verdict, currency
                )
                SELECT post.id, post.campaign_id, post.platform_id, post.affiliate_id,
                    post.displaced_at IS NULL AND post.merged_into_id IS NULL,
                    claim.id, claim.claimed_at, (claim.claimed_at AT TIME ZONE advertiser.time_zone)::date,
                    claim.claimed_views, 'pending', ''
                FROM unnest(%s::uuid[], %s::uuid[]) AS new (post, claim)
                    JOIN campaigns_post AS post ON post.id = new.post
                    JOIN reconciliation_affiliatereport AS claim ON claim.id = new.claim
                    JOIN campaigns_campaign AS campaign ON campaign.id = post.campaign_id
                    JOIN campaigns_advertiser AS advertiser ON advertiser.id = campaign.advertiser_id
                ORDER BY post.id
                ON CONFLICT (post_id) DO UPDATE
                SET current_claim_id = excluded.current_claim_id, claimed_at = excluded.claimed_at,
                    claimed_on = excluded.claimed_on, claimed_views = excluded.claimed_views,
                    current_verdict_id = NULL, override_id = NULL, verdict = 'pending', views_discrepancy = NULL,
                    views_diff_pct = NULL, money_at_risk = NULL, currency = ''
                """,
                [array(claims), array(claims.values())],
            )

    def write_looks(self, looks: Sequence[Looked]) -> None:
        """Save what a settled batch found of these posts, in one statement."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                UPDATE reconciliation_poststate AS row
                SET current_verdict_id = new.current_verdict, counted_verdict_id = new.counted_verdict,
                    latest_snapshot_id = new.snapshot, last_fetched_at = new.fetched_at,
                    seen_live_at = new.seen_live_at, {_OUTCOME}
                FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::timestamptz[], %s::timestamptz[])
                    AS new (post, current_verdict, counted_verdict, snapshot, fetched_at, seen_live_at)
                    LEFT JOIN reconciliation_reconciliationlog AS verdict ON verdict.id = new.current_verdict
                    {_WITH_OVERRIDE}
                WHERE row.post_id = new.post
                """,
                [array(column) for column in zip(*looks, strict=True)],
            )

    def fall_back(self, post_id: UUID) -> None:
        """Let a post stand by its latest claim that was not withdrawn unseen, and by the last word on that. Without
        one it stays with the claim it has, which is worth nothing."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                UPDATE reconciliation_poststate AS row
                SET current_claim_id = standing.id, claimed_at = standing.claimed_at,
                    claimed_on = (standing.claimed_at AT TIME ZONE standing.time_zone)::date,
                    claimed_views = standing.claimed_views, current_verdict_id = verdict.id, {_OUTCOME}
                FROM (
                    SELECT claim.*, advertiser.time_zone FROM reconciliation_affiliatereport AS claim
                        JOIN campaigns_post AS post ON post.id = claim.post_id
                        JOIN campaigns_campaign AS campaign ON campaign.id = post.campaign_id
                        JOIN campaigns_advertiser AS advertiser ON advertiser.id = campaign.advertiser_id
                    WHERE claim.post_id = %(post)s AND NOT EXISTS (
                        SELECT FROM reconciliation_claimwithdrawal AS gone
                        WHERE gone.claim_id = claim.id AND gone.is_unseen
                    )
                    ORDER BY claim.claimed_at DESC, claim.id DESC LIMIT 1
                ) AS standing
                    LEFT JOIN LATERAL (
                        SELECT * FROM reconciliation_reconciliationlog WHERE affiliate_report_id = standing.id
                        ORDER BY next_look_at DESC NULLS FIRST, processed_at DESC, id DESC LIMIT 1
                    ) AS verdict ON true
                    {_WITH_OVERRIDE}
                WHERE row.post_id = %(post)s
                """,
                {"post": post_id},
            )
            if not cursor.rowcount:
                self.filter(post=post_id).update(verdict="withdrawn", claimed_views=None)

    def write_decision(self, verdict_id: UUID) -> None:
        """Let the post of this verdict stand as is decided of it, should it be the current one."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                UPDATE reconciliation_poststate AS row SET {_OUTCOME}
                FROM reconciliation_reconciliationlog AS verdict
                    {_WITH_OVERRIDE}
                WHERE verdict.id = %s AND row.post_id = verdict.post_id AND row.current_verdict_id = verdict.id
                """,
                [verdict_id],
            )

    def standing(self) -> Self:
        """Those whose post was neither displaced by a proven owner nor merged into another."""
        return self.filter(is_standing=True)

    def matching(self, text: str) -> Self:
        """Those whose title or affiliate contains the text, in any case, or whose link or id it is."""
        titled = apps.get_model("campaigns", "PostText").objects.filter(title__icontains=text).values("post")
        linked = apps.get_model("campaigns", "Post").objects.linked_by(text).order_by().values("pk")
        theirs = self.filter(affiliate__name__icontains=text).order_by().values("pk")
        return self.filter(pk__in=titled.union(linked, theirs, all=True))

    def ids_at(self, places: range, count: int) -> list[UUID]:
        """The posts at these places of all `count`, counted from the end that is nearer: what is passed over costs."""
        ids = self.values_list("pk", flat=True)
        if places.stop <= count // 2:
            return list(ids[places.start : places.stop])
        return list(ids.reverse()[count - places.stop : count - places.start])[::-1]

    def shown(self, ids: Collection[UUID]) -> list[ShownPost]:
        """These posts as lists show them, in this order."""
        # Names are looked up one by one: ten joins would take several times as long to plan as all of it to run.
        rows = read_rows(
            """
            SELECT post.id, post.url, (SELECT title FROM campaigns_posttext WHERE post_id = post.id), post.posted_at,
                (SELECT name FROM platforms_platform WHERE id = post.platform_id),
                campaign.campaign_name, campaign.livemode,
                (SELECT name FROM affiliates_affiliate WHERE id = post.affiliate_id),
                (
                    SELECT trust_score FROM reconciliation_trustscore
                    WHERE affiliate_id = post.affiliate_id AND total_submissions > 0
                ),
                claim.claimed_at, claim.claimed_views, claim.claimed_clicks, claim.claimed_conversions,
                COALESCE(override.status, verdict.status, CASE state.verdict WHEN 'withdrawn' THEN 'WITHDRAWN' END),
                CASE WHEN override.id IS NULL THEN verdict.discrepancy_level ELSE override.discrepancy_level END,
                COALESCE(override.explanation, verdict.explanation),
                state.money_at_risk, verdict.currency, state.views_discrepancy,
                CASE WHEN override.id IS NULL THEN verdict.clicks_discrepancy ELSE override.clicks_discrepancy END,
                CASE
                    WHEN override.id IS NULL THEN verdict.conversions_discrepancy
                    ELSE override.conversions_discrepancy
                END,
                state.views_diff_pct,
                CASE WHEN override.id IS NULL THEN verdict.clicks_diff_pct ELSE override.clicks_diff_pct END,
                CASE WHEN override.id IS NULL THEN verdict.conversions_diff_pct ELSE override.conversions_diff_pct END,
                COALESCE(
                    (
                        SELECT explanation FROM reconciliation_override WHERE verdict_id = state.counted_verdict_id
                        ORDER BY number DESC LIMIT 1
                    ),
                    (SELECT explanation FROM reconciliation_reconciliationlog WHERE id = state.counted_verdict_id)
                )
            FROM unnest(%s::uuid[]) WITH ORDINALITY AS wanted (id, place)
                JOIN reconciliation_poststate state ON state.post_id = wanted.id
                JOIN campaigns_post post ON post.id = wanted.id
                JOIN campaigns_campaign campaign ON campaign.id = post.campaign_id
                JOIN reconciliation_affiliatereport claim ON claim.id = state.current_claim_id
                LEFT JOIN reconciliation_reconciliationlog verdict ON verdict.id = state.current_verdict_id
                LEFT JOIN reconciliation_override override ON override.id = state.override_id
            ORDER BY wanted.place
            """,
            [array(ids)],
        )
        return [ShownPost(*row) for row in rows]

    def accounts(self, pairs: Collection[tuple[UUID, UUID]]) -> list[AccountShare]:
        """What stands of these pairs of a campaign and an affiliate, summed up by platform, in one statement."""
        # An account at a time, by the index of its affiliate. What is known of views stands in the state itself: for
        # claims of nothing else no verdict is looked up.
        rows = read_rows(
            """
            SELECT wanted.campaign, wanted.affiliate, share.*
            FROM unnest(%(campaigns)s::uuid[], %(affiliates)s::uuid[]) AS wanted (campaign, affiliate),
                LATERAL (
                    SELECT state.platform_id, count(*),
                        count(*) FILTER (WHERE state.verdict = 'high'),
                        count(*) FILTER (WHERE state.verdict = 'medium'),
                        count(*) FILTER (WHERE state.verdict = 'invalid_claim'),
                        sum(claim.claimed_views) FILTER (WHERE state.views_discrepancy IS NOT NULL),
                        sum(claim.claimed_clicks) FILTER (
                            WHERE CASE WHEN override.id IS NULL THEN verdict.clicks_discrepancy
                                ELSE override.clicks_discrepancy END IS NOT NULL
                        ),
                        sum(claim.claimed_conversions) FILTER (
                            WHERE CASE WHEN override.id IS NULL THEN verdict.conversions_discrepancy
                                ELSE override.conversions_discrepancy END IS NOT NULL
                        ),
                        sum(state.money_at_risk),
                        count(*) FILTER (WHERE state.verdict IN ('medium', 'high') AND state.money_at_risk IS NULL)
                    FROM reconciliation_poststate state
                        LEFT JOIN reconciliation_affiliatereport claim
                            ON claim.id = state.current_claim_id AND state.verdict = ANY(%(compared)s)
                        LEFT JOIN reconciliation_reconciliationlog verdict
                            ON verdict.id = CASE
                                WHEN coalesce(claim.claimed_clicks, claim.claimed_conversions) IS NOT NULL
                                THEN state.current_verdict_id
                            END
                        LEFT JOIN reconciliation_override override ON override.id = state.override_id
                    WHERE state.campaign_id = wanted.campaign AND state.affiliate_id = wanted.affiliate
                        AND state.is_standing
                    GROUP BY state.platform_id
                ) AS share
            """,
            _columns_of(pairs) | {"compared": [*OVER_CLAIMED, "matched"]},
        )
        return [AccountShare._make(row) for row in rows]

    def verdicts_behind(self, pairs: Collection[tuple[UUID, UUID]], limit: int) -> dict[tuple[UUID, UUID], list[UUID]]:
        """The current verdicts that say over-claimed or invalid, the costliest first, so many at most of each pair of a
        campaign and an affiliate."""
        rows = read_rows(
            """
            SELECT wanted.campaign, wanted.affiliate, behind.current_verdict_id
            FROM unnest(%(campaigns)s::uuid[], %(affiliates)s::uuid[]) AS wanted (campaign, affiliate),
                LATERAL (
                    SELECT current_verdict_id, money_at_risk, post_id FROM reconciliation_poststate
                    WHERE campaign_id = wanted.campaign AND affiliate_id = wanted.affiliate AND is_standing
                        AND verdict = ANY(%(misclaimed)s)
                    ORDER BY money_at_risk DESC NULLS LAST, post_id DESC LIMIT %(limit)s
                ) AS behind
            ORDER BY behind.money_at_risk DESC NULLS LAST, behind.post_id DESC
            """,
            _columns_of(pairs) | {"misclaimed": [*MISCLAIMED], "limit": limit},
        )
        found: dict[tuple[UUID, UUID], list[UUID]] = {pair: [] for pair in pairs}
        for campaign, affiliate, verdict in rows:
            found[campaign, affiliate].append(verdict)
        return found

    def as_of(self) -> datetime | None:
        """When one of them was last looked at."""
        moment: datetime | None = self.aggregate(as_of=Max("last_fetched_at"))["as_of"]
        return moment

    def sorted_by(self, name: str) -> Self:
        """By a name of `POST_ORDERS`, downwards with a minus before it. What nobody knows comes last either way."""
        column, is_down = name.removeprefix("-"), name.startswith("-")
        # An index holds what is always known in the order that PostgreSQL takes for granted.
        nulls_last = None if column == "claimed_at" else True
        key = OrderBy(POST_ORDERS[column], descending=is_down, nulls_last=nulls_last)
        return self.order_by(key, "-post_id" if is_down else "post_id")


class RollUpQuerySet(CountableQuerySet):
    """Sums over posts that stand."""

    number = Sum("post_count")
    key: tuple[str, ...]

    def totals(self) -> dict[str, Any]:
        """What was claimed for these posts, how much of it was found, and what is not judged yet: see `SUMS`.

        Money at risk comes apart, by currency: see `money_at_risk`.
        """
        return self.aggregate(**SUMS)

    def totals_by_campaign(self) -> dict[UUID, dict[str, Any]]:
        """The totals of each campaign these posts belong to."""
        rows = self.order_by().values("campaign").annotate(**SUMS).filter(posts__gt=0)
        return {row.pop("campaign"): row for row in rows}

    def money_at_risk(self, *by: str) -> "models.QuerySet[Any]":
        """Over-claimed quantity × rate of the current discrepancies, a row for each currency and `by`. Never mixed."""
        rows: models.QuerySet[Any] = (
            self.exclude(currency="")
            .order_by("currency")
            .values(*by, "currency")
            .annotate(amount=Sum("money_sum"), posts=Sum("post_count"))
            .filter(posts__gt=0)
        )
        return rows

    def fold(self, limit: int) -> int:
        """Fold the keys of some increments, the oldest, into a row each; returns how many increments that were.

        One statement: whoever reads the sums meanwhile finds the same as before and after. One caller at a time.
        """
        table = self.model._meta.db_table
        key = ", ".join(self.key)
        sums = ", ".join(f"sum({column}) AS {column}" for column in MEASURES)
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                WITH fresh AS (
                    SELECT DISTINCT {key}
                    FROM (SELECT {key} FROM {table} WHERE NOT is_folded ORDER BY id LIMIT %s) AS oldest
                ), gone AS (
                    DELETE FROM {table} AS row USING fresh
                    WHERE ({", ".join(f"row.{column}" for column in self.key)})
                        = ({", ".join(f"fresh.{column}" for column in self.key)})
                    RETURNING row.*
                ), folded AS (
                    INSERT INTO {table} ({key}, {", ".join(MEASURES)}, is_folded)
                    SELECT *, true FROM (SELECT {key}, {sums} FROM gone GROUP BY {key}) AS summed WHERE post_count <> 0
                )
                SELECT count(*) FROM gone WHERE NOT is_folded
                """,
                [limit],
            )
            [(increments,)] = cursor.fetchall()
        return int(increments)


class DayRollUpQuerySet(RollUpQuerySet):
    """Sums by campaign and day."""

    key = ("campaign_id", "platform_id", "day", "verdict", "currency")

    def totals_by_claim_day(self, days: int) -> "models.QuerySet[Any]":
        """Claimed and verified views of so many days up to the newest claim, oldest first: day, claimed, verified.

        Only claims that could be compared have figures, so that the gap between the two is what was not found.
        """
        last = self.order_by().values("day").annotate(n=self.number).filter(n__gt=0)
        rows: models.QuerySet[Any] = (
            self.filter(day__gt=Subquery(last.order_by("-day").values("day")[:1]) - timedelta(days=days))
            .order_by("day")
            .values("day")
            .annotate(
                n=self.number,
                claimed=SUMS["verified_views"] + SUMS["over_claimed_views"],
                verified=SUMS["verified_views"],
            )
            .filter(n__gt=0)
        )
        return rows


class AffiliateRollUpQuerySet(RollUpQuerySet):
    """Sums by campaign and affiliate."""

    key = ("campaign_id", "platform_id", "affiliate_id", "verdict", "currency")

    def affiliates(self, limit: int, *, among: Q, chosen: UUID | None) -> list[tuple[UUID, str, int]]:
        """Whose these posts are, by name: id, name, and how many of `among` are theirs.

        Of more than `limit` affiliates those with the most posts, and the chosen one.
        """
        each = self.order_by().values_list("affiliate").annotate(total=self.number).filter(total__gt=0)
        each = each.annotate(n=Coalesce(Sum("post_count", filter=among), 0)).order_by("-total")
        found = {pk: n for rows in (each[:limit], each.filter(affiliate=chosen) if chosen else ()) for pk, _, n in rows}
        by_name = "SELECT id, name FROM affiliates_affiliate WHERE id = ANY(%s::uuid[]) ORDER BY name, id"
        return [(pk, name, found[pk]) for pk, name in read_rows(by_name, [array(found)])]

    def misclaiming(self) -> "models.QuerySet[Any]":
        """Campaigns with an affiliate that over-claims anything in it now, or claims what can't be: the newest campaign
        first, and in it the costliest."""
        these = Sum("post_count", filter=Q(verdict__in=MISCLAIMED))
        rows: models.QuerySet[Any] = (
            self.order_by()
            .values("campaign", "affiliate")
            .annotate(misclaimed=these, amount=Sum("money_sum"))
            .filter(misclaimed__gt=0)
            .order_by("-campaign", "-amount", "affiliate")
        )
        return rows

    def affiliate_totals(self) -> dict[str, int]:
        """How many affiliates these posts are of, and how many of them have money at risk."""
        at_risk = Sum("post_count", filter=~Q(currency=""))
        each = self.order_by().values("affiliate").annotate(n=self.number, at_risk=at_risk).filter(n__gt=0)
        totals: dict[str, int] = each.aggregate(
            affiliates=Count("affiliate"), affiliates_at_risk=Count("affiliate", filter=Q(at_risk__gt=0))
        )
        return totals


class ImportQuerySet(models.QuerySet[Any]):
    """Imported files."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Staff see all, others what they sent; a test key what was sent with one, a live key what was not."""
        livemode = getattr(user, "livemode", None)
        mode = {None: Q(), True: Q(livemode=None) | Q(livemode=True), False: Q(livemode=False)}[livemode]
        return self.filter(mode, Q() if user.is_staff else Q(created_by=user.pk))
