"""What can happen to campaigns, and to the brands and markets they are named after."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from django.db import IntegrityError, transaction

from affiliates.models import User
from affiliates.services import audit
from campaigns import landing, plans
from campaigns.errors import CampaignRefusedError, CampaignStateError, DuplicateNameError, UnknownReferenceError
from campaigns.models import Advertiser, Brand, Campaign, CampaignPlatform, Market, Post
from campaigns.naming import campaign_name as system_name
from campaigns.naming import clean_code
from campaigns.rates import Rates
from config import clock
from config.queue import enqueue
from platforms.models import Platform

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2100, 12, 31)

_MOVES = {
    Campaign.Status.ACTIVE: (Campaign.Status.DRAFT, Campaign.Status.PAUSED),
    Campaign.Status.PAUSED: (Campaign.Status.ACTIVE,),
    Campaign.Status.COMPLETED: (Campaign.Status.ACTIVE, Campaign.Status.PAUSED),
}
"""Into which status a campaign may come from which."""


class CampaignSettings(TypedDict, total=False):
    """What may be left to its default."""

    claim_window_days: int
    currency: str
    budget: Decimal | None
    conversion_lag_h: int
    is_open: bool
    allows_shared_content: bool
    requires_proof: bool
    landing_url: str
    click_window_min: int
    attribution_days: int
    allows_get_postbacks: bool


class CampaignChanges(CampaignSettings, total=False):
    """What may change after a campaign was made. Its names never do."""

    starts_on: date
    ends_on: date


@dataclass(frozen=True, slots=True)
class PlatformTerms:
    """A platform that a campaign shall run on, what it pays there, and when its posts are looked at again (see `plans`;
    empty: as everywhere)."""

    platform: Platform
    rates: Rates
    recheck_plan: str = ""


@transaction.atomic
def create_campaign(
    *,
    by: User,
    advertiser: Advertiser,
    brand: Brand,
    market: Market,
    campaign_name: str,
    starts_on: date,
    ends_on: date,
    year: int | None = None,
    platforms: Sequence[PlatformTerms] = (),
    **details: Unpack[CampaignSettings],
) -> Campaign:
    """Make a draft with its system-made name; `year` is the advertiser's current one unless given.

    Raises UnknownReferenceError for another advertiser's brand, DuplicateNameError, and CampaignRefusedError for a
    name without letters and digits, days that make no sense, a platform that is named twice, or a plan that is none.
    """
    if brand.advertiser_id != advertiser.pk:
        raise UnknownReferenceError("This advertiser has no such brand.", field="brand")
    _check_days(starts_on, ends_on)
    _check_landing_page(details.get("landing_url", ""))
    name = _system_name(brand, market, advertiser.today.year if year is None else year, campaign_name)
    campaign = Campaign(
        advertiser=advertiser,
        brand=brand,
        market=market,
        campaign_name=campaign_name,
        name=name,
        livemode=advertiser.livemode,
        starts_on=starts_on,
        ends_on=ends_on,
        created_by=by,
        **details,
    )
    try:
        with transaction.atomic():
            campaign.save(force_insert=True)
    except IntegrityError as error:
        if not Campaign.objects.filter(name=name).exists():
            raise
        raise DuplicateNameError(f"There is a campaign {name} already.", field="campaign_name") from error
    _write_platforms(campaign, platforms)
    audit(actor=by, action="campaign.created", row=campaign, changes={"name": name, "platforms": _terms(platforms)})
    return campaign


@transaction.atomic
def update_campaign(*, campaign: Campaign, by: User, **changes: Unpack[CampaignChanges]) -> Campaign:
    """Change what may change; what is not given stays.

    Raises CampaignRefusedError for days or a landing page that make no sense, CampaignStateError for another currency
    once there are posts: what they earned is counted in the present one.
    """
    current: Campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    _check_days(changes.get("starts_on", current.starts_on), changes.get("ends_on", current.ends_on))
    _check_landing_page(changes.get("landing_url", ""))
    given: dict[str, Any] = dict(changes)
    changed = {name: value for name, value in given.items() if value != getattr(current, name)}
    if "currency" in changed and Post.objects.filter(campaign=current).exists():
        raise CampaignStateError("The currency stays, now that there are posts.", field="currency")
    if not changed:
        return current
    before_and_after = {name: [_plain(getattr(current, name)), _plain(value)] for name, value in changed.items()}
    for name, value in changed.items():
        setattr(current, name, value)
    current.updated_at = clock.now()
    current.save(update_fields=[*changed, "updated_at"])
    if changed.keys() & {"ends_on", "claim_window_days", "conversion_lag_h"}:  # it is looked at until another day
        for assigned in CampaignPlatform.objects.filter(campaign=current):
            _plan_anew(assigned)
    audit(actor=by, action="campaign.updated", row=current, changes=before_and_after)
    return current


@transaction.atomic
def activate(*, campaign: Campaign, by: User) -> Campaign:
    """Take claims from now on. Raises CampaignStateError unless a draft or paused, with a platform to run on."""
    moved = _move(campaign, Campaign.Status.ACTIVE, by)
    if not CampaignPlatform.objects.filter(campaign=campaign, closed_at=None).exists():
        raise CampaignStateError("A campaign needs at least one platform first.", code="no_platform")
    return moved


@transaction.atomic
def pause(*, campaign: Campaign, by: User) -> Campaign:
    """Take no claims until it is activated again. Raises CampaignStateError unless active."""
    return _move(campaign, Campaign.Status.PAUSED, by)


@transaction.atomic
def complete(*, campaign: Campaign, by: User) -> Campaign:
    """Over for good; claims are taken until their window ends. Raises CampaignStateError unless active or paused."""
    return _move(campaign, Campaign.Status.COMPLETED, by)


@transaction.atomic
def set_platforms(*, campaign: Campaign, by: User, platforms: Sequence[PlatformTerms]) -> Campaign:
    """Make this the whole list of what the campaign runs on, with its rates.

    One that is left out is removed, or closed if it has posts; a closed one that is listed again is open again.
    Raises CampaignRefusedError for one that is named twice or looks again by what is no plan, CampaignStateError for an
    empty list once it is no draft.
    """
    current: Campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if not platforms and current.status != Campaign.Status.DRAFT:
        raise CampaignStateError("Only a draft may be without platforms.", field="platforms", code="no_platform")
    _write_platforms(current, platforms)
    audit(actor=by, action="campaign.platforms_set", row=current, changes={"platforms": _terms(platforms)})
    return current


@transaction.atomic
def create_brand(*, by: User, advertiser: Advertiser, code: str, name: str) -> Brand:
    """Give an advertiser a brand. Raises CampaignRefusedError for a code that is none, or any brand's already."""
    brand = Brand(advertiser=advertiser, code=_code(code), name=name)
    _save_coded(brand, by)
    return brand


