"""Advertisers, their people and campaigns, and the posts that affiliates publish for them."""

import secrets
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Upper

from affiliates.models import Affiliate
from campaigns import landing, plans
from campaigns.naming import CODE
from campaigns.querysets import AdvertiserQuerySet, CampaignQuerySet, PostQuerySet, PostTextQuerySet
from campaigns.rates import Rates
from config import clock
from config.models import Row
from platforms.metrics import CONVERSIONS_LAG_H
from platforms.models import Platform

valid_code = RegexValidator(rf"\A{CODE.pattern}\Z", "2 to 12 letters A to Z and digits, nothing else.")
valid_currency = RegexValidator(r"\A[A-Z]{3}\Z", "A three-letter ISO 4217 code, such as USD.")


def validate_time_zone(name: str) -> None:
    """Raises ValidationError for a name that is no IANA time zone."""
    if name not in available_timezones():
        raise ValidationError("%(name)s is no time zone", params={"name": name})


def validate_landing_url(url: str) -> None:
    """Raises ValidationError for an address that is no landing page."""
    if reason := landing.refusal(url):
        raise ValidationError(reason)


def validate_plan(text: str) -> None:
    """Raises ValidationError for words that are no plan of re-checks."""
    try:
        plans.plan_of(text)
    except ValueError as reason:
        raise ValidationError(str(reason)) from reason


def new_postback_token() -> str:
    """The last part of a campaign's postback address: nobody guesses it."""
    return secrets.token_urlsafe(24)


