"""Submitting: a claim for a post, from whichever way in. One transaction, and the queue wakes a worker."""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from django.db import connection as database
from django.db import transaction
from django.db.models import F, Q

from affiliates.models import Affiliate
from affiliates.services import audit
from campaigns.models import Campaign, CampaignPlatform, Enrolment, Post, PostText, TrackingLink
from config import clock
from config.middleware import current_request_id
from config.queue import enqueue
from platforms.links import NeedsNetwork, NotAPost, identify
from platforms.models import Account, Platform
from reconciliation.comparison import Figures
from reconciliation.errors import ClaimRefusedError, SecondClaimantError
from reconciliation.models import AffiliateReport, Job, PostState
from reconciliation.services import owning
from reconciliation.services.jobs import close_look, request_look, wake


@dataclass(frozen=True, slots=True)
class _Target:
    """The content a link names, or, where only its host can say which post it is, the short link itself."""

    external_id: str
    url: str
    short_url: str = ""

    is_contested: bool = False

    @property
    def is_identified(self) -> bool:
        return not self.short_url and not self.is_contested

    @property
    def identity(self) -> str:
        """The content's id, or what stands for it as long as that is open."""
        if self.is_identified:
            return self.external_id
        return f"link:{hashlib.sha256(self.url.encode()).hexdigest()[:40]}"


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
    tracking_link: str = "",
    method: AffiliateReport.Method = AffiliateReport.Method.API,
) -> Submission:
    """Take an affiliate's claim for the post behind `url`: a new post, a new claim on theirs, or nothing new.

    `tracking_link` is the code of the link that the post carries; without it a new post has the affiliate's only one
    for this campaign and platform. Raises ClaimRefusedError (nothing is written), and SecondClaimantError where
    somebody else claims this content: then the attempt is recorded after the rollback.
    """
    target = _target(url, platform)
    try:
        with transaction.atomic():
            return _submit(
                affiliate=affiliate,
                campaign=campaign,
                platform=platform,
                target=target,
                figures=figures,
                words={"title": title, "description": description},
                code=tracking_link,
                method=method,
            )
    except SecondClaimantError as refusal:
        _record_refused_attempt(post=refusal.post, affiliate=affiliate)
        raise


def claim_again(
    *, post: Post, figures: Figures, method: AffiliateReport.Method = AffiliateReport.Method.API
) -> Submission:
    """Take new figures for a post that is claimed already. Raises ClaimRefusedError."""
    with transaction.atomic():
        lock_content(post.platform, post.external_id)
        _check_campaign(post.campaign)
        _check_enrolment(post.campaign, post.affiliate)
        return _claim(_still_standing(post), figures, method, is_new_post=False)


def _still_standing(post: Post) -> Post:
    """The post as it is now: it may have been displaced or merged since it was read. Raises SecondClaimantError."""
    current: Post = Post.objects.select_related("campaign", "platform", "affiliate", "merged_into").get(pk=post.pk)
    while current.merged_into:
        current = current.merged_into
    if current.displaced_at:
        raise SecondClaimantError(current)
    return current


def _submit(
    *,
    affiliate: Affiliate,
    campaign: Campaign,
    platform: Platform,
    target: _Target,
    figures: Figures,
    words: dict[str, str],
    code: str,
    method: AffiliateReport.Method,
) -> Submission:
    lock_content(platform, target.external_id)
    _check_campaign(campaign)
    _check_enrolment(campaign, affiliate)
    post = _known_post(affiliate, campaign, platform, target)
    is_new_post = post is None
    if post is None:
        if _is_contested(affiliate, campaign, platform, target):
            target = replace(target, is_contested=True)
        _check_platform(campaign, platform)
        _check_proof(campaign, affiliate, platform)
        _enrol(campaign, affiliate)
        post = Post.objects.create(
            campaign=campaign,
            affiliate=affiliate,
            platform=platform,
            external_id=target.identity,
            url=target.url,
            short_url=target.short_url,
            is_identified=target.is_identified,
        )
    _bind(post, code, is_new=is_new_post)
    given = {name: text for name, text in words.items() if text}
    if given:
        PostText.objects.bulk_create(
            [PostText(post=post, **given)], update_conflicts=True, unique_fields=["post"], update_fields=list(given)
        )
    return _claim(post, figures, method, is_new_post=is_new_post)


def _bind(post: Post, code: str, *, is_new: bool) -> None:
    """Tie a post to its tracking link: the one that is named, or, if it is new, the only one there is. For good: what
    was counted for a post is never another link's."""
    links = TrackingLink.objects.filter(
        campaign=post.campaign_id, platform=post.platform_id, affiliate=post.affiliate_id
    )
    if code:
        link = links.filter(code=code).first()
        if link is None:
            raise ClaimRefusedError(
                "You have no such link for this campaign and platform.", field="tracking_link", code="unknown_link"
            )
    else:
        usable = list(links.usable()[:2]) if is_new else []
        link = usable[0] if len(usable) == 1 else None
    if link is None or post.tracking_link_id == link.pk:
        return
    if post.tracking_link_id:
        raise ClaimRefusedError(
            "This post has another tracking link already, which stays.", field="tracking_link", code="link_bound"
        )
    post.tracking_link = link
    post.save(update_fields=["tracking_link"])


