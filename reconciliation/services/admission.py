"""Admission: what each claim that is sent comes to. What it needs is read once for all that are sent together."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connection as database

from affiliates.models import Affiliate
from campaigns.models import Campaign, Enrolment, Post
from config import clock
from config.bulk import array, text_array
from config.errors import DomainError
from config.middleware import current_request_id
from platforms.links import NeedsNetwork, NotAPost, identify
from platforms.models import Platform
from reconciliation.comparison import Figures
from reconciliation.errors import ClaimRefusedError, SecondClaimantError
from reconciliation.models import AffiliateReport
from reconciliation.services import owning

_CONTENT_LOCK = 1
"""The first key of the advisory locks on contents."""
_CONTENT_LOCKS = 1024
"""Contents share this many locks, so that a transaction may hold all of them: the server's table has room for some
thousands. Two contents that share one wait for each other a few milliseconds."""


class Outcome(StrEnum):
    """What a submission came to."""

    NEW_POST = "new_post"
    NEW_CLAIM = "new_claim"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Entry:
    """A claim as it is sent: an affiliate's figures for the post behind a link, in a campaign.

    `tracking_link` is the code of the link that the post carries; without it a new post has the affiliate's only one
    for this campaign and platform.
    """

    affiliate: Affiliate
    campaign: Campaign
    platform: Platform
    url: str
    figures: Figures
    title: str = ""
    description: str = ""
    tracking_link: str = ""


@dataclass(slots=True)
class Admitted:
    """An entry that is taken, and what follows from it. Posts and claims that are new are not saved yet."""

    post: Post
    claim: AffiliateReport
    outcome: Outcome
    words: dict[str, str]
    displaced: list[Post]
    joins: bool
    """Whether this is what makes the affiliate one of the campaign's."""
    is_bound: bool
    """Whether this is what ties the post to its tracking link."""


@dataclass(frozen=True, slots=True)
class Target:
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


def target_of(entry: Entry) -> Target | ClaimRefusedError:
    """What an entry's link names, told without asking anybody."""
    link = identify(entry.url)
    if isinstance(link, NotAPost):
        return ClaimRefusedError(link.reason, field="url", code=link.code)
    if link.platform != entry.platform.slug:
        return ClaimRefusedError(
            f"This link leads to another platform than {entry.platform.name}.", field="url", code="platform_mismatch"
        )
    if isinstance(link, NeedsNetwork):
        return Target(link.url, link.url, short_url=link.url)
    return Target(link.external_id, link.canonical_url)


def lock_contents(contents: Iterable[tuple[Platform, str]]) -> None:
    """One submission at a time for one piece of content, until the transaction ends.

    Before any row is locked, and all that a transaction needs in one call: locks are taken in one order, so that nobody
    waits in a circle.
    """
    named = [f"{platform.slug} {external_id}" for platform, external_id in contents]
    with database.cursor() as cursor:
        cursor.execute(
            """
            SELECT pg_advisory_xact_lock(%s, bucket) FROM (
                SELECT DISTINCT hashtext(content) & %s AS bucket FROM unnest(%s::text[]) AS content ORDER BY bucket
            ) AS buckets
            """,
            [_CONTENT_LOCK, _CONTENT_LOCKS - 1, text_array(named)],
        )


