"""Claims, snapshots and verdicts: written once, kept for ever."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from campaigns.models import Post
from config.counts import MAX_COUNT
from config.models import AppendOnly
from platforms.metrics import Availability
from platforms.models import Connection
from reconciliation.comparison import Denial, Level, Status, TrustEffect
from reconciliation.querysets import (
    AffiliateReportQuerySet,
    PlatformReportQuerySet,
    ReconciliationLogQuerySet,
)

if TYPE_CHECKING:
    from reconciliation.models.deciding import Override


def _count(**kwargs: Any) -> "models.BigIntegerField[Any, Any]":
    return models.BigIntegerField(null=True, blank=True, **kwargs)


def _within_bounds(table: str, *fields: str) -> list[models.CheckConstraint]:
    return [
        models.CheckConstraint(
            condition=Q(**{field: None}) | Q(**{f"{field}__gte": 0, f"{field}__lte": MAX_COUNT}),
            name=f"{table}_{field}_bounds",
        )
        for field in fields
    ]


class AffiliateReport(AppendOnly):
    """A claim: what the affiliate says of a post. Null is "not claimed"; at least one figure is."""

    class Method(models.TextChoices):
        API = "api", "API"
        DISCORD = "discord", "Discord"
        PORTAL = "portal", "Portal"
        IMPORT = "import", "Import"

    post = models.ForeignKey(Post, models.PROTECT, related_name="affiliate_reports")
    claimed_views = _count()
    claimed_clicks = _count()
    claimed_conversions = _count()
    submission_method = models.CharField(max_length=8, choices=Method, default=Method.API)
    claimed_at = models.DateTimeField()
    request_id = models.CharField(max_length=64, blank=True)

    objects = AffiliateReportQuerySet.as_manager()  # type: ignore[misc]

    latest_verdicts: "list[ReconciliationLog]"
    """The newest first, where `with_verdicts` has looked them up."""

    class Meta:
        verbose_name = "affiliate report (claim)"
        verbose_name_plural = "affiliate reports (claims)"
        ordering = ["-claimed_at", "-id"]
        indexes = [models.Index(fields=["post", "claimed_at"], name="claims_of_post")]  # settling, evolution
        constraints = [
            *_within_bounds("claim", "claimed_views", "claimed_clicks", "claimed_conversions"),
            models.CheckConstraint(
                condition=Q(claimed_views__isnull=False)
                | Q(claimed_clicks__isnull=False)
                | Q(claimed_conversions__isnull=False),
                name="claim_names_a_figure",
            ),
            models.CheckConstraint(
                condition=Q(submission_method__in=["api", "discord", "portal", "import"]), name="claim_method_known"
            ),
        ]

    def __str__(self) -> str:
        return f"Claim of {self.claimed_at:%d %b %Y %H:%M}"


class ClaimWithdrawal(AppendOnly):
    """An affiliate takes a claim back. One that nobody had looked at (`is_unseen`) is as if it had never been made; any
    other is judged like the rest, and its verdict counts."""

    class Reason(models.TextChoices):
        MISTYPED = "mistyped", "the figures were mistyped"
        WRONG_POST = "wrong_post", "it was meant for another post"
        TOO_SOON = "too_soon", "it was made too soon"
        OTHER = "other", "another reason"

    claim = models.OneToOneField(AffiliateReport, models.PROTECT, related_name="withdrawal")
    is_unseen = models.BooleanField()
    reason = models.CharField(max_length=10, choices=Reason)
    withdrawn_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(reason__in=["mistyped", "wrong_post", "too_soon", "other"]), name="withdrawal_reason_known"
            ),
        ]

    def __str__(self) -> str:
        return f"Withdrawal of {self.created_at:%d %b %Y %H:%M}"


class ReportEvidence(models.Model):
    """Light evidence that came with a claim. It may be pruned; the claim stays."""

    affiliate_report = models.OneToOneField(AffiliateReport, models.CASCADE, primary_key=True, related_name="evidence")
    evidence_data = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"Evidence of {self.affiliate_report_id}"


class PlatformReport(AppendOnly):
    """A snapshot: what the sources of truth said of a post at one moment. Null is "no source says"."""

    post = models.ForeignKey(Post, models.PROTECT, related_name="platform_reports")
    connection = models.ForeignKey(Connection, models.PROTECT, null=True, related_name="+")
    availability = models.CharField(
        max_length=8, choices=[(a.value, a.value) for a in Availability], null=True, help_text="Empty: not asked."
    )
    deleted = models.BooleanField(default=False, help_text="The platform itself says it was deleted or removed.")
    denial = models.CharField(
        max_length=16,
        choices=[(d.value, d.value) for d in Denial],
        null=True,
        help_text="Why it can't be used, where its affiliate can change that.",
    )
    views = _count()
    likes = _count()
    comments = _count()
    shares = _count()
    clicks = _count()
    conversions = _count()
    link_posts = models.PositiveIntegerField(
        "posts of the link",
        null=True,
        help_text="Clicks and conversions are those of a link that serves so many posts.",
    )
    followers = _count(help_text="Of the account that published it.")
    disclosed = models.BooleanField(
        null=True, help_text="Whether its text or the platform's label says that it is advertising. Empty: not known."
    )
    spend = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    posted_at = models.DateTimeField(null=True)
    provenance = models.JSONField(default=dict, help_text="Which source said each figure.")
    definitions = models.JSONField(default=dict, help_text="What each figure meant on that day.")
    fetched_at = models.DateTimeField()
    request_id = models.CharField(max_length=64, blank=True)

    objects = PlatformReportQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        verbose_name = "platform report (snapshot)"
        verbose_name_plural = "platform reports (snapshots)"
        ordering = ["-fetched_at", "-id"]
        indexes = [models.Index(fields=["post", "fetched_at"], name="snapshots_of_post")]  # a post's curve
        constraints = [
            *_within_bounds("snapshot", "views", "likes", "comments", "shares", "clicks", "conversions", "followers"),
            models.CheckConstraint(
                condition=Q(availability=None) | Q(availability__in=[a.value for a in Availability]),
                name="snapshot_availability_known",
            ),
            models.CheckConstraint(
                condition=Q(denial=None) | Q(denial__in=[d.value for d in Denial]), name="snapshot_denial_known"
            ),
        ]

    def __str__(self) -> str:
        return f"Snapshot of {self.fetched_at:%d %b %Y %H:%M}"


class PlatformReportBody(models.Model):
    """The answer as it was received. It may be pruned; the snapshot stays."""

    platform_report = models.OneToOneField(PlatformReport, models.CASCADE, primary_key=True, related_name="body")
    raw_data = models.JSONField()

    def __str__(self) -> str:
        return f"Body of {self.platform_report_id}"


class RuleSet(AppendOnly):
    """What claims are judged by, as one version: thresholds, floors and lags of every scope (see
    `reconciliation.rules` for how the cells resolve), the settings of the data-quality rules, and how trust is counted.
    """

    version = models.PositiveIntegerField(unique=True)
    cells = models.JSONField()
    quality = models.JSONField(default=dict, help_text="What staff set of the data-quality rules, by rule.")
    trust = models.JSONField(default=dict, help_text="What staff set of how trust is counted.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        verbose_name = "rule set"
        ordering = ["-version"]

    def __str__(self) -> str:
        return f"Rules, version {self.version}"


class ReconciliationLog(AppendOnly):
    """A verdict: one claim held against one snapshot, with its explanation.

    `next_look_at` is null on the claim's one counted verdict; a provisional verdict says when the claim is looked at
    again.
    """

    affiliate_report = models.ForeignKey(AffiliateReport, models.PROTECT, related_name="verdicts")
    platform_report = models.ForeignKey(PlatformReport, models.PROTECT, related_name="verdicts")
    post = models.ForeignKey(Post, models.PROTECT, related_name="verdicts")
    ruleset = models.ForeignKey(RuleSet, models.PROTECT, related_name="+")
    status = models.CharField(max_length=16, choices=[(s.value, s.value) for s in Status])
    discrepancy_level = models.CharField(max_length=8, choices=[(lv.value, lv.value) for lv in Level], null=True)
    views_discrepancy = models.BigIntegerField(null=True)
    clicks_discrepancy = models.BigIntegerField(null=True)
    conversions_discrepancy = models.BigIntegerField(null=True)
    views_diff_pct = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    clicks_diff_pct = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    conversions_diff_pct = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    confidence = models.DecimalField(max_digits=4, decimal_places=3)
    explanation = models.TextField()
    trust_effect = models.CharField(max_length=10, choices=[(e.value, e.value) for e in TrustEffect])
    money_at_risk = models.DecimalField(max_digits=24, decimal_places=2, null=True)
    currency = models.CharField(max_length=3)
    next_look_at = models.DateTimeField(null=True)
    processed_at = models.DateTimeField()
    terms = models.JSONField(
        null=True,
        help_text="What it was drawn by besides claim, snapshot and rule set: lags, rates, what was known of earlier "
        "looks. Empty: it is from before this was kept.",
    )
    request_id = models.CharField(max_length=64, blank=True)

    objects = ReconciliationLogQuerySet.as_manager()  # type: ignore[misc]

    decisions: "list[Override]"
    """The override that holds, if there is one, where it has been looked up."""

    class Meta:
        verbose_name = "reconciliation log (verdict)"
        verbose_name_plural = "reconciliation logs (verdicts)"
        ordering = ["-processed_at", "-id"]
        indexes = [
            models.Index(fields=["post", "-processed_at"], name="verdicts_of_post"),  # the post's timeline
            models.Index(fields=["-processed_at"], name="verdicts_latest"),  # the list of results
        ]
        constraints = [
            models.UniqueConstraint(fields=["affiliate_report", "platform_report"], name="verdict_once_a_snapshot"),
            models.UniqueConstraint(
                fields=["affiliate_report"], condition=Q(next_look_at=None), name="verdict_counted_once"
            ),
            models.CheckConstraint(condition=Q(status__in=[s.value for s in Status]), name="verdict_status_known"),
            models.CheckConstraint(
                condition=Q(discrepancy_level=None) | Q(discrepancy_level__in=[lv.value for lv in Level]),
                name="verdict_level_known",
            ),
            models.CheckConstraint(condition=Q(confidence__gte=0, confidence__lte=1), name="verdict_confidence_bounds"),
            models.CheckConstraint(
                condition=Q(next_look_at=None) | Q(trust_effect=TrustEffect.NONE.value),
                name="verdict_provisional_earns_nothing",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.discrepancy_level or ''}".strip()

    @property
    def is_counted(self) -> bool:
        """Whether this is the claim's last word."""
        return self.next_look_at is None

    @property
    def override(self) -> "Override | None":
        """What was decided in its place, where that has been looked up: see `with_override`."""
        return next(iter(self.decisions), None)

    @property
    def outcome(self) -> "ReconciliationLog | Override":
        """What holds of it: itself, or what was decided in its place."""
        return self.override or self
