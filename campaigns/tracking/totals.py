"""What clicks and conversions add up to: the truth for verdicts, and figures for people.

They are counted each time: no counter is kept that could differ from its rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection


@dataclass(frozen=True, slots=True)
class Tracked:
    """What our tracking says of a link, and how many posts it serves. None: nobody reports its campaign's sales."""

    clicks: int
    conversions: int | None
    posts: int


@dataclass(frozen=True, slots=True)
class LinkTotals:
    """A link's clicks and conversions. What is set apart or reversed is not among the others."""

    clicks: int = 0
    clicks_set_apart: int = 0
    conversions: int = 0
    conversions_reversed: int = 0


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


def totals(links: Iterable[UUID]) -> Mapping[UUID, LinkTotals]:
    """The figures of these links now, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT link.id,
                (SELECT count(*) FROM campaigns_click WHERE link_id = link.id AND invalid_reason = ''),
                (SELECT count(*) FROM campaigns_click WHERE link_id = link.id AND invalid_reason <> ''),
                (SELECT count(*) FROM campaigns_conversion WHERE link_id = link.id AND status <> 'reversed'),
                (SELECT count(*) FROM campaigns_conversion WHERE link_id = link.id AND status = 'reversed')
            FROM unnest(%s::uuid[]) AS link (id)
            """,
            [list(links)],
        )
        return {link: LinkTotals(*figures) for link, *figures in cursor.fetchall()}
