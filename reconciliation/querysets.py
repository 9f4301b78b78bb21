"""Sets of claims, verdicts, jobs and current states that have a name."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from django.apps import apps
from django.db import connection, models
from django.db.models import Count, Exists, F, Max, Min, OrderBy, OuterRef, Prefetch, Q, Subquery, Sum, Value
from django.db.models.functions import Coalesce, TruncDate

from config.bulk import array
from config.models import AppendOnlyQuerySet
from reconciliation.sums import COMPARED, POST_ORDERS, SUMS

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from affiliates.models import User
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
        "state__latest_snapshot",
    ).annotate(
        title=Coalesce("text__title", Value("")),
        description=Coalesce("text__description", Value(""), output_field=models.TextField()),
        next_look_at=Subquery(jobs.filter(post=OuterRef("pk")).values("due_at")),
    )
    return standing


class AffiliateReportQuerySet(AppendOnlyQuerySet):
    """Claims."""

    def open(self) -> Self:
        """Claims without a counted verdict."""
        verdicts = apps.get_model("reconciliation", "ReconciliationLog").objects
        return self.filter(~Exists(verdicts.filter(affiliate_report=OuterRef("pk"), next_look_at=None)))

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Those of posts this user may see."""
        return self.filter(post__in=_visible_posts(user))

    def with_verdicts(self) -> Self:
        """Each with its post and its verdicts, newest first, in two queries."""
        verdicts = apps.get_model("reconciliation", "ReconciliationLog").objects.for_results()
        return self.select_related("post__platform", "post__campaign", "post__affiliate").prefetch_related(
            Prefetch("verdicts", verdicts.order_by("-processed_at", "-id"))
        )


class PlatformReportQuerySet(AppendOnlyQuerySet):
    """Snapshots."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Those of posts this user may see."""
        return self.filter(post__in=_visible_posts(user))


class ReconciliationLogQuerySet(AppendOnlyQuerySet):
    """Verdicts."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Those of posts this user may see."""
        return self.filter(post__in=_visible_posts(user))

    def counted(self) -> Self:
        """Each claim's one last word."""
        return self.filter(next_look_at=None)

    def for_results(self) -> Self:
        """Everything a list of verdicts shows, in one query."""
        return self.select_related(
            "affiliate_report",
            "platform_report",
            "ruleset",
            "post__platform",
            "post__campaign",
            "post__affiliate",
        )


class JobQuerySet(models.QuerySet[Any]):
    """Looks to be taken."""

    def pending(self) -> Self:
        """Those that are not over yet; a post has at most one."""
        return self.filter(state__in=("due", "leased"))

    def due(self, moment: datetime) -> Self:
        """Those whose time has come and that nobody holds."""
        return self.filter(state="due", due_at__lte=moment)

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
        """Of each platform where a lane that may call has something due: platform_id, since when the oldest is due."""
        lanes = apps.get_model("platforms", "Connection").objects.may_call(moment)
        due = self.due(moment).filter(connection__in=lanes).order_by().values_list("connection__platform_id")
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


LookRow = tuple[UUID, UUID | None, UUID | None, UUID | None, datetime | None, datetime | None]
"""What `PostStateQuerySet.write_looks` takes of each post."""


