"""People and programs that come in: users, keys, invitations, affiliates, and the record of what they did."""

import unicodedata
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from affiliates.keys import SCOPES
from affiliates.querysets import AffiliateQuerySet, ApiKeyQuerySet, IdempotencyKeyQuerySet
from config.models import AppendOnly, Row


def normalise_email(email: str) -> str:
    """One person, one spelling: NFC, lower case, no blanks around."""
    return unicodedata.normalize("NFC", email).strip().lower()


class UserManager(BaseUserManager["User"]):
    """Makes users by e-mail; `get_by_natural_key` (the login) finds them in whatever case they type."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=normalise_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=normalise_email(username or ""))


class User(AbstractBaseUser, PermissionsMixin, Row):
    """Anyone who comes in, person or program. An affiliate has one; staff is a flag; members belong to advertisers."""

    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=120, blank=True)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = "email"
    objects = UserManager()

    livemode: bool | None = None
    """What an API key restricts its user to for one request: live or test rows only. None: a person, who sees both."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["email"], name="user_email_once"),
            models.CheckConstraint(condition=Q(email=Lower("email")), name="user_email_lower_case"),
        ]

    def __str__(self) -> str:
        return self.email


class ApiKey(Row):
    """A program's way in. It acts as its user, within its scopes; the key itself is not kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=80, blank=True)
    prefix = models.CharField(max_length=12, unique=True)
    digest = models.CharField(max_length=64)
    last4 = models.CharField(max_length=4)
    scopes = ArrayField(models.CharField(max_length=16))
    livemode = models.BooleanField(default=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(condition=Q(scopes__contained_by=list(SCOPES)), name="apikey_known_scopes"),
        ]

    def __str__(self) -> str:
        return f"ck_{'live' if self.livemode else 'test'}_{self.prefix}…{self.last4}"


class IdempotencyKey(Row):
    """A request that its sender gave a key, with its answer: sent again under the key, it gets the same one.

    Written in the transaction of the work that the answer speaks of, so that there is never one without the other.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    livemode = models.BooleanField(null=True, help_text="Of the API key that it came by; null: by a session.")
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, help_text="Of method, path and body.")
    status = models.PositiveSmallIntegerField()
    location = models.TextField(blank=True)
    body = models.BinaryField(null=True, help_text="Null: it held a secret, which is shown once.")

    objects = IdempotencyKeyQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "key", "livemode"], nulls_distinct=False, name="idempotency_key_once"
            ),
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_age")]  # those to forget

    def __str__(self) -> str:
        return self.key


class Invitation(Row):
    """A one-time permission to sign up as an affiliate. Its code is shown once; the digest is kept."""

    digest = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Invitation of {self.created_at:%d %b %Y}"


class AuditEvent(AppendOnly):
    """Who did what to which row. It holds ids and figures; words of people hang on the rows themselves."""

    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    action = models.CharField(max_length=64)
    object_type = models.CharField(max_length=64)
    object_id = models.UUIDField()
    changes = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [models.Index(fields=["object_id", "created_at"], name="audit_of_object")]  # a row's own history

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_id}"


class Affiliate(Row):
    """A person or company that publishes posts for campaigns and claims their figures."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, related_name="affiliate")
    name = models.CharField(max_length=120)
    discord_user_id = models.CharField(max_length=32, null=True, blank=True, unique=True)
    discord_linked_at = models.DateTimeField(
        null=True, editable=False, help_text="When that Discord user showed a code of ours. Until then it is hearsay."
    )
    is_active = models.BooleanField(default=True)

    objects = AffiliateQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("name"), name="affiliate_name_once"),
            models.CheckConstraint(condition=~Q(name=""), name="affiliate_has_a_name"),
            models.CheckConstraint(
                condition=Q(discord_linked_at=None) | Q(discord_user_id__isnull=False), name="affiliate_links_a_user"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class DiscordCode(Row):
    """A one-time code with which a Discord user shows to be an affiliate. It is shown once; the digest is kept."""

    affiliate = models.ForeignKey(Affiliate, models.CASCADE, related_name="discord_codes")
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Discord code of {self.affiliate_id}"


class DiscordGuesses(models.Model):
    """How many codes in a row a Discord user has got wrong, since when."""

    discord_user_id = models.CharField(max_length=32, primary_key=True)
    wrong = models.PositiveIntegerField()
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.wrong} wrong codes of {self.discord_user_id}"