def lock_all_contents() -> None:
    """Nobody else submits anything until the transaction ends."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, bucket) FROM generate_series(0, %s) AS bucket",
            [_CONTENT_LOCK, _CONTENT_LOCKS - 1],
        )


def admit(
    entries: Sequence[Entry], targets: Sequence[Target | ClaimRefusedError], *, method: AffiliateReport.Method
) -> list[Admitted | DomainError]:
    """What each entry comes to, those before it taken into account. Nothing is written."""
    pairs = list(zip(entries, targets, strict=True))
    known = _Known([(entry, target) for entry, target in pairs if isinstance(target, Target)])
    outcomes: list[Admitted | DomainError] = []
    for entry, target in pairs:
        if not isinstance(target, Target):
            outcomes.append(target)
            continue
        try:
            outcomes.append(known.admit(entry, target, method))
        except DomainError as refusal:
            outcomes.append(refusal)
    return outcomes


@dataclass(frozen=True, slots=True)
class _Link:
    """A tracking link, as far as a claim goes."""

    pk: UUID
    code: str
    is_usable: bool


_NAMED = """
    SELECT 'enrolment', campaign_id, NULL::uuid, affiliate_id, NULL::uuid, status FROM campaigns_enrolment
    WHERE campaign_id = ANY(%(campaigns)s::uuid[]) AND affiliate_id = ANY(%(affiliates)s::uuid[])
    UNION ALL
    SELECT 'platform', campaign_id, platform_id, NULL, NULL, '' FROM campaigns_campaignplatform
    WHERE campaign_id = ANY(%(campaigns)s::uuid[]) AND closed_at IS NULL
    UNION ALL
    SELECT CASE WHEN disabled_at IS NULL THEN 'link' ELSE 'disabled link' END,
        campaign_id, platform_id, affiliate_id, id, code
    FROM campaigns_trackinglink
    WHERE campaign_id = ANY(%(campaigns)s::uuid[]) AND affiliate_id = ANY(%(affiliates)s::uuid[])
    UNION ALL
    SELECT 'proof', NULL, platform_id, affiliate_id, NULL, livemode::text FROM platforms_account
    WHERE affiliate_id = ANY(%(affiliates)s::uuid[]) AND platform_id = ANY(%(platforms)s::uuid[])
        AND proven_at IS NOT NULL
    UNION ALL
    SELECT 'post', NULL, NULL, NULL, id, '' FROM campaigns_post
    WHERE platform_id = ANY(%(platforms)s::uuid[]) AND external_id = ANY(%(contents)s::text[])
    UNION ALL
    SELECT 'post', NULL, NULL, NULL, id, '' FROM campaigns_post
    WHERE platform_id = ANY(%(platforms)s::uuid[]) AND api_id = ANY(%(contents)s::text[]) AND api_id IS NOT NULL
    UNION ALL
    SELECT 'post', NULL, NULL, NULL, id, '' FROM campaigns_post
    WHERE platform_id = ANY(%(platforms)s::uuid[]) AND url = ANY(%(urls)s::text[]) AND NOT is_identified
        AND campaign_id = ANY(%(campaigns)s::uuid[]) AND affiliate_id = ANY(%(affiliates)s::uuid[])
    UNION ALL
    SELECT 'post', NULL, NULL, NULL, id, '' FROM campaigns_post
    WHERE platform_id = ANY(%(platforms)s::uuid[]) AND short_url = ANY(%(short_urls)s::text[]) AND short_url <> ''
        AND campaign_id = ANY(%(campaigns)s::uuid[]) AND affiliate_id = ANY(%(affiliates)s::uuid[])
