"""Tracking links and the visits through them; the sales that an advertiser's shop reports, and the keys it signs with.

Nothing here tells who a visitor was: a click keeps a hash whose salt is deleted when its window is over.
"""

import secrets
import string

from django.db import models
from django.db.models import Q
from django.db.models.functions import Length

from affiliates.models import Affiliate
from campaigns.attribution import Unattributed
from campaigns.landing import MAX_URL_CHARS
from campaigns.models.campaigns import Campaign
from campaigns.querysets import ConversionQuerySet, TrackingLinkQuerySet
from config.ids import new_id
from config.models import AppendOnly, Row
from platforms.models import Platform

models.BinaryField.register_lookup(Length)  # for the constraints below

CODE_CHARS = 10
_BASE62 = string.digits + string.ascii_letters


def new_code() -> str:
    """The last part of a tracking link, random: 62^10 of them."""
    return "".join(secrets.choice(_BASE62) for _ in range(CODE_CHARS))


class TrackingLink(Row):
    """An affiliate's own way to a campaign's landing page, made before the post is published on one platform."""

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="tracking_links")
    platform = models.ForeignKey(Platform, models.PROTECT, related_name="+")
    affiliate = models.ForeignKey(Affiliate, models.PROTECT, related_name="tracking_links")
    code = models.CharField(max_length=16, unique=True, default=new_code, editable=False)
    label = models.CharField(max_length=80, blank=True, help_text="What its affiliate calls it.")
    destination = models.CharField(
        max_length=MAX_URL_CHARS, blank=True, help_text="Another page of the landing page's site."
    )
    disabled_at = models.DateTimeField(null=True, blank=True)

    objects = TrackingLinkQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            # an affiliate's links in a campaign, and which of them a new post is bound to
            models.Index(fields=["campaign", "affiliate", "platform"], name="link_of_affiliate"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(code__regex=r"^[0-9A-Za-z]{8,16}$"), name="link_code_form"),
        ]

    def __str__(self) -> str:
        return f"/t/{self.code}"


class Click(models.Model):
    """A visit through a tracking link; its id travels on to the landing page.

    Each visit is one row. The ones without `invalid_reason` are counted: one for each visitor and window.
    """

    class Invalid(models.TextChoices):
        """Why a visit is not counted, the first that holds."""

        HEAD = "head", "asked for the headers only"
        PREFETCH = "prefetch", "loaded ahead"
        ROBOT = "robot", "robot"
        REPEAT = "repeat", "same visitor"
        FLOOD = "flood", "flood from one network"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # Links are never deleted. A constraint here would lock the link's row at every click on it.
    link = models.ForeignKey(TrackingLink, models.PROTECT, related_name="clicks", db_constraint=False, db_index=False)
    visitor = models.BinaryField(max_length=32)
    network = models.BinaryField(max_length=16)
    window = models.BigIntegerField(help_text="Which one it is, counted from 1970 in the campaign's length.")
    at = models.DateTimeField()
    invalid_reason = models.CharField(max_length=8, choices=Invalid, blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            # how many counted clicks a link has
            models.Index(fields=["link", "at"], condition=Q(invalid_reason=""), name="click_counted"),
            # how many of them came from one network within a minute; its hash is another on every link
            models.Index(fields=["network", "at"], condition=Q(invalid_reason=""), name="click_crowd"),
            # how many are set apart, by reason
            models.Index(fields=["link", "invalid_reason"], condition=~Q(invalid_reason=""), name="click_set_apart"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["visitor", "link", "window"], condition=Q(invalid_reason=""), name="click_once_a_window"
            ),
            models.CheckConstraint(
                condition=Q(invalid_reason__in=["", "head", "prefetch", "robot", "repeat", "flood"]),
                name="click_reason_known",
            ),
            models.CheckConstraint(condition=Q(visitor__length=32, network__length=16), name="click_hashes_are_whole"),
            models.CheckConstraint(condition=Q(window__gte=0), name="click_window_positive"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class ClickSalt(models.Model):
    """What visitors are hashed with during one window; without it nobody finds out who a hash was."""

    window_min = models.PositiveSmallIntegerField()
    window = models.BigIntegerField()
    salt = models.BinaryField(max_length=32)
    ends_at = models.DateTimeField(db_index=True)  # the sweep: what is over

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["window_min", "window"], name="clicksalt_once"),
            models.CheckConstraint(condition=Q(salt__length=32), name="clicksalt_is_whole"),
        ]

    def __str__(self) -> str:
        return f"Salt until {self.ends_at:%d %b %Y %H:%M}"


