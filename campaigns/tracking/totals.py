"""What clicks and conversions add up to: the truth for verdicts, and figures for people.

They are counted each time: no counter is kept that could differ from its rows.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, Max, QuerySet, Sum

from campaigns.models import Campaign, Click, Conversion


@dataclass(frozen=True, slots=True)
class Tracked:
    """What our tracking says of a link, and how many posts it serves. None: nobody reports its campaign's sales."""

    clicks: int
    conversions: int | None
    posts: int


@dataclass(frozen=True, slots=True)
class Sales:
    """Conversions that stand alike, in one currency."""

    status: str
    currency: str
    number: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """What came through a link, or through several: clicks that count and, by reason, visits that are set apart; sales
    by status and currency."""

    clicks: int = 0
    last_click_at: datetime | None = None
    set_apart: Mapping[str, int] = field(default_factory=dict)
    sales: Sequence[Sales] = ()

    @property
    def clicks_set_apart(self) -> int:
        return sum(self.set_apart.values())

    @property
    def conversions(self) -> int:
        """Those that count: approved and pending."""
        return sum(each.number for each in self.sales if each.status != "reversed")

    @property
    def conversions_reversed(self) -> int:
        return self.number_of("reversed")

    def number_of(self, status: str) -> int:
        """How many conversions stand so."""
        return sum(each.number for each in self.sales if each.status == status)

    def amounts(self, *, is_reversed: bool) -> dict[str, Decimal]:
        """What the conversions that count, or those that were reversed, are worth, by currency."""
        found: dict[str, Decimal] = defaultdict(Decimal)
        for each in self.sales:
            if (each.status == "reversed") == is_reversed:
                found[each.currency] += each.amount
        return dict(sorted(found.items()))


def tracked(links: Iterable[UUID], *, as_of: datetime) -> dict[UUID, Tracked]:
    """What was known of these links at a moment, in one statement. One whose campaign has no landing page is left out:
    nothing comes through it.

    Conversions count from their report until their reversal. They are unknown, not 0, before the campaign had a key.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT link.id,
                (SELECT count(*) FROM campaigns_click
                 WHERE link_id = link.id AND invalid_reason = '' AND at <= %(as_of)s),
                CASE WHEN EXISTS (
                    SELECT FROM campaigns_postbackkey WHERE campaign_id = campaign.id AND created_at <= %(as_of)s
                ) THEN (
                    SELECT count(*) FROM campaigns_conversion
                    WHERE link_id = link.id AND received_at <= %(as_of)s
                        AND (reversed_at IS NULL OR reversed_at > %(as_of)s)
                ) END,
                (SELECT count(*) FROM campaigns_post
                 WHERE tracking_link_id = link.id AND displaced_at IS NULL AND merged_into_id IS NULL)
            FROM campaigns_trackinglink link JOIN campaigns_campaign campaign ON campaign.id = link.campaign_id
            WHERE link.id = ANY(%(links)s) AND campaign.landing_url <> ''
            """,
            {"links": list(set(links)), "as_of": as_of},
        )
        return {link: Tracked(*figures) for link, *figures in cursor.fetchall()}


def reversed_since(claims: Collection[tuple[UUID, datetime]], *, as_of: datetime) -> dict[tuple[UUID, datetime], int]:
    """How many conversions of a link were reversed between a moment and `as_of`, for pairs of a link and a moment, in
    one statement; pairs without one are left out."""
    if not claims:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT asked.link, asked.since, count(*)
            FROM (SELECT DISTINCT link, since FROM unnest(%s::uuid[], %s::timestamptz[]) AS pair (link, since)) asked
            JOIN campaigns_conversion conversion ON conversion.link_id = asked.link
                AND conversion.reversed_at > asked.since AND conversion.reversed_at <= %s AND received_at <= %s
            GROUP BY asked.link, asked.since
            """,
            [[link for link, _ in claims], [since for _, since in claims], as_of, as_of],
        )
        return {(link, since): number for link, since, number in cursor.fetchall()}


def totals(links: Collection[UUID] | QuerySet[Any]) -> Mapping[UUID, Totals]:
    """The figures of these links now, in three statements; one that nobody came through is left out."""
    counted: dict[UUID, dict[str, Any]] = defaultdict(dict)
    clicks = Click.objects.filter(link__in=links).order_by()
    # Each of the two has an index of its own.
    for row in clicks.filter(invalid_reason="").values("link_id").annotate(number=Count("pk"), last=Max("at")):
        counted[row["link_id"]] |= {"clicks": row["number"], "last_click_at": row["last"]}
    set_apart = clicks.exclude(invalid_reason="").values("link_id", "invalid_reason").annotate(number=Count("pk"))
    for visits in set_apart:
        counted[visits["link_id"]].setdefault("set_apart", {})[visits["invalid_reason"]] = visits["number"]
    sold = Conversion.objects.filter(link__in=links).order_by("status", "currency")
    for alike in sold.values("link_id", "status", "currency").annotate(number=Count("pk"), worth=Sum("amount")):
        sales = Sales(alike["status"], alike["currency"], alike["number"], alike["worth"])
        counted[alike["link_id"]].setdefault("sales", []).append(sales)
    return {link: Totals(**figures) for link, figures in counted.items()}


def campaign_totals(campaign: Campaign) -> Totals:
    """The figures of all links of a campaign together."""
    of_links = totals(campaign.tracking_links.order_by().values("pk")).values()
    set_apart: Counter[str] = Counter()
    for each in of_links:
        set_apart.update(each.set_apart)
    return Totals(
        clicks=sum(each.clicks for each in of_links),
        last_click_at=max((each.last_click_at for each in of_links if each.last_click_at), default=None),
        set_apart=dict(set_apart.most_common()),
        sales=[sales for each in of_links for sales in each.sales],
    )


def nobodys_sales(campaign: Campaign) -> dict[str, int]:
    """How many sales of a campaign go back to no link, by the reason why."""
    sales = Conversion.objects.filter(campaign=campaign, link=None).order_by("unattributed")
    return dict(sales.values_list("unattributed").annotate(Count("pk")))
