"""Sets of claims, verdicts, jobs and current states that have a name."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.db import connection, models
from django.db.models import Count, Exists, F, OuterRef, Q, Sum

from config.models import AppendOnlyQuerySet

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from affiliates.models import User
    from reconciliation.models import PostState


def _visible_posts(user: "User | AnonymousUser") -> "models.QuerySet[Any]":
    return apps.get_model("campaigns", "Post").objects.visible_to(user).values("pk")


class AffiliateReportQuerySet(AppendOnlyQuerySet):
    """Claims."""

    def open(self) -> Self:
        """Claims without a counted verdict."""
        verdicts = apps.get_model("reconciliation", "ReconciliationLog").objects
        return self.filter(~Exists(verdicts.filter(affiliate_report=OuterRef("pk"), next_look_at=None)))

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
        open_lane = Q(connection=None) | (
            Q(connection__state="active")
            & (Q(connection__not_before=None) | Q(connection__not_before__lte=moment))
        )
        return self.due(moment - after).filter(open_lane).order_by().values_list("connection_id", flat=True).distinct()


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

    def write_looks(self, states: Sequence["PostState"]) -> None:
        """Save what a settled batch changed on these rows, in one statement."""
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
                [
                    [state.post_id for state in states],
                    [state.current_verdict_id for state in states],
                    [state.counted_verdict_id for state in states],
                    [state.latest_snapshot_id for state in states],
                    [state.last_fetched_at for state in states],
                    [state.seen_live_at for state in states],
                ],
            )

    def with_verdict(self, word: str) -> Self:
        """Those whose current verdict reads so: `high`, `medium`, `low`, or a status in lower case, or `pending`."""
        if word == "pending":
            return self.filter(current_verdict=None)
        if word in ("high", "medium", "low"):
            return self.filter(
                current_verdict__status="DISCREPANCY", current_verdict__discrepancy_level=word.upper()
            )
        return self.filter(current_verdict__status=word.upper())

    def verdict_counts(self) -> dict[str, int]:
        """How many posts read each word of `with_verdict`, and `all`."""
        rows = self.order_by().values_list("current_verdict__status", "current_verdict__discrepancy_level")
        counts = {"all": 0}
        for status, level, n in rows.annotate(n=Count("pk")):
            word = "pending" if status is None else (level if status == "DISCREPANCY" else status).lower()
            counts[word] = counts.get(word, 0) + n
            counts["all"] += n
        return counts

    def totals(self) -> dict[str, Any]:
        """Claimed, verified and over-claimed views, and what is not judged yet, of these posts' current claims.

        A claim counts as verified only where its verdict compared it with a truth. Money at risk comes apart, by
        currency: see `money_at_risk`.
        """
        compared = Q(current_verdict__status__in=["MATCHED", "DISCREPANCY"])
        over = Q(current_verdict__status="DISCREPANCY", current_verdict__views_discrepancy__gt=0)
        return self.aggregate(
            posts=Count("pk"),
            affiliates=Count("post__affiliate", distinct=True),
            claimed_views=Sum("current_claim__claimed_views"),
            compared_views=Sum(
                "current_claim__claimed_views", filter=compared & Q(current_verdict__views_discrepancy__isnull=False)
            ),
            verified_views=Sum(
                F("current_claim__claimed_views") - F("current_verdict__views_discrepancy"), filter=compared
            ),
            over_claimed_views=Sum("current_verdict__views_discrepancy", filter=over),
            over_claimed_posts=Count("pk", filter=Q(current_verdict__status="DISCREPANCY")),
            unjudged_views=Sum("current_claim__claimed_views", filter=Q(current_verdict=None) | ~compared),
            too_early=Count("pk", filter=Q(current_verdict__status="TOO_EARLY")),
            unverifiable=Count("pk", filter=Q(current_verdict__status="UNVERIFIABLE")),
            missing=Count("pk", filter=Q(current_verdict__status="POST_MISSING")),
            pending=Count("pk", filter=Q(current_verdict=None)),
        )

    def money_at_risk(self) -> "models.QuerySet[Any]":
        """Over-claimed quantity × rate of the current discrepancies, a row for each currency. Never mixed."""
        return (
            self.filter(current_verdict__status="DISCREPANCY", current_verdict__money_at_risk__isnull=False)
            .order_by("current_verdict__currency")
            .values(currency=F("current_verdict__currency"))
            .annotate(
                amount=Sum("current_verdict__money_at_risk"),
                posts=Count("pk"),
                affiliates=Count("post__affiliate", distinct=True),
            )
        )