"""
"""What, campaign, platform, affiliate, id, word: all that is asked for each claim, in one round trip."""


class _Known:
    """What the database holds of everything that some entries name, kept up with what those admitted will add."""

    def __init__(self, entries: "Sequence[tuple[Entry, Target]]") -> None:
        self.request_id = current_request_id()
        self.enrolments: dict[tuple[UUID, UUID], str] = {}
        self.runs_on: set[tuple[UUID, UUID]] = set()
        self.links: dict[tuple[UUID, UUID, UUID], list[_Link]] = defaultdict(list)
        self.proven: set[tuple[UUID, UUID, bool]] = set()
        self.posts: dict[tuple[UUID, str], list[Post]] = defaultdict(list)
        """By platform and each of the ids, addresses and short links that may lead to them."""
        self.claims: dict[UUID, AffiliateReport] = {}
        """The current one of each post."""
        post_ids: set[UUID] = set()
        for what, campaign, platform, affiliate, pk, word in self._named(entries):
            match what:
                case "enrolment":
                    self.enrolments[campaign, affiliate] = word
                case "platform":
                    self.runs_on.add((campaign, platform))
                case "link" | "disabled link":
                    self.links[campaign, platform, affiliate].append(_Link(pk, word, is_usable=what == "link"))
                case "proof":
                    self.proven.add((affiliate, platform, word == "true"))
                case "post":
                    post_ids.add(pk)
        rows = Post.objects.select_related("campaign__advertiser", "platform", "affiliate", "state__current_claim")
        for post in rows.filter(pk__in=post_ids) if post_ids else ():
            self._note(post, post.state.claim_that_stands)

    def _named(self, entries: "Sequence[tuple[Entry, Target]]") -> list[tuple[Any, ...]]:
        with database.cursor() as cursor:
            cursor.execute(
                _NAMED,
                {
                    "campaigns": array({entry.campaign.pk for entry, _ in entries}),
                    "affiliates": array({entry.affiliate.pk for entry, _ in entries}),
                    "platforms": array({entry.platform.pk for entry, _ in entries}),
                    "contents": text_array({target.external_id for _, target in entries if not target.short_url}),
                    "urls": text_array({target.url for _, target in entries}),
                    "short_urls": text_array({target.short_url for _, target in entries if target.short_url}),
                },
            )
            found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

    def _note(self, post: Post, claim: AffiliateReport | None) -> None:
        names = {post.external_id, post.api_id, post.short_url, None if post.is_identified else post.url}
        for name in names - {None, ""}:
            self.posts[post.platform_id, str(name)].append(post)
        if claim:
            self.claims[post.pk] = claim

    def admit(self, entry: Entry, target: Target, method: AffiliateReport.Method) -> Admitted:
        """What the entry comes to. Raises ClaimRefusedError, and SecondClaimantError where somebody else claims this
        content."""
        check_campaign(entry.campaign)
        enrolment = self.enrolments.get((entry.campaign.pk, entry.affiliate.pk))
        check_enrolment(entry.campaign, entry.affiliate, enrolment)
        post = self._post(entry, target)
        displaced: list[Post] = []
        is_new = post is None
        if post is None:
            is_contested, displaced = self._claimants(entry, target)
            self._check_platform(entry)
            self._check_proof(entry)
            target = replace(target, is_contested=is_contested)
            post = Post(
                campaign=entry.campaign,
                affiliate=entry.affiliate,
                platform=entry.platform,
                external_id=target.identity,
                url=target.url,
                short_url=target.short_url,
                is_identified=target.is_identified,
            )
        link = self._link(post, entry.tracking_link, is_new=is_new)
        claim = new_claim(post, entry.figures, method, request_id=self.request_id)
        current = self.claims.get(post.pk)
        if current and figures_of(current) == entry.figures:
            claim, outcome = current, Outcome.UNCHANGED
        else:
            outcome = Outcome.NEW_POST if is_new else Outcome.NEW_CLAIM
        # Nothing is refused from here on.
        if link:
            post.tracking_link_id = link.pk
        for other in displaced:
            other.displaced_at = clock.now()
        joins = is_new and enrolment != Enrolment.Status.ACTIVE
        if is_new:
            self.enrolments[entry.campaign.pk, entry.affiliate.pk] = Enrolment.Status.ACTIVE
            self._note(post, claim)
        self.claims[post.pk] = claim
        words = {"title": entry.title, "description": entry.description}
        given = {name: text for name, text in words.items() if text}
        return Admitted(post, claim, outcome, given, displaced, joins=joins, is_bound=link is not None)

    def _post(self, entry: Entry, target: Target) -> Post | None:
        """The post that this affiliate has claimed in this campaign by this content or link; for one that turned out
        to be another, that other."""
        names = [target.short_url] if target.short_url else [target.external_id, target.url]
        same = [
            post
            for name in names
            for post in self.posts[entry.platform.pk, name]
            if (post.affiliate_id, post.campaign_id) == (entry.affiliate.pk, entry.campaign.pk)
            and (name == (post.short_url if target.short_url else post.external_id) or not post.is_identified)
        ]
        post = min(same, key=lambda each: (each.displaced_at is not None, each.created_at), default=None)
        while post and post.merged_into:
            post = post.merged_into
            if claim := post.state.claim_that_stands:
                self.claims.setdefault(post.pk, claim)
        if post and post.displaced_at:
            if target.short_url:
                raise SecondClaimantError(post)
            return None
        return post

    def _claimants(self, entry: Entry, target: Target) -> tuple[bool, list[Post]]:
        """Whether somebody else claims this content and the affiliate's connection is to say whose it is; and whose
        posts give way to it, as the affiliate is known to be their author. Raises where the content is not free.

        What is claimed with test keys takes nothing away from anybody's live claims, and a post whose claims were all
        withdrawn before anybody looked keeps nobody out.
        """
        contested, displaced = False, []
        for post in [] if target.short_url else self.posts[entry.platform.pk, target.external_id]:
            if post.displaced_at or post.merged_into_id or post.campaign.livemode != entry.campaign.livemode:
                continue
            if post.pk not in self.claims:
                if post.campaign_id == entry.campaign.pk:
                    displaced.append(post)
                continue
            if post.affiliate_id == entry.affiliate.pk:
                check_shared(post.campaign, entry.campaign)
            elif owning.is_rightful(entry.affiliate, post):
                displaced.append(post)
            elif owning.may_be_rightful(entry.affiliate, post):
                contested = True
            else:
                raise SecondClaimantError(post)
        return contested, displaced

    def _check_platform(self, entry: Entry) -> None:
        if not entry.platform.is_active or (entry.campaign.pk, entry.platform.pk) not in self.runs_on:
            raise ClaimRefusedError(
                f"This campaign does not run on {entry.platform.name}.", field="platform", code="platform_not_assigned"
            )

    def _check_proof(self, entry: Entry) -> None:
        proof = (entry.affiliate.pk, entry.platform.pk, entry.campaign.livemode)
        if entry.campaign.requires_proof and proof not in self.proven:
            raise ClaimRefusedError(
                "This campaign takes posts of proven accounts only: connect or prove your "
                f"{entry.platform.name} account first.",
                field="platform",
                code="proof_required",
            )

    def _link(self, post: Post, code: str, *, is_new: bool) -> _Link | None:
        """The link that the post is to be tied to now: the one that is named, or, if it is new, the only one there is.
        For good: what was counted for a post is never another link's."""
        links = self.links[post.campaign_id, post.platform_id, post.affiliate_id]
        if code:
            link = next((link for link in links if link.code == code), None)
            if link is None:
                raise ClaimRefusedError(
                    "You have no such link for this campaign and platform.", field="tracking_link", code="unknown_link"
                )
        else:
            usable = [link for link in links if link.is_usable] if is_new else []
            link = usable[0] if len(usable) == 1 else None
        if link is None or post.tracking_link_id == link.pk:
            return None
        if post.tracking_link_id:
            raise ClaimRefusedError(
                "This post has another tracking link already, which stays.", field="tracking_link", code="link_bound"
            )
        return link


