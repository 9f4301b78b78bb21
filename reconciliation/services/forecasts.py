"""Forecasts: what a campaign's plans need of the call budgets, from the posts that there are."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection as database

from campaigns.models import Campaign, CampaignPlatform
from campaigns.plans import DAY
from config import clock
from platforms.adapters import ADAPTER_CLASSES
from reconciliation.forecasting import Crowd, Forecast, forecast

LONGEST_AFTER_END = timedelta(days=366 + 60 + 2)
"""The longest claim window, the longest that sales may lag, and a time zone's share of a day."""


@dataclass(frozen=True, slots=True)
class PlatformForecast:
    """Of one platform that a campaign runs on."""

    assigned: CampaignPlatform
    forecast: Forecast

    @property
    def plan(self) -> str:
        """The words that hold."""
        return self.assigned.recheck_plan or settings.RECHECK_PLAN

    @property
    def sentence(self) -> str:
        return self.forecast.sentence(self.assigned.platform.name)


def forecasts(*, campaign: Campaign) -> list[PlatformForecast]:
    """What the looks planned for a campaign need, by platform; two queries. A post's age is that of its first claim.

    Only posts that the application's own connection asks for: an affiliate's connection has a budget of its own.
    """
    now = clock.now()
    running = list(
        campaign.campaign_platforms.filter(closed_at=None).select_related("platform", "campaign__advertiser")
    )
    crowds = _crowds(campaign.livemode, [each.platform_id for each in running], now)
    return [PlatformForecast(each, _forecast(each, crowds[each.platform_id])) for each in running]


def _forecast(assigned: CampaignPlatform, crowds: dict[UUID, list[Crowd]]) -> Forecast:
    adapter = ADAPTER_CLASSES[assigned.platform.slug]
    return forecast(
        own=crowds.get(assigned.campaign_id, []),
        others=[crowd for campaign, of_it in crowds.items() if campaign != assigned.campaign_id for crowd in of_it],
        looks_a_call=1 if adapter.counts_each_post else adapter.batch_size,
        budget=assigned.platform.budget,
    )


def _crowds(livemode: bool, platform_ids: Sequence[UUID], now: datetime) -> dict[UUID, dict[UUID, list[Crowd]]]:
    """By platform and campaign, of those whose looks have not ended."""
    assigned = CampaignPlatform.objects.filter(
        campaign__livemode=livemode, campaign__ends_on__gte=now - LONGEST_AFTER_END, platform__in=platform_ids
    ).select_related("campaign__advertiser")
    lasting = {
        (row.campaign_id, row.platform_id): (row.plan, left)
        for row in assigned
        if (left := row.campaign.looks_end_at - now) > timedelta()
    }
    with database.cursor() as cursor:
        cursor.execute(
            """
            SELECT post.campaign_id, post.platform_id,
                   greatest(0, floor(extract(epoch FROM %(now)s - post.created_at) / 86400))::int, count(*)
            FROM campaigns_post post
            WHERE post.campaign_id = ANY(%(campaigns)s) AND post.platform_id = ANY(%(platforms)s)
                AND post.is_identified AND post.displaced_at IS NULL AND post.merged_into_id IS NULL
                AND NOT EXISTS (
                    SELECT FROM platforms_connection lane
                    WHERE lane.platform_id = post.platform_id AND lane.affiliate_id = post.affiliate_id
                        AND lane.livemode = %(livemode)s AND lane.state <> 'disconnected'
                )
            GROUP BY 1, 2, 3
            """,
            {
                "now": now,
                "campaigns": list({campaign for campaign, _ in lasting}),
                "platforms": list(platform_ids),
                "livemode": livemode,
            },
        )
        counted = cursor.fetchall()
    crowds: dict[UUID, dict[UUID, list[Crowd]]] = defaultdict(lambda: defaultdict(list))
    for campaign_id, platform_id, age_d, posts in counted:
        if (campaign_id, platform_id) in lasting:
            plan, left = lasting[campaign_id, platform_id]
            crowds[platform_id][campaign_id].append(Crowd(plan, posts, age_d * DAY, left))
    return crowds
