"""Submitting: a claim for a post, from whichever way in. One transaction, and the queue wakes a worker."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db import connection as database
from django.db import transaction

from affiliates.models import Affiliate
from affiliates.services import audit
from campaigns.models import Campaign, CampaignPlatform, Enrolment, Post, PostText
from config import clock
from config.middleware import current_request_id
from config.queue import enqueue
from platforms.links import NeedsNetwork, PostLink, identify
from platforms.models import Connection, Platform
from reconciliation.comparison import Figures
from reconciliation.errors import ClaimRefusedError, SecondClaimantError
from reconciliation.models import AffiliateReport, Job, PostState
from reconciliation.services.jobs import request_look, wake


class Outcome(StrEnum):
    """What a submission came to."""

    NEW_POST = "new_post"
    NEW_CLAIM = "new_claim"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Submission:
    """A post with its current claim, and whether anything was added."""

    post: Post
    claim: AffiliateReport
    outcome: Outcome


def submit(
    *,
    affiliate: Affiliate,
    campaign: Campaign,
    platform: Platform,
    url: str,
    figures: Figures,
    title: str = "",
    description: str = "",
    method: AffiliateReport.Method = AffiliateReport.Method.API,
) -> Submission:
    """Take an affiliate's claim for the post behind `url`: a new post, a new claim on theirs, or nothing new.

    Raises ClaimRefusedError (nothing is written), and SecondClaimantError where somebody else claims this content:
    then the attempt is recorded after the rollback.
    """
    link = _identified(url, platform)
    try:
        with transaction.atomic():
            return _submit(
                affiliate=affiliate,
                campaign=campaign,
                platform=platform,
                link=link,
                figures=figures,
                words={"title": title, "description": description},
                method=method,
            )
    except SecondClaimantError as refusal:
        _record_refused_attempt(refusal, affiliate)
        raise


def claim_again(
    *, post: Post, figures: Figures, method: AffiliateReport.Method = AffiliateReport.Method.API
) -> Submission:
    """Take new figures for a post that is claimed already. Raises ClaimRefusedError."""
    with transaction.atomic():
        _lock_content(post.platform, post.external_id)
        _check_campaign(post.campaign)
        _check_enrolment(post.campaign, post.affiliate)
        return _claim(post, figures, method, is_new_post=False)


def _submit(
    *,
    affiliate: Affiliate,
    campaign: Campaign,
    platform: Platform,
    link: PostLink,
    figures: Figures,
    words: dict[str, str],
    method: AffiliateReport.Method,
) -> Submission:
    _lock_content(platform, link.external_id)
    _check_campaign(campaign)
    _check_enrolment(campaign, affiliate)
    post = _standing_post(affiliate, campaign, platform, link)
    is_new_post = post is None
    if post is None:
        _check_platform(campaign, platform)
        _enrol(campaign, affiliate)
        post = Post.objects.create(
            campaign=campaign,
            affiliate=affiliate,
            platform=platform,
            external_id=link.external_id,
            url=link.canonical_url,
        )
    given = {name: text for name, text in words.items() if text}
    if given:
        PostText.objects.bulk_create(
            [PostText(post=post, **given)], update_conflicts=True, unique_fields=["post"], update_fields=list(given)
        )
    return _claim(post, figures, method, is_new_post=is_new_post)


def _identified(url: str, platform: Platform) -> PostLink:
    link = identify(url)
    if isinstance(link, NeedsNetwork):
        raise ClaimRefusedError(
            "This is a short link. Open it and paste the full address of the post.",
            field="url",
            code="link_needs_network",
        )
    if not isinstance(link, PostLink):
        raise ClaimRefusedError(link.reason, field="url", code=link.code)
    if link.platform != platform.slug:
        raise ClaimRefusedError(
            f"This link leads to another platform than {platform.name}.", field="url", code="platform_mismatch"
        )
    return link


def _lock_content(platform: Platform, external_id: str) -> None:
    """One submission at a time for one piece of content, until the transaction ends."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"content {platform.slug} {external_id}"]
        )


def _check_campaign(campaign: Campaign) -> None:
    today = campaign.advertiser.today
    if campaign.takes_claims_on(today) and campaign.advertiser.is_active:
        return
    if today < campaign.starts_on:
        reason = f"This campaign starts on {campaign.starts_on:%d %b %Y}."
    elif today > campaign.last_claim_day:
        reason = f"Claims for this campaign were taken until {campaign.last_claim_day:%d %b %Y}."
    elif not campaign.advertiser.is_active:
        reason = "This campaign takes no claims."
    else:
        reason = f"This campaign is {campaign.get_status_display().lower()} and takes no claims."
    raise ClaimRefusedError(reason, field="campaign", code="campaign_takes_no_claims")