class PostbackKey(Row):
    """What a campaign's shop signs its postbacks with. A campaign has two live ones at most, to change them over."""

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="postback_keys")
    prefix = models.CharField(max_length=12)
    last4 = models.CharField(max_length=4)
    locked = models.TextField(editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=~Q(locked="") & ~Q(prefix="") & ~Q(last4=""), name="postbackkey_is_whole"),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}…{self.last4}"


class Conversion(Row):
    """One transaction that a campaign's shop reported. Its events are how it came to stand as it does."""

    class Status(models.TextChoices):
        PENDING = "pending"
        APPROVED = "approved"
        REVERSED = "reversed"

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="conversions")
    transaction_id = models.CharField(max_length=128)
    link = models.ForeignKey(TrackingLink, models.PROTECT, null=True, related_name="conversions")
    click = models.ForeignKey(Click, models.PROTECT, null=True, related_name="conversions")
    named = models.CharField(max_length=40, help_text="The click's id or the link's code, as the shop named it.")
    unattributed = models.CharField(
        max_length=16, choices=[(each.value, each.value) for each in Unattributed], blank=True, help_text="Why."
    )
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=8, choices=Status)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    reversed_at = models.DateTimeField(null=True)

    objects = ConversionQuerySet.as_manager()

    class Meta:
        ordering = ["-received_at", "-id"]
        indexes = [
            models.Index(fields=["link", "received_at"], name="conversions_of_link"),  # how many a link has
        ]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "transaction_id"], name="conversion_once"),
            models.CheckConstraint(
                condition=Q(transaction_id__regex=r"^[!-~]{1,128}$"), name="conversion_transaction_form"
            ),
            models.CheckConstraint(condition=Q(amount__gte=0), name="conversion_amount_positive"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="conversion_currency_form"),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "approved", "reversed"]), name="conversion_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status="reversed", reversed_at__isnull=False)
                | ~Q(status="reversed") & Q(reversed_at__isnull=True),
                name="conversion_reversed_has_a_moment",
            ),
            models.CheckConstraint(
                condition=Q(link__isnull=False, click__isnull=False, unattributed="")
                | Q(link=None, click=None) & ~Q(unattributed=""),
                name="conversion_attributed_or_says_why",
            ),
            models.CheckConstraint(
                condition=Q(unattributed="") | Q(unattributed__in=[each.value for each in Unattributed]),
                name="conversion_reason_known",
            ),
        ]

    def __str__(self) -> str:
        return self.transaction_id


class ConversionEvent(AppendOnly):
    """A postback that made a conversion or changed how it stands."""

    conversion = models.ForeignKey(Conversion, models.PROTECT, related_name="events")
    sequence = models.PositiveSmallIntegerField()
    status = models.CharField(max_length=8, choices=Conversion.Status)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the request as it was signed.")
    at = models.DateTimeField()

    class Meta:
        ordering = ["conversion", "sequence"]
        constraints = [
            models.UniqueConstraint(fields=["conversion", "sequence"], name="conversionevent_once"),
            models.UniqueConstraint(fields=["conversion", "status"], name="conversionevent_status_once"),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "approved", "reversed"]), name="conversionevent_status_known"
            ),
            models.CheckConstraint(condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="conversionevent_digest_form"),
        ]

    def __str__(self) -> str:
        return f"{self.sequence}. {self.status}"
