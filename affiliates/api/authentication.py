"""Who calls: a program by its Bearer key. People come by their session."""

from datetime import timedelta

from django.db.models import Q
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from affiliates import keys
from affiliates.models import ApiKey, User
from config import clock

USE_NOTED_EVERY = timedelta(minutes=1)


class AuthenticatedRequest(Request):
    """The type of a request that HasScope has let through."""

    user: User


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer ck_live_…`. The key acts as its user, sees its own mode only, within its scopes."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        """None without a Bearer header. One answer for keys that are unknown, wrong, revoked or expired."""
        scheme, _, given = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        text = given.strip().decode("ascii", "replace")
        key = ApiKey.objects.usable(keys.prefix_of(text) or "")
        if key is None or not keys.matches(text, key.digest):
            raise AuthenticationFailed("This API key is not valid.")
        self._note_use(key)
        user: User = key.user
        user.livemode = key.livemode
        return user, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'

    def _note_use(self, key: ApiKey) -> None:
        """At most once a minute, so that reading stays reading."""
        now = clock.now()
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USE_NOTED_EVERY)
        if key.last_used_at is None or key.last_used_at < now - USE_NOTED_EVERY:
            ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """How the schema describes it."""

    target_class = "affiliates.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "ck_live_… or ck_test_…"}