class Advertiser(Row):
    """An organisation that pays. Test advertisers (`livemode` false) are seen by test keys only."""

    name = models.CharField(max_length=120)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    livemode = models.BooleanField(default=True)
    is_active = models.BooleanField(default=True)
    decides_disputes = models.BooleanField(
        default=False, help_text="Its managers decide on disputes of verdicts in its campaigns, as staff do."
    )

    objects = AdvertiserQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(Lower("name"), name="advertiser_name_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def today(self) -> date:
        """The advertiser's own calendar day."""
        return clock.now().astimezone(ZoneInfo(self.time_zone)).date()


class Membership(Row):
    """One of an advertiser's people: a manager decides, an analyst and a viewer read."""

    class Role(models.TextChoices):
        MANAGER = "manager"
        ANALYST = "analyst"
        VIEWER = "viewer"

    advertiser = models.ForeignKey(Advertiser, models.PROTECT, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role, default=Role.VIEWER)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["advertiser", "user"], name="membership_once"),
            models.CheckConstraint(
                condition=Q(role__in=["manager", "analyst", "viewer"]), name="membership_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.role} of {self.advertiser}"


class Brand(Row):
    """What a campaign is for; its code is part of the campaign's name."""

    advertiser = models.ForeignKey(Advertiser, models.PROTECT, related_name="brands")
    code = models.CharField(max_length=12, unique=True, validators=[valid_code])
    name = models.CharField(max_length=120)

    class Meta:
        ordering = ["name"]
        constraints = [models.CheckConstraint(condition=Q(code__regex=rf"^{CODE.pattern}$"), name="brand_code_form")]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


class Market(Row):
    """Where a campaign runs; its code is part of the campaign's name."""

    code = models.CharField(max_length=12, unique=True, validators=[valid_code])
    country = models.CharField(max_length=80)
    region = models.CharField(max_length=80, blank=True)

    class Meta:
        ordering = ["country"]
        constraints = [models.CheckConstraint(condition=Q(code__regex=rf"^{CODE.pattern}$"), name="market_code_form")]

    def __str__(self) -> str:
        return f"{self.country} ({self.code})"


class Campaign(Row):
    """What an advertiser runs in one market for one brand, on one or more platforms, in one currency."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        ACTIVE = "active"
        PAUSED = "paused"
        COMPLETED = "completed"

    advertiser = models.ForeignKey(Advertiser, models.PROTECT, related_name="campaigns")
    brand = models.ForeignKey(Brand, models.PROTECT, related_name="campaigns")
    market = models.ForeignKey(Market, models.PROTECT, related_name="campaigns")
    campaign_name = models.CharField("name", max_length=120)
    name = models.CharField("system name", max_length=180, unique=True, editable=False)
    livemode = models.BooleanField(default=True, editable=False)
    status = models.CharField(max_length=9, choices=Status, default=Status.DRAFT)
    starts_on = models.DateField()
    ends_on = models.DateField()
    claim_window_days = models.PositiveSmallIntegerField(
        default=14, help_text="Days after the end on which affiliates may still claim."
    )
    currency = models.CharField(max_length=3, default="USD", validators=[valid_currency])
    budget = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    conversion_lag_h = models.PositiveSmallIntegerField(
        "conversions may lag (hours)", default=CONVERSIONS_LAG_H, help_text="How late a sale may be reported."
    )
    is_open = models.BooleanField(
        "open to all affiliates",
        default=False,
        help_text="Anybody may join with a first claim; otherwise by invitation.",
    )
    allows_shared_content = models.BooleanField(
        default=False, help_text="One post may also serve another campaign that allows it."
    )
    requires_proof = models.BooleanField(
        "proven accounts only",
        default=False,
        help_text="Takes claims only from affiliates who have proven their account on the platform, for its posts.",
    )
    landing_url = models.CharField(
        "landing page",
        max_length=landing.MAX_URL_CHARS,
        blank=True,
        validators=[validate_landing_url],
        help_text="Where tracking links lead. Without one there are none, and clicks and sales can't be verified.",
    )
    click_window_min = models.PositiveSmallIntegerField(
        "click window (minutes)",
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(24 * 60)],
        help_text="A visitor's clicks on one link count once in so many minutes.",
    )
    attribution_days = models.PositiveSmallIntegerField(
        "attribution window (days)",
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(366)],
        help_text="A sale goes back to a click that is at most so many days old.",
    )
    postback_token = models.CharField(max_length=64, unique=True, default=new_postback_token, editable=False)
    allows_get_postbacks = models.BooleanField(
        "postbacks by GET", default=False, help_text="For shops that can only call an address."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )
    updated_at = models.DateTimeField(default=clock.now, editable=False)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["advertiser", "-created_at"], name="campaign_of_advertiser")]  # its list
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["draft", "active", "paused", "completed"]), name="campaign_status_known"
            ),
            models.CheckConstraint(condition=Q(ends_on__gte=F("starts_on")), name="campaign_ends_after_start"),
            models.CheckConstraint(condition=Q(budget=None) | Q(budget__gte=0), name="campaign_budget_positive"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="campaign_currency_form"),
            models.CheckConstraint(condition=Q(claim_window_days__lte=366), name="campaign_window_bounded"),
            models.CheckConstraint(condition=Q(conversion_lag_h__lte=24 * 60), name="campaign_lag_bounded"),
            models.CheckConstraint(
                condition=Q(landing_url="") | Q(landing_url__regex=r"^https?://[^/@\\]+"), name="campaign_landing_form"
            ),
            models.CheckConstraint(
                condition=Q(click_window_min__gte=1, click_window_min__lte=24 * 60),
                name="campaign_click_window_bounded",
            ),
            models.CheckConstraint(
                condition=Q(attribution_days__gte=1, attribution_days__lte=366), name="campaign_attribution_bounded"
            ),
            models.CheckConstraint(
                condition=Q(postback_token__regex=r"^[A-Za-z0-9_-]{24,64}$"),  # noqa: S106 (a pattern)
                name="campaign_postback_token_form",
            ),
        ]

    def __str__(self) -> str:
        return self.campaign_name

    @property
    def last_claim_day(self) -> date:
        """The last calendar day, in the advertiser's time zone, on which claims are taken."""
        return self.ends_on + timedelta(days=self.claim_window_days)

    @property
    def looks_end_at(self) -> datetime:
        """When nothing more is looked at again for it. A paused or completed campaign is still looked at until then:
        its posts stand, and their figures count."""
        return plans.looks_end_at(
            last_claim_day=self.last_claim_day,
            time_zone=self.advertiser.time_zone,
            conversion_lag_h=self.conversion_lag_h,
        )

    def takes_claims_on(self, day: date) -> bool:
        """While active or completed, from the start to the end of the claim window."""
        return (
            self.status in (self.Status.ACTIVE, self.Status.COMPLETED) and self.starts_on <= day <= self.last_claim_day
        )


class CampaignPlatform(Row):
    """A platform a campaign runs on, and what it pays there. One that has posts is closed, not removed."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="campaign_platforms")
    platform = models.ForeignKey(Platform, models.PROTECT, related_name="campaign_platforms")
    rate_per_1000_views = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    rate_per_click = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    rate_per_conversion = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    recheck_plan = models.CharField(
        "re-checks",
        max_length=plans.MAX_PLAN_CHARS,
        blank=True,
        validators=[validate_plan],
        help_text='When posts are looked at again after a claim: "1h 6h 24h 72h 7d daily", or "never". '
        "Empty: as everywhere.",
    )
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["platform__name"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "platform"], name="campaignplatform_once"),
            *(
                models.CheckConstraint(
                    condition=Q(**{rate: None}) | Q(**{f"{rate}__gte": 0}), name=f"campaignplatform_{rate}_positive"
                )
                for rate in ("rate_per_1000_views", "rate_per_click", "rate_per_conversion")
            ),
            models.CheckConstraint(
                condition=Q(recheck_plan="") | Q(recheck_plan__regex=plans.FORM), name="campaignplatform_plan_form"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign} on {self.platform}"

    @property
    def rates(self) -> Rates:
        """The prices, as the pure module takes them."""
        return Rates(self.rate_per_1000_views, self.rate_per_click, self.rate_per_conversion)

    @property
    def plan(self) -> plans.Plan:
        """When its posts are looked at again: as this campaign wants it, else as it is everywhere."""
        return plans.plan_of(self.recheck_plan or settings.RECHECK_PLAN)


class Enrolment(Row):
    """An affiliate's place in a campaign: by invitation or, where the campaign is open, by the first claim."""

    class Status(models.TextChoices):
        INVITED = "invited"
        ACTIVE = "active"
        REMOVED = "removed"

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="enrolments")
    affiliate = models.ForeignKey(Affiliate, models.PROTECT, related_name="enrolments")
    status = models.CharField(max_length=8, choices=Status, default=Status.ACTIVE)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "affiliate"], name="enrolment_once"),
            models.CheckConstraint(
                condition=Q(status__in=["invited", "active", "removed"]), name="enrolment_status_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.affiliate} in {self.campaign}"


class Post(Row):
    """One piece of content: platform and the platform's own id. Its URL is stored in canonical form.

    A post claimed by a short link is *to be identified*: until its job has opened the link, `external_id` stands for
    the link itself.
    """

    class Ownership(models.TextChoices):
        """Whether the post's author is a proven account of its claimant."""

        UNKNOWN = "unknown", "author not known"
        PROVEN = "proven", "author proven"
        UNPROVEN = "unproven", "author not proven"
        FOREIGN = "foreign", "another account's post"

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="posts")
    affiliate = models.ForeignKey(Affiliate, models.PROTECT, related_name="posts")
    platform = models.ForeignKey(Platform, models.PROTECT, related_name="posts")
    external_id = models.CharField(max_length=128)
    url = models.CharField(max_length=500)
    short_url = models.CharField(max_length=500, blank=True, help_text="The short link it was first claimed by.")
    is_identified = models.BooleanField(default=True)
    api_id = models.CharField(
        max_length=128,
        null=True,
        blank=True,
        help_text="The id its platform's API takes, where the link's is another; empty: looked for in vain.",
    )
    author_id = models.CharField(max_length=64, blank=True, help_text="The platform's own id of who published it.")
    ownership = models.CharField(max_length=8, choices=Ownership, default=Ownership.UNKNOWN)
    is_reconciled = models.BooleanField(default=False)
    posted_at = models.DateTimeField(null=True, blank=True, help_text="When the platform says it was published.")
    displaced_at = models.DateTimeField(null=True, blank=True, help_text="A proven owner took its place.")
    tracking_link = models.ForeignKey(
        "campaigns.TrackingLink",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="posts",
        help_text="Whose clicks and conversions are this post's.",
    )
    merged_into = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="merged")

    objects = PostQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["campaign", "-created_at"], name="post_of_campaign"),  # the campaign page's list
            models.Index(fields=["affiliate", "-created_at"], name="post_of_affiliate"),  # an affiliate's history
            models.Index(fields=["platform", "external_id"], name="post_content"),  # who claims this content already
            # two links that lead to one content
            models.Index(fields=["platform", "api_id"], condition=Q(api_id__isnull=False), name="post_api_content"),
            # who claims this link, of which nobody knows yet what it leads to; and who came by this short link
            models.Index(fields=["platform", "url"], condition=Q(is_identified=False), name="post_open_link"),
            models.Index(fields=["platform", "short_url"], condition=~Q(short_url=""), name="post_short_link"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "platform", "external_id"],
                condition=Q(displaced_at=None, merged_into=None),
                name="post_one_claimant",
            ),
            models.UniqueConstraint(
                fields=["campaign", "platform", "url", "affiliate"],
                condition=Q(displaced_at=None, merged_into=None),
                name="post_url_once",
            ),
            models.CheckConstraint(condition=~Q(url="") & ~Q(external_id=""), name="post_has_identity"),
            models.CheckConstraint(
                condition=Q(ownership__in=["unknown", "proven", "unproven", "foreign"]), name="post_ownership_known"
            ),
        ]

    def __str__(self) -> str:
        return self.url


class PostText(models.Model):
    """What a post calls itself. It may be pruned or erased; the post and its figures stay."""

    post = models.OneToOneField(Post, models.CASCADE, primary_key=True, related_name="text")
    title = models.CharField(max_length=300, blank=True)
    description = models.TextField(max_length=5000, blank=True)
    author_handle = models.CharField(max_length=120, blank=True)

    objects = PostTextQuerySet.as_manager()

    class Meta:
        indexes = [GinIndex(OpClass(Upper("title"), name="gin_trgm_ops"), name="posttext_title")]  # a part of a title

    def __str__(self) -> str:
        return self.title