class PostStateQuerySet(models.QuerySet[Any]):
    """How posts stand now."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Those of posts this user may see."""
        return self.filter(post__in=_visible_posts(user))

    def for_list(self) -> Self:
        """Everything a row of a campaign's or an affiliate's list shows, in one query."""
        return self.select_related(
            "post__platform",
            "post__campaign",
            "post__affiliate__trust",
            "post__text",
            "current_claim",
            "current_verdict__platform_report",
            "counted_verdict",
            "latest_snapshot",
        )

    def write_looks(self, looks: "Sequence[LookRow]") -> None:
        """Save what a settled batch changed, in one statement: of each post its id, its current and its counted
        verdict, its newest snapshot, when it was last asked about and when it was first seen live."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE reconciliation_poststate AS row
                SET current_verdict_id = new.current_verdict, counted_verdict_id = new.counted_verdict,
                    latest_snapshot_id = new.snapshot, last_fetched_at = new.fetched_at, seen_live_at = new.seen_live_at
                FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::timestamptz[], %s::timestamptz[])
                    AS new (post, current_verdict, counted_verdict, snapshot, fetched_at, seen_live_at)
                WHERE row.post_id = new.post
                """,
                [array(column) for column in zip(*looks, strict=True)],
            )

    def with_verdict(self, word: str) -> Self:
        """Those whose current verdict reads so: `high`, `medium`, `low`, or a status in lower case, or `pending`."""
        if word == "pending":
            return self.filter(current_verdict=None)
        if word in ("high", "medium", "low"):
            return self.filter(current_verdict__status="DISCREPANCY", current_verdict__discrepancy_level=word.upper())
        return self.filter(current_verdict__status=word.upper())

    def standing(self) -> Self:
        """Those whose post was neither displaced by a proven owner nor merged into another."""
        return self.filter(post__displaced_at=None, post__merged_into=None)

    def matching(self, text: str) -> Self:
        """Those whose title, address or affiliate contains the text, in any case."""
        return self.filter(
            Q(post__text__title__icontains=text)
            | Q(post__url__icontains=text)
            | Q(post__affiliate__name__icontains=text)
        )

    def sorted_by(self, name: str) -> Self:
        """By a name of `POST_ORDERS`, downwards with a minus before it. What nobody knows comes last either way."""
        key = OrderBy(POST_ORDERS[name.removeprefix("-")], descending=name.startswith("-"), nulls_last=True)
        return self.order_by(key, "-post_id")

    def verdict_counts(self) -> dict[str, int]:
        """How many posts read each word of `with_verdict`, and `all`."""
        rows = self.order_by().values_list("current_verdict__status", "current_verdict__discrepancy_level")
        counts = {"all": 0}
        for status, level, n in rows.annotate(n=Count("pk")):
            word = "pending" if status is None else (level if status == "DISCREPANCY" else status).lower()
            counts[word] = counts.get(word, 0) + n
            counts["all"] += n
        return counts

    def platform_counts(self, among: Self) -> list[tuple[str, str, int]]:
        """The platforms of these posts by name: slug, name, and how many of `among` are there."""
        rows = self.order_by("post__platform__name").values_list("post__platform__slug", "post__platform__name")
        return list(rows.annotate(n=_count_of(among)))

    def affiliate_counts(self, among: Self) -> list[tuple[str, str, int]]:
        """The affiliates of these posts by name: id, name, and how many of `among` are theirs."""
        rows = self.order_by("post__affiliate__name").values_list("post__affiliate_id", "post__affiliate__name")
        return [(str(pk), name, n) for pk, name, n in rows.annotate(n=_count_of(among))]

    def totals(self) -> dict[str, Any]:
        """What was claimed for these posts, how much of it was found, and what is not judged yet: see `SUMS`.

        Money at risk comes apart, by currency: see `money_at_risk`.
        """
        return self.aggregate(**SUMS)

    def totals_by_campaign(self) -> dict[UUID, dict[str, Any]]:
        """The totals of each campaign these posts belong to."""
        rows = self.order_by().values("post__campaign").annotate(**SUMS)
        return {row.pop("post__campaign"): row for row in rows}

    def totals_by_claim_day(self, time_zone: str) -> "models.QuerySet[Any]":
        """Claimed and verified views by the day of the current claim, oldest first: day, posts, claimed, verified.

        Only claims that could be compared have figures, so that the gap between the two is what was not found.
        """
        day = TruncDate("current_claim__claimed_at", tzinfo=ZoneInfo(time_zone))
        rows: models.QuerySet[Any] = (
            self.order_by()
            .values(day=day)
            .annotate(
                posts=Count("pk"),
                claimed=Sum("current_claim__claimed_views", filter=COMPARED),
                verified=SUMS["verified_views"],
            )
            .order_by("day")
        )
        return rows

    def money_at_risk(self, *by: str) -> "models.QuerySet[Any]":
        """Over-claimed quantity × rate of the current discrepancies, a row for each currency and `by`. Never mixed."""
        rows: models.QuerySet[Any] = (
            self.filter(current_verdict__status="DISCREPANCY", current_verdict__money_at_risk__isnull=False)
            .order_by("current_verdict__currency")
            .values(*by, currency=F("current_verdict__currency"))
            .annotate(
                amount=Sum("current_verdict__money_at_risk"),
                posts=Count("pk"),
                affiliates=Count("post__affiliate", distinct=True),
            )
        )
        return rows


def _count_of(among: PostStateQuerySet) -> Count:
    return Count("pk", filter=Q(pk__in=among.order_by().values("pk")))


class ImportQuerySet(models.QuerySet[Any]):
    """Imported files."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Staff see all, others what they sent; a test key what was sent with one, a live key what was not."""
        livemode = getattr(user, "livemode", None)
        mode = {None: Q(), True: Q(livemode=None) | Q(livemode=True), False: Q(livemode=False)}[livemode]
        return self.filter(mode, Q() if user.is_staff else Q(created_by=user.pk))
