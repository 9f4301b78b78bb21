"""Sets of keys and affiliates that have a name."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models import Q

from config import clock

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from affiliates.models import IdempotencyKey, User


IDEMPOTENCY_KEYS_KEPT_FOR = timedelta(hours=24)


class ApiKeyQuerySet(models.QuerySet[Any]):
    """API keys."""

    def usable(self) -> Self:
        """Neither revoked nor expired, of a user who is active."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=clock.now()), revoked_at=None, user__is_active=True)


class IdempotencyKeyQuerySet(models.QuerySet[Any]):
    """Requests with a key of their sender's."""

    def take(self, *, user: "User", key: str) -> "tuple[IdempotencyKey | None, bool]":
        """The request that was answered under this key, if any, and whether the key is the caller's until the end of
        the transaction: it isn't while somebody else's has it. One statement, and nobody waits.

        Its look is a moment older than its lock. Who was answered in between is met by the unique key.
        """
        row: IdempotencyKey
        [row] = self.raw(
            """
            SELECT saved.*, pg_try_advisory_xact_lock(hashtextextended(%s, 0)) AS is_taken
            FROM (SELECT) AS one LEFT JOIN affiliates_idempotencykey AS saved
                ON saved.user_id = %s AND saved.key = %s AND saved.livemode IS NOT DISTINCT FROM %s
            """,
            [f"idempotency {user.pk} {user.livemode} {key}", user.pk, key, user.livemode],
        )
        is_taken: bool = row.is_taken  # type: ignore[attr-defined]  # a column of this query
        if row.pk and row.created_at > clock.now() - IDEMPOTENCY_KEYS_KEPT_FOR:
            return row, is_taken
        if row.pk and is_taken:
            row.delete()  # it has run out, and nobody has come round to forgetting it
        return None, is_taken

    def run_out(self) -> Self:
        """Those to forget."""
        return self.filter(created_at__lte=clock.now() - IDEMPOTENCY_KEYS_KEPT_FOR)


class AffiliateQuerySet(models.QuerySet[Any]):
    """Affiliates."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Staff see all; an affiliate sees itself. What an advertiser sees of them comes with its campaigns."""
        if user.is_staff:
            return self
        return self.filter(user_id=user.pk)

    def linked_to(self, discord_user_id: str) -> Self:
        """The one that this Discord user has shown to be. A user's id that was merely written down says nothing."""
        return self.filter(discord_user_id=discord_user_id, discord_linked_at__isnull=False)
