"""Sets of keys and affiliates that have a name."""

from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.db import connection, models

from config import clock
from config.compiled import objects_in
from config.ids import new_id

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from affiliates.models import ApiKey, User


IDEMPOTENCY_KEYS_KEPT_FOR = timedelta(hours=24)


@cache
def _caller_models() -> list[Any]:
    return [apps.get_model("affiliates", name) for name in ("ApiKey", "User", "Affiliate")]


@cache
def _usable_key() -> str:
    named = zip(("key", "usr", "affiliate"), _caller_models(), strict=True)
    columns = [f"{alias}.{field.column}" for alias, model in named for field in model._meta.concrete_fields]
    return f"""
        SELECT {", ".join(columns)} FROM affiliates_apikey AS key
        JOIN affiliates_user AS usr ON usr.id = key.user_id AND usr.is_active
        LEFT JOIN affiliates_affiliate AS affiliate ON affiliate.user_id = usr.id
        WHERE key.prefix = %(prefix)s AND key.revoked_at IS NULL
            AND (key.expires_at IS NULL OR key.expires_at > %(now)s)
    """


class ApiKeyQuerySet(models.QuerySet[Any]):
    """API keys."""

    def usable(self, prefix: str) -> "ApiKey | None":
        """The key of this prefix with its user and, where that is one, the affiliate; None unless it is neither revoked
        nor expired and its user is active.

        Every call of the API asks this: as SQL it costs a third of what the ORM takes to write the same.
        """
        with connection.cursor() as cursor:
            cursor.execute(_usable_key(), {"prefix": prefix, "now": clock.now()})
            row = cursor.fetchone()
        if row is None:
            return None
        key: ApiKey
        key, user, affiliate = objects_in(row, _caller_models())
        key.user = user
        type(user).affiliate.related.set_cached_value(user, affiliate if affiliate.pk else None)
        return key


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered to a request with a key. `digest` tells which request; without a `body` it held a secret."""

    digest: str
    status: int
    location: str
    body: bytes | None


class IdempotencyKeyQuerySet(models.QuerySet[Any]):
    """Requests with a key of their sender's."""

    def take(self, *, user: "User", key: str) -> tuple[KeptAnswer | None, bool]:
        """What was answered under this key, if anything, and whether the key is the caller's until the end of the
        transaction: it isn't while somebody else has it. One statement, and nobody waits.

        Its look is a moment older than its lock. Who was answered in between is met by `keep`.
        """
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT saved.digest, saved.status, saved.location, saved.body,
                    pg_try_advisory_xact_lock(hashtextextended(%s, 0))
                FROM (SELECT) AS one LEFT JOIN affiliates_idempotencykey AS saved
                    ON saved.user_id = %s AND saved.key = %s AND saved.livemode IS NOT DISTINCT FROM %s
                    AND saved.created_at > %s
                """,
                [f"idempotency {user.pk} {user.livemode} {key}", user.pk, key, user.livemode, _oldest()],
            )
            *answer, is_taken = cursor.fetchone()
        return (KeptAnswer(*answer) if answer[0] else None), is_taken

    def keep(self, answer: KeptAnswer, *, user: "User", key: str) -> bool:
        """Keep what is answered under this key, in place of what has run out. False where another answer is kept."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO affiliates_idempotencykey AS saved
                    (id, created_at, user_id, livemode, key, digest, status, location, body)
                VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
                ON CONFLICT (user_id, key, livemode) DO UPDATE SET created_at = EXCLUDED.created_at,
                    digest = EXCLUDED.digest, status = EXCLUDED.status, location = EXCLUDED.location,
                    body = EXCLUDED.body
                WHERE saved.created_at <= %s
                """,
                [new_id(), clock.now(), user.pk, user.livemode, key, *astuple(answer), _oldest()],
            )
            return bool(cursor.rowcount)

    def run_out(self) -> Self:
        """Those to forget."""
        return self.filter(created_at__lte=_oldest())


def _oldest() -> datetime:
    """When a key that runs out now was kept."""
    return clock.now() - IDEMPOTENCY_KEYS_KEPT_FOR


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