@transaction.atomic
def create_market(*, by: User, code: str, country: str, region: str = "") -> Market:
    """Add a market. Raises CampaignRefusedError for a code that is none, or a market's already."""
    market = Market(code=_code(code), country=country, region=region)
    _save_coded(market, by)
    return market


def referred(rows: Any, field: str, code: str) -> Any:
    """The brand or market of this code. Raises UnknownReferenceError."""
    row = rows.filter(code=code.upper()).first()
    if row is None:
        raise UnknownReferenceError(f"There is no such {field}.", field=field)
    return row


def _system_name(brand: Brand, market: Market, year: int, title: str) -> str:
    if not FIRST_DAY.year <= year <= LAST_DAY.year:
        raise CampaignRefusedError(f"A year from {FIRST_DAY.year} to {LAST_DAY.year}.", field="year")
    try:
        return system_name(brand=brand.code, market=market.code, year=year, title=title)
    except ValueError as error:
        raise CampaignRefusedError(_sentence(error), field="campaign_name") from error


def _check_days(starts_on: date, ends_on: date) -> None:
    for field, day in (("starts_on", starts_on), ("ends_on", ends_on)):
        if not FIRST_DAY <= day <= LAST_DAY:
            raise CampaignRefusedError(f"A day from {FIRST_DAY.year} to {LAST_DAY.year}.", field=field)
    if ends_on < starts_on:
        raise CampaignRefusedError("The end can't be before the start.", field="ends_on")