def new_claim(post: Post, figures: Figures, method: AffiliateReport.Method, *, request_id: str) -> AffiliateReport:
    """The claim as it would be written. Raises ClaimRefusedError where it names no figure."""
    if figures == Figures():
        raise ClaimRefusedError("Claim at least one figure.", code="nothing_claimed", field="claimed_views")
    return AffiliateReport(
        post=post,
        claimed_views=figures.views,
        claimed_clicks=figures.clicks,
        claimed_conversions=figures.conversions,
        submission_method=method,
        claimed_at=clock.now(),
        request_id=request_id,
    )


def figures_of(claim: AffiliateReport) -> Figures:
    """What a claim names."""
    return Figures(claim.claimed_views, claim.claimed_clicks, claim.claimed_conversions)


def check_campaign(campaign: Campaign) -> None:
    """Raises ClaimRefusedError unless the campaign takes claims today."""
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


def check_enrolment(campaign: Campaign, affiliate: Affiliate, status: str | None) -> None:
    """Raises ClaimRefusedError unless the affiliate, enrolled with this status, may claim in the campaign."""
    joined = status in (Enrolment.Status.ACTIVE, Enrolment.Status.INVITED)
    if not affiliate.is_active or not (joined or (status is None and campaign.is_open)):
        raise ClaimRefusedError("You are not enrolled in this campaign.", field="campaign", code="not_enrolled")


def check_shared(one: Campaign, other: Campaign) -> None:
    """Raises ClaimRefusedError unless both campaigns allow that one post serves them."""
    if not (one.allows_shared_content and other.allows_shared_content):
        raise ClaimRefusedError(
            "You claim this post in another campaign already, and the two do not share posts.",
            field="url",
            code="claimed_in_another_campaign",
        )
