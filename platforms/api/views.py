"""What staff set for a platform."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from affiliates.api.authentication import AuthenticatedRequest
from affiliates.api.permissions import HasScope, IsStaff
from config.errors import NotAllowedError
from platforms.api.fields import platform_at
from platforms.api.serializers import PlatformChangesSerializer, PlatformConfigSerializer
from platforms.models import Platform
from platforms.services.settings import configure


class PlatformConfig(GenericAPIView[Platform]):
    """How far a platform's figures lag, its call budget, its breaker, and the application's credentials there."""

    scope = "platforms"
    permission_classes = [HasScope, IsStaff]
    serializer_class = PlatformConfigSerializer

    def get(self, request: Request, platform: str) -> Response:
        """What holds, what would by default, and what is set. Credentials are not shown, only where they come from."""
        return Response(self.get_serializer(platform_at(platform)).data)

    @extend_schema(request=PlatformChangesSerializer, responses=PlatformConfigSerializer)
    def put(self, request: AuthenticatedRequest, platform: str) -> Response:
        """Set what is given; what isn't stays, and null is the default again. PUT and PATCH are the same."""
        found = platform_at(platform)
        if request.user.livemode is False:
            raise NotAllowedError("Live and test mode share these settings: a test key can't change them.")
        given = PlatformChangesSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        changes: dict[str, Any] = dict(given.validated_data)
        credentials = changes.pop("credentials", None)
        changed = configure(platform=found, by=request.user, changes=changes, credentials=credentials)
        return Response(self.get_serializer(changed).data)

    patch = put
