"""Platforms: how they are doing, and looks at their posts on demand. What is set for them is the business of
`platforms.api`."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from affiliates.api.authentication import AuthenticatedRequest
from affiliates.api.idempotency import idempotent
from affiliates.api.permissions import HasScope, IsStaff
from affiliates.models import User
from config.api.shown import Shown
from platforms.api.fields import platform_at
from platforms.breaker import CircuitState
from platforms.health import Health
from platforms.models import Connection, Platform
from reconciliation.api.requests import FetchRequestSerializer
from reconciliation.api.serializers import NamedSerializer, RunSerializer
from reconciliation.api.views import accepted_run, posts_to_look_at
from reconciliation.services import runs
from reconciliation.services.health import details_of, health_of

HEALTH_WORDS = [each.value for each in Health]

# --- What is shown


class PlatformInShortSerializer(Shown):
    """A platform, and how it is doing."""

    platform = serializers.CharField()
    name = serializers.CharField()
    status = serializers.ChoiceField(HEALTH_WORDS)


class BreakerSerializer(Shown):
    """A breaker. It stops all calls after so many failures in a row, and tries one from time to time."""

    livemode = serializers.BooleanField()
    state = serializers.ChoiceField([each.value for each in CircuitState])
    failures = serializers.IntegerField(help_text="Calls in a row that came to nothing.")
    opened = serializers.IntegerField(help_text="How often in a row it has opened.")
    retry_at = serializers.DateTimeField(allow_null=True)
    last_error = serializers.CharField()
    changed_at = serializers.DateTimeField()


class WaitingSerializer(Shown):
    """Looks whose time has come and that nobody is taking."""

    looks = serializers.IntegerField()
    oldest_due_at = serializers.DateTimeField(allow_null=True)


class BudgetSerializer(Shown):
    """The call budget of a connection. Units are calls; sub-requests where Meta counts them."""

    rate_calls = serializers.IntegerField(source="platform.budget.rate_calls")
    rate_window_s = serializers.IntegerField(source="platform.budget.rate_window_s")
    free_now = serializers.IntegerField(help_text="How many calls may leave at once.")
    quota = serializers.IntegerField(source="platform.budget.daily_quota", allow_null=True, help_text="Null: no end.")
    used = serializers.IntegerField(source="quota_used_today", help_text="Units spent on the platform's present day.")
    resets_at = serializers.DateTimeField(source="quota_resets_at", allow_null=True)


class LaneSerializer(Shown):
    """A connection that work queues in: the application's own (`affiliate` is null), or an affiliate's."""

    connection = serializers.UUIDField(source="connection.pk")
    affiliate = NamedSerializer(source="connection.affiliate", allow_null=True)
    livemode = serializers.BooleanField(source="connection.livemode")
    state = serializers.ChoiceField(Connection.State.choices, source="connection.state")
    parked_reason = serializers.CharField(source="connection.parked_reason")
    not_before = serializers.DateTimeField(source="connection.not_before", allow_null=True)
    last_success_at = serializers.DateTimeField(source="connection.last_success_at", allow_null=True)
    budget = BudgetSerializer(source="connection")
    due = WaitingSerializer()


class PlatformStatusSerializer(PlatformInShortSerializer):
    """How a platform is doing; for staff with all that tells so. `truncated`: there are more lanes than are shown."""

    breakers = BreakerSerializer(many=True, required=False)
    due = WaitingSerializer(required=False)
    lanes = LaneSerializer(many=True, required=False)
    truncated = serializers.BooleanField(required=False)


# --- Views


class Platforms(ListAPIView[Platform]):
    """The platforms that posts may be on."""

    scope = "platforms"
    serializer_class = PlatformInShortSerializer
    queryset = Platform.objects.filter(is_active=True)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """All platforms, each with how it is doing: `up`, `degraded` or `down`."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response(self.get_serializer(_in_short(request.user, page), many=True).data)


class PlatformStatus(GenericAPIView[Platform]):
    """How a platform is doing."""

    scope = "platforms"
    serializer_class = PlatformStatusSerializer

    def get(self, request: AuthenticatedRequest, platform: str) -> Response:
        """`up`, `degraded` or `down`; staff see why: breakers, lanes with their budgets, and what is due."""
        found = platform_at(platform)
        (short,) = _in_short(request.user, [found])
        if not request.user.is_staff:
            return Response(PlatformInShortSerializer(short).data)
        details = details_of(platform=found, livemode=request.user.livemode)
        told = {name: getattr(details, name) for name in ("breakers", "due", "lanes", "truncated")}
        return Response(self.get_serializer(short | told).data)


class PlatformFetch(GenericAPIView[Any]):
    """Looks on demand at posts of one platform."""

    scope = "platforms"
    permission_classes = [HasScope, IsStaff]
    serializer_class = FetchRequestSerializer

    @idempotent
    @extend_schema(responses={202: RunSerializer})
    def post(self, request: AuthenticatedRequest, platform: str) -> Response:
        """Look at the posts that are listed, or at all whose look is due. They are looked at like all others: within
        the call budget, and not while the breaker is open."""
        found, user = platform_at(platform), request.user
        given = FetchRequestSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        if given.validated_data.get("all_due"):
            run = runs.request_due_run(platform=found, livemode=user.livemode, by=user)
        else:
            scope = runs.Scope(platform=found.slug, posts=tuple(given.validated_data["posts"]))
            run = runs.request_run(posts=posts_to_look_at(user, scope), by=user, scope=scope.as_json())
        return accepted_run(request, run)


def _in_short(user: User | Any, platforms: list[Platform]) -> list[dict[str, Any]]:
    """How these platforms are doing: in the key's own world, for people in the live one."""
    words = health_of(platforms=platforms, livemode=user.livemode is not False)
    return [{"platform": each.slug, "name": each.name, "status": words[each.pk]} for each in platforms]
