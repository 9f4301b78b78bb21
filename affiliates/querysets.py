"""Sets of keys and affiliates that have a name."""

from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models import Q

from config import clock

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from affiliates.models import User


class ApiKeyQuerySet(models.QuerySet[Any]):
    """API keys."""

    def usable(self) -> Self:
        """Neither revoked nor expired, of a user who is active."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=clock.now()), revoked_at=None, user__is_active=True)


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