def _check_platform(campaign: Campaign, platform: Platform) -> None:
    if (
        not platform.is_active
        or not CampaignPlatform.objects.filter(campaign=campaign, platform=platform, closed_at=None).exists()
    ):
        raise ClaimRefusedError(
            f"This campaign does not run on {platform.name}.", field="platform", code="platform_not_assigned"
        )


def _check_enrolment(campaign: Campaign, affiliate: Affiliate) -> None:
    status = Enrolment.objects.filter(campaign=campaign, affiliate=affiliate).values_list("status", flat=True).first()
    joined = status in (Enrolment.Status.ACTIVE, Enrolment.Status.INVITED)
    if not affiliate.is_active or not (joined or (status is None and campaign.is_open)):
        raise ClaimRefusedError("You are not enrolled in this campaign.", field="campaign", code="not_enrolled")


def _enrol(campaign: Campaign, affiliate: Affiliate) -> None:
    """By the first claim, whether the campaign is open to all or the affiliate was invited."""
    Enrolment.objects.get_or_create(campaign=campaign, affiliate=affiliate)
    invited = Enrolment.objects.filter(campaign=campaign, affiliate=affiliate, status=Enrolment.Status.INVITED)
    invited.update(status=Enrolment.Status.ACTIVE)


def _standing_post(affiliate: Affiliate, campaign: Campaign, platform: Platform, link: PostLink) -> Post | None:
    """The affiliate's own post for this content in this campaign, if it stands. Raises where it is not free.

    What is claimed with test keys takes nothing away from anybody's live claims.
    """
    standing = Post.objects.standing().filter(
        platform=platform, external_id=link.external_id, campaign__livemode=campaign.livemode
    )
    mine = None
    for post in standing.select_related("campaign", "platform", "affiliate"):
        if post.affiliate_id != affiliate.pk:
            raise SecondClaimantError(post)
        if post.campaign_id == campaign.pk:
            mine = post
        elif not (post.campaign.allows_shared_content and campaign.allows_shared_content):
            raise ClaimRefusedError(
                "You claim this post in another campaign already, and the two do not share posts.",
                field="url",
                code="claimed_in_another_campaign",
            )
    return mine


def _claim(post: Post, figures: Figures, method: AffiliateReport.Method, *, is_new_post: bool) -> Submission:
    """Add the claim unless it repeats the latest one, ask for a look, and say how the post stands now.

    The job's row is locked before the post's state, the order in which settling takes them too.
    """
    columns: dict[str, Any] = {
        "claimed_views": figures.views,
        "claimed_clicks": figures.clicks,
        "claimed_conversions": figures.conversions,
    }
    if all(value is None for value in columns.values()):
        raise ClaimRefusedError("Claim at least one figure.", code="nothing_claimed", field="claimed_views")
    state = PostState.objects.select_related("current_claim").filter(post=post).first()
    if state and all(getattr(state.current_claim, name) == value for name, value in columns.items()):
        return Submission(post, state.current_claim, Outcome.UNCHANGED)
    now = clock.now()
    claim = AffiliateReport.objects.create(
        post=post, **columns, submission_method=method, claimed_at=now, request_id=current_request_id()
    )
    lane = request_look(
        post_id=post.pk,
        connection_id=_lane(post, figures),
        reason=Job.Reason.SUBMISSION,
        due_at=now,
        request_id=claim.request_id,
    )
    PostState.objects.bulk_create(
        [PostState(post=post, current_claim=claim)],
        update_conflicts=True,
        unique_fields=["post"],
        update_fields=["current_claim", "current_verdict"],
    )
    Post.objects.filter(pk=post.pk).update(is_reconciled=False)
    post.is_reconciled = False
    wake(lane)
    return Submission(post, claim, Outcome.NEW_POST if is_new_post else Outcome.NEW_CLAIM)


def _lane(post: Post, figures: Figures) -> Any:
    """The application's own connection for the post's platform, or none where nothing claimed needs a platform."""
    if figures.views is None:
        return None
    own = Connection.objects.filter(platform_id=post.platform_id, affiliate=None, livemode=post.campaign.livemode)
    return own.values_list("pk", flat=True).get()


def _record_refused_attempt(refusal: SecondClaimantError, affiliate: Affiliate) -> None:
    with transaction.atomic():
        event = audit(
            actor=affiliate.user,
            action="claim.refused_second_claimant",
            row=refusal.post,
            changes={"affiliate": str(affiliate.pk)},
        )
        enqueue("alerts.tasks.evaluate_refused_claim", str(event.pk))
