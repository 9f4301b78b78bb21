"""Making tracking links, and taking them out of use."""

from django.db import transaction

from affiliates.models import Affiliate, User
from affiliates.services import audit
from campaigns import landing
from campaigns.errors import CampaignStateError, LinkRefusedError
from campaigns.models import Campaign, CampaignPlatform, Enrolment, TrackingLink
from config import clock
from config.locks import take_turn
from platforms.models import Platform

MAX_LINKS = 100
"""Of one affiliate in one campaign on one platform."""


@transaction.atomic
def make_link(
    *,
    affiliate: Affiliate,
    campaign: Campaign,
    platform: Platform,
    label: str = "",
    destination: str = "",
    another: bool = False,
) -> tuple[TrackingLink, bool]:
    """An affiliate's link for a campaign on a platform, and whether it was made just now.

    Asked again, the first one that is in use is given back; with `another`, one more is made. Raises LinkRefusedError,
    also where the one that is there is asked for with another label or destination, and CampaignStateError.
    """
    _lock(affiliate, campaign, platform)
    links = TrackingLink.objects.filter(affiliate=affiliate, campaign=campaign, platform=platform)
    known = links.usable().order_by("created_at", "id").first()
    if known and not another:
        if label not in ("", known.label) or destination not in ("", known.destination):
            raise LinkRefusedError(
                "You have a link here with another label or destination. Ask for another one.",
                field="another",
                code="link_exists",
            )
        return known, False
    _check(affiliate, campaign, platform, destination)
    if links.count() >= MAX_LINKS:
        raise LinkRefusedError(f"At most {MAX_LINKS} links on one platform.", field="another", code="too_many_links")
    link = TrackingLink.objects.create(
        affiliate=affiliate, campaign=campaign, platform=platform, label=label, destination=destination
    )
    audit(actor=affiliate.user, action="tracking_link.created", row=link, changes={"campaign": str(campaign.pk)})
    return link, True


@transaction.atomic
def disable_link(*, link: TrackingLink, by: User) -> None:
    """It leads nowhere from now on; what was counted stays. Harmless to repeat."""
    if TrackingLink.objects.filter(pk=link.pk, disabled_at=None).update(disabled_at=clock.now()):
        audit(actor=by, action="tracking_link.disabled", row=link)


@transaction.atomic
def enable_link(*, link: TrackingLink, by: User) -> None:
    """It leads to the landing page again. Harmless to repeat."""
    if TrackingLink.objects.filter(pk=link.pk).exclude(disabled_at=None).update(disabled_at=None):
        audit(actor=by, action="tracking_link.enabled", row=link)


def _lock(affiliate: Affiliate, campaign: Campaign, platform: Platform) -> None:
    """One at a time for one affiliate, campaign and platform, until the transaction ends."""
    take_turn(f"link {affiliate.pk} {campaign.pk} {platform.pk}")


def _check(affiliate: Affiliate, campaign: Campaign, platform: Platform, destination: str) -> None:
    if campaign.status == Campaign.Status.COMPLETED or not campaign.advertiser.is_active:
        raise CampaignStateError("This campaign is over.")
    if not campaign.landing_url:
        raise CampaignStateError(
            "This campaign has no landing page, so there are no links to it.", code="no_landing_page"
        )
    enrolment = Enrolment.objects.filter(affiliate=affiliate, campaign=campaign).first()
    if enrolment.status == Enrolment.Status.REMOVED if enrolment else not campaign.is_open:
        raise LinkRefusedError("You are not enrolled in this campaign.", code="not_enrolled")
    if not CampaignPlatform.objects.filter(campaign=campaign, platform=platform, closed_at=None).exists():
        raise LinkRefusedError(
            f"This campaign does not run on {platform.name}.", field="platform", code="platform_not_assigned"
        )
    if reason := landing.destination_refusal(campaign.landing_url, destination):
        raise LinkRefusedError(reason, field="destination", code="destination_refused")
