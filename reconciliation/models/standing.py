"""How posts stand now, and what that sums up to: the rows that pages read."""

from typing import Any

from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Greatest, Least

from affiliates.models import Affiliate
from campaigns.models import Campaign, Post
from platforms.models import Platform
from reconciliation.models.deciding import Override
from reconciliation.models.evidence import AffiliateReport, PlatformReport, ReconciliationLog
from reconciliation.querysets import AffiliateRollUpQuerySet, DayRollUpQuerySet, PostStateQuerySet
from reconciliation.sums import COMPARED, OVER_CLAIMED, WORDS


def _copied(to: type[models.Model]) -> "models.ForeignKey[Any, Any]":
    """What the post itself refers to already: neither checked nor indexed twice."""
    return models.ForeignKey(to, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False)


def _share(of: Case) -> models.GeneratedField:
    return models.GeneratedField(expression=of, output_field=models.BigIntegerField(null=True), db_persist=True)


class PostState(models.Model):
    """How a post stands now: its current claim, that claim's verdict, and the newest truth.

    What lists are narrowed to, sorted by and summed up from stands here as well, as `PostStateQuerySet` copies it from
    the post, its claim, and its verdict or the override of it, none of which changes; whether the post stands, a
    trigger on posts keeps up.
    """

    post = models.OneToOneField(Post, models.CASCADE, primary_key=True, related_name="state")
    # Nothing is looked up by these five, and what they point at is never deleted: an index would cost each write.
    current_claim = models.ForeignKey(AffiliateReport, models.PROTECT, related_name="+", db_index=False)
    current_verdict = models.ForeignKey(
        ReconciliationLog,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="Of the current claim; may be provisional.",
    )
    counted_verdict = models.ForeignKey(
        ReconciliationLog,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="Of the latest claim that has one.",
    )
    override = models.ForeignKey(
        Override,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="What holds in place of the current verdict.",
    )
    latest_snapshot = models.ForeignKey(PlatformReport, models.PROTECT, null=True, related_name="+", db_index=False)
    last_fetched_at = models.DateTimeField(null=True)
    seen_live_at = models.DateTimeField(null=True, help_text="When the platform first showed it to us.")

    campaign = _copied(Campaign)
    platform = _copied(Platform)
    affiliate = _copied(Affiliate)
    is_standing = models.BooleanField(help_text="Neither displaced by a proven owner nor merged into another.")
    claimed_at = models.DateTimeField()
    claimed_on = models.DateField(help_text="The day of the claim where the advertiser is.")
    claimed_views = models.BigIntegerField(null=True, help_text="Empty where the claim was withdrawn.")
    verdict = models.CharField(
        max_length=14, help_text="The current one in a word: a discrepancy's level, a status, or pending."
    )
    views_discrepancy = models.BigIntegerField(null=True)
    views_diff_pct = models.DecimalField(decimal_places=2, max_digits=20, null=True)
    money_at_risk = models.DecimalField(decimal_places=2, max_digits=24, null=True)
    currency = models.CharField(max_length=3, blank=True, help_text="Of the money at risk; empty where there is none.")

    # A post's share of the sums: claimed views are verified (claimed and counted), over-claimed (claimed and not
    # counted) or not judged. Growth after a claim verifies no more than was claimed, and a claim that no post can have
    # is left out: one of them would outweigh all others.
    possible_views = _share(Case(When(verdict="invalid_claim", then=None), default=F("claimed_views")))
    verified_views = _share(
        Case(When(COMPARED, then=Least("claimed_views", F("claimed_views") - F("views_discrepancy"))))
    )
    over_claimed_views = _share(Case(When(COMPARED, then=Greatest("views_discrepancy", Value(0)))))

    objects = PostStateQuerySet.as_manager()

    class Meta:
        indexes = [
            # lists of posts, the newest claim first: a campaign's, those of one verdict in it, an affiliate's
            models.Index(
                fields=["campaign", "-claimed_at", "-post"], condition=Q(is_standing=True), name="state_of_campaign"
            ),
            models.Index(
                fields=["campaign", "verdict", "-claimed_at", "-post"],
                condition=Q(is_standing=True),
                name="state_of_verdict",
            ),
            models.Index(
                fields=["affiliate", "-claimed_at", "-post"], condition=Q(is_standing=True), name="state_of_affiliate"
            ),
            # ... and a campaign's, the costliest first
            models.Index(
                F("campaign"),
                F("money_at_risk").desc(nulls_last=True),
                F("post").desc(),
                condition=Q(is_standing=True),
                name="state_costliest",
            ),
            # discrepancies of several campaigns, the costliest first
            models.Index(
                F("money_at_risk").desc(nulls_last=True),
                F("post").desc(),
                condition=Q(is_standing=True, verdict__in=OVER_CLAIMED),
                name="state_discrepancies",
            ),
            # since when a campaign's figures hold
            models.Index(fields=["campaign", "last_fetched_at"], condition=Q(is_standing=True), name="state_as_of"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(verdict__in=WORDS), name="state_verdict_known"),
            models.CheckConstraint(
                condition=Q(verdict__in=["pending", "withdrawn"], current_verdict=None)
                | (~Q(verdict__in=["pending", "withdrawn"]) & Q(current_verdict__isnull=False)),
                name="state_word_has_its_verdict",
            ),
            models.CheckConstraint(
                condition=Q(money_at_risk=None, currency="") | (Q(money_at_risk__isnull=False) & ~Q(currency="")),
                name="state_money_has_its_currency",
            ),
        ]

    def __str__(self) -> str:
        return f"State of {self.post_id}"

    @property
    def claim_that_stands(self) -> AffiliateReport | None:
        """The current claim; None where that, and each before it, was withdrawn before anybody looked."""
        return None if self.verdict == "withdrawn" else self.current_claim

    @property
    def outcome(self) -> ReconciliationLog | Override | None:
        """What holds of the current claim: its verdict, or what was decided in its place."""
        return self.override or self.current_verdict