def _check_landing_page(url: str) -> None:
    if url and (reason := landing.refusal(url)):
        raise CampaignRefusedError(reason, field="landing_url")


def _move(campaign: Campaign, to: Campaign.Status, by: User) -> Campaign:
    """Of two who decide at once, one wins; the other is told how the campaign stands now."""
    current: Campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    before = current.status
    if before not in _MOVES[to]:
        stands = current.get_status_display().lower()
        raise CampaignStateError(f"This campaign is {stands}: it can't become {to.label.lower()}.")
    current.status, current.updated_at = to, clock.now()
    current.save(update_fields=["status", "updated_at"])
    audit(actor=by, action=f"campaign.{to.value}", row=current, changes={"status": [before, to.value]})
    return current


def _write_platforms(campaign: Campaign, platforms: Sequence[PlatformTerms]) -> None:
    listed = [terms.platform.pk for terms in platforms]
    if len(set(listed)) < len(listed):
        raise CampaignRefusedError("Each platform once.", field="platforms", code="duplicate_platform")
    before = dict(CampaignPlatform.objects.filter(campaign=campaign).values_list("platform", "recheck_plan"))
    for terms in platforms:
        written, _ = CampaignPlatform.objects.update_or_create(
            campaign=campaign,
            platform=terms.platform,
            defaults={
                "rate_per_1000_views": terms.rates.per_1000_views,
                "rate_per_click": terms.rates.per_click,
                "rate_per_conversion": terms.rates.per_conversion,
                "recheck_plan": _plan(terms),
                "closed_at": None,
            },
        )
        if before.get(terms.platform.pk, written.recheck_plan) != written.recheck_plan:
            _plan_anew(written)
    left_out = CampaignPlatform.objects.filter(campaign=campaign).exclude(platform__in=listed)
    with_posts = Post.objects.filter(campaign=campaign).values("platform")
    left_out.filter(platform__in=with_posts, closed_at=None).update(closed_at=clock.now())
    left_out.exclude(platform__in=with_posts).delete()


def _plan(terms: PlatformTerms) -> str:
    text = plans.as_written(terms.recheck_plan)
    try:
        if text:
            plans.plan_of(text)
    except ValueError as error:
        raise CampaignRefusedError(str(error), field="recheck_plan", code="invalid_plan") from error
    return text


def _plan_anew(assigned: CampaignPlatform) -> None:
    """The looks that are planned already are those of another plan."""
    enqueue("reconciliation.tasks.plan_anew", str(assigned.campaign_id), str(assigned.platform_id), "")


def _terms(platforms: Sequence[PlatformTerms]) -> dict[str, list[str | None]]:
    """For the audit: what each platform pays per 1,000 views, click and conversion, and when it is asked again."""
    return {
        terms.platform.slug: [
            _plain(terms.rates.per_1000_views),
            _plain(terms.rates.per_click),
            _plain(terms.rates.per_conversion),
            terms.recheck_plan,
        ]
        for terms in platforms
    }


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal | date) else value


def _code(text: str) -> str:
    try:
        return clean_code(text)
    except ValueError as error:
        raise CampaignRefusedError(_sentence(error), field="code") from error


def _sentence(error: ValueError) -> str:
    words = str(error)
    return f"{words[:1].upper()}{words[1:]}."


def _save_coded(row: Brand | Market, by: User) -> None:
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        raise CampaignRefusedError("This code is taken.", field="code", code="duplicate_code") from error
    audit(actor=by, action=f"{row._meta.model_name}.created", row=row, changes={"code": row.code})
