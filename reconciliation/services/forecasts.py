"""Forecasts: what a campaign's plans need of the call budgets, from the posts that there are."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, Sum

from campaigns.models import Campaign, CampaignPlatform
from campaigns.plans import DAY, Plan
from config import clock
from platforms.adapters import ADAPTER_CLASSES
from platforms.models import Connection
from reconciliation.forecasting import Crowd, Forecast, forecast
from reconciliation.models import AffiliateRollUp, DayRollUp

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
    """What the looks planned for a campaign need, by platform; a few queries, of roll-ups only.

    Only posts that the application's own connection asks for: an affiliate's connection has a budget of its own. How
    many of a day's posts these are is taken from all of the campaign's.
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
    """By platform and campaign, of those whose looks have not ended, from the roll-ups."""
    assigned = CampaignPlatform.objects.filter(
        campaign__livemode=livemode, campaign__ends_on__gte=now - LONGEST_AFTER_END, platform__in=platform_ids
    ).select_related("campaign__advertiser")
    lasting = {
        (row.campaign_id, row.platform_id): row
        for row in assigned
        if row.campaign.looks_end_at > now and row.plan != Plan()
    }
    campaign_ids = {campaign_id for campaign_id, _ in lasting}
    shares = _shares(campaign_ids, platform_ids, livemode)
    by_day = DayRollUp.objects.filter(campaign__in=campaign_ids, platform__in=platform_ids).exclude(
        verdict="post_missing"
    )
    crowds: dict[UUID, dict[UUID, list[Crowd]]] = defaultdict(lambda: defaultdict(list))
    for campaign_id, platform_id, day, posts in (
        by_day.order_by().values_list("campaign", "platform", "day").annotate(posts=Sum("claiming_count"))
    ):
        if row := lasting.get((campaign_id, platform_id)):
            age = (row.campaign.advertiser.today - day).days * DAY
            of_ours = posts * shares.get((campaign_id, platform_id), 1.0)
            crowds[platform_id][campaign_id].append(Crowd(row.plan, of_ours, age, row.campaign.looks_end_at - now))
    return crowds


def _shares(
    campaign_ids: Collection[UUID], platform_ids: Sequence[UUID], livemode: bool
) -> dict[tuple[UUID, UUID], float]:
    """Which part of a campaign's posts on a platform the application's own connection asks for."""
    lanes = Connection.objects.standing().filter(
        platform=OuterRef("platform"), affiliate=OuterRef("affiliate"), livemode=livemode
    )
    of_connected = AffiliateRollUp.objects.filter(campaign__in=campaign_ids, platform__in=platform_ids).alias(
        is_connected=Exists(lanes)
    )
    counts = of_connected.order_by().values_list("campaign", "platform")
    return {
        (campaign_id, platform_id): 1 - (connected or 0) / posts
        for campaign_id, platform_id, posts, connected in counts.annotate(
            posts=Sum("post_count"), connected=Sum("post_count", filter=Q(is_connected=True))
        )
        if posts > 0
    }
