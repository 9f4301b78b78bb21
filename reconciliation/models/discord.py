"""What came from Discord: each interaction once, with the answer it got."""

from django.db import models
from django.db.models import Q

from affiliates.models import Affiliate
from campaigns.models import Post
from config import clock
from reconciliation.models.evidence import AffiliateReport, ReconciliationLog


class DiscordInteraction(models.Model):
    """An interaction that may have changed something. Its id comes from Discord, whose signatures have no age limit:
    what comes again gets the same answer, and changes nothing.

    Where a claim waits for its verdict, the token is kept, locked, for the 15 minutes that Discord honours it: with it
    the answer can be edited, and nothing else.
    """

    class Kind(models.TextChoices):
        COMMAND = "command", "slash command"
        MESSAGE = "message", "message command"
        MODAL = "modal", "modal"
        OTHER = "other", "other"

    id = models.CharField(max_length=20, primary_key=True)
    received_at = models.DateTimeField(default=clock.now)
    kind = models.CharField(max_length=8, choices=Kind)
    affiliate = models.ForeignKey(Affiliate, models.PROTECT, null=True, related_name="discord_interactions")
    message_id = models.CharField(max_length=20, null=True, help_text="The message whose link was submitted.")
    url = models.CharField(max_length=2048, blank=True, help_text="The link that was read out of the message.")
    post = models.ForeignKey(Post, models.PROTECT, null=True, related_name="discord_interactions")
    claim = models.ForeignKey(AffiliateReport, models.PROTECT, null=True, related_name="discord_interactions")
    answer = models.JSONField(default=dict)
    locked = models.TextField(blank=True, help_text="The token, encrypted; empty where no verdict is to follow.")
    token_expires_at = models.DateTimeField()
    verdict = models.ForeignKey(
        ReconciliationLog, models.PROTECT, null=True, related_name="+", help_text="The one told, or to be told."
    )
    told_at = models.DateTimeField(null=True)
    tell_at = models.DateTimeField(null=True, help_text="When telling it is tried anew.")
    tell_attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-received_at", "-id"]
        indexes = [
            models.Index(fields=["tell_at"], condition=Q(tell_at__isnull=False), name="discord_to_tell"),  # the sweep
            models.Index(fields=["token_expires_at"], condition=~Q(locked=""), name="discord_tokens"),  # the sweep
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["message_id", "affiliate"],
                condition=Q(message_id__isnull=False, claim__isnull=False),
                name="discord_message_claimed_once",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["command", "message", "modal", "other"]), name="discord_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.id}"
