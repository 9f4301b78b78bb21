"""Who decides on campaigns."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from campaigns.models import Advertiser


class ManagesAnAdvertiser(BasePermission):
    """Staff, and managers of some advertiser."""

    message = "Only staff and an advertiser's managers may do this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(request.user.is_staff) or Advertiser.objects.managed_by(request.user).exists()