class RollUp(models.Model):
    """Sums over the posts that stand, added to by each statement that writes `PostState`: see its triggers.

    A row is an increment, or all earlier ones of its key folded into one; what holds is the sum over a key's rows.
    Adding a row waits for nobody, however many claim in one campaign at a time.
    """

    campaign = _copied(Campaign)
    platform = _copied(Platform)
    verdict = models.CharField(max_length=14)
    currency = models.CharField(max_length=3, blank=True, help_text="Of the money at risk; empty where there is none.")
    post_count = models.IntegerField()
    claiming_count = models.IntegerField(help_text="Those whose claim names views that a post can have.")
    compared_count = models.IntegerField(help_text="Those whose verdict held claimed views against a count.")
    claimed_sum = models.DecimalField(decimal_places=0, max_digits=30)
    verified_sum = models.DecimalField(decimal_places=0, max_digits=30)
    over_claimed_sum = models.DecimalField(decimal_places=0, max_digits=30)
    money_sum = models.DecimalField(decimal_places=2, max_digits=30)
    is_folded = models.BooleanField(default=False)

    class Meta:
        abstract = True


class DayRollUp(RollUp):
    """The posts of a campaign by the day of their current claim where the advertiser is."""

    day = models.DateField()

    objects = DayRollUpQuerySet.as_manager()

    class Meta:
        verbose_name = "roll-up by day"
        verbose_name_plural = "roll-ups by day"
        indexes = [
            models.Index(fields=["campaign", "day"], name="dayrollup_of_campaign"),
            models.Index(fields=["id"], condition=Q(is_folded=False), name="dayrollup_to_fold"),
        ]

    def __str__(self) -> str:
        return f"{self.post_count} {self.verdict} of {self.day}"


class AffiliateRollUp(RollUp):
    """The posts of a campaign by their affiliate."""

    affiliate = _copied(Affiliate)

    objects = AffiliateRollUpQuerySet.as_manager()

    class Meta:
        verbose_name = "roll-up by affiliate"
        verbose_name_plural = "roll-ups by affiliate"
        indexes = [
            models.Index(fields=["campaign", "affiliate"], name="affiliaterollup_of_campaign"),
            models.Index(fields=["affiliate"], name="affiliaterollup_of_affiliate"),
            models.Index(fields=["id"], condition=Q(is_folded=False), name="affiliaterollup_to_fold"),
        ]

    def __str__(self) -> str:
        return f"{self.post_count} {self.verdict} of {self.affiliate_id}"