def _target(url: str, platform: Platform) -> _Target:
    link = identify(url)
    if isinstance(link, NotAPost):
        raise ClaimRefusedError(link.reason, field="url", code=link.code)
    if link.platform != platform.slug:
        raise ClaimRefusedError(
            f"This link leads to another platform than {platform.name}.", field="url", code="platform_mismatch"
        )
    if isinstance(link, NeedsNetwork):
        return _Target(link.url, link.url, short_url=link.url)
    return _Target(link.external_id, link.canonical_url)


def lock_content(platform: Platform, external_id: str) -> None:
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


def _check_proof(campaign: Campaign, affiliate: Affiliate, platform: Platform) -> None:
    proven = Account.objects.filter(
        affiliate=affiliate, platform=platform, livemode=campaign.livemode, proven_at__isnull=False
    )
    if campaign.requires_proof and not proven.exists():
        raise ClaimRefusedError(
            f"This campaign takes posts of proven accounts only: connect or prove your {platform.name} account first.",
            field="platform",
            code="proof_required",
        )


def _known_post(affiliate: Affiliate, campaign: Campaign, platform: Platform, target: _Target) -> Post | None:
    """The post that this affiliate has claimed in this campaign by this content or link; for one that turned out to be
    another, that other. Raises SecondClaimantError for a short link that led to somebody else's post."""
    mine = Post.objects.filter(affiliate=affiliate, campaign=campaign, platform=platform)
    if target.short_url:
        same = mine.filter(short_url=target.short_url)
    else:
        same = mine.filter(Q(external_id=target.external_id) | Q(url=target.url, is_identified=False))
    post: Post | None = (
        same.select_related("campaign", "platform", "affiliate")
        .order_by(F("displaced_at").asc(nulls_first=True), "created_at")
        .first()
    )
    while post and post.merged_into:
        post = post.merged_into
    if post and post.displaced_at:
        if target.short_url:
            raise SecondClaimantError(post)
        return None
    return post


def _is_contested(affiliate: Affiliate, campaign: Campaign, platform: Platform, target: _Target) -> bool:
    """Whether somebody else claims this content, and this affiliate's connection is to say whose it is. Raises where
    the content is not free, and frees it where the affiliate is known to be its author.

    What is claimed with test keys takes nothing away from anybody's live claims.
    """
    if target.short_url:
        return False
    standing = Post.objects.standing().of_content(platform.pk, target.external_id)
    contested = False
    for post in standing.filter(campaign__livemode=campaign.livemode).select_related("campaign", "affiliate"):
        if post.affiliate_id == affiliate.pk:
            check_shared(post.campaign, campaign)
        elif owning.is_rightful(affiliate, post):
            displace(post=post, by=affiliate)
        elif owning.may_be_rightful(affiliate, post):
            contested = True
        else:
            raise SecondClaimantError(post)
    return contested


def check_shared(one: Campaign, other: Campaign) -> None:
    """Raises ClaimRefusedError unless both campaigns allow that one post serves them."""
    if not (one.allows_shared_content and other.allows_shared_content):
        raise ClaimRefusedError(
            "You claim this post in another campaign already, and the two do not share posts.",
            field="url",
            code="claimed_in_another_campaign",
        )


def displace(*, post: Post, by: Affiliate) -> None:
    """Take a post out of the campaign in favour of its proven owner: it stays on record, and nobody looks at it."""
    close_look(post_id=post.pk)  # the job before the post, as settling takes them
    Post.objects.filter(pk=post.pk).update(displaced_at=clock.now())
    event = audit(actor=by.user, action="post.displaced", row=post, changes={"affiliate": str(by.pk)})
    enqueue("alerts.tasks.evaluate_refused_claim", str(event.pk))


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
        asks_platform=figures.views is not None,
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


def restate(*, post: Post, claim: AffiliateReport) -> None:
    """Claim for `post` what was claimed for another that turned out to be the same."""
    figures = Figures(claim.claimed_views, claim.claimed_clicks, claim.claimed_conversions)
    _claim(post, figures, AffiliateReport.Method(claim.submission_method), is_new_post=False)


def _record_refused_attempt(*, post: Post, affiliate: Affiliate) -> None:
    """Somebody claimed a post that is another's: kept on record, and shown to staff."""
    with transaction.atomic():
        event = audit(
            actor=affiliate.user,
            action="claim.refused_second_claimant",
            row=post,
            changes={"affiliate": str(affiliate.pk)},
        )
        enqueue("alerts.tasks.evaluate_refused_claim", str(event.pk))
