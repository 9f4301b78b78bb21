"""What a caller may do at all. Whose rows they may do it to is the querysets' business (`visible_to`)."""

from typing import TYPE_CHECKING, Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from affiliates.models import ApiKey

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which itself imports the classes of the settings, these among them


class HasScope(BasePermission):
    """Somebody known; and a key has the scope: the view's `scope` to change things, that or `read` to read them."""

    message = "This API key lacks the scope for this."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not request.user.is_authenticated:
            return False
        if not isinstance(request.auth, ApiKey):
            return True
        scope: Any = getattr(view, "scope", None)
        allowed = {scope, "read"} if request.method in SAFE_METHODS else {scope}
        return bool(allowed & set(request.auth.scopes))


class IsStaff(BasePermission):
    """Staff only."""

    message = "Only staff may do this."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return bool(request.user.is_staff)


class IsAffiliate(BasePermission):
    """Affiliates that are active."""

    message = "Only an active affiliate may do this."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        affiliate = getattr(request.user, "affiliate", None)
        return bool(affiliate and affiliate.is_active)


class SharedByModes(BasePermission):
    """What live and test mode have in common is read with a test key, and not changed."""

    message = "Live and test mode share this: a test key can't change it."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return request.method in SAFE_METHODS or getattr(request.user, "livemode", None) is not False


class MaySignUp(HasScope):
    """Strangers, and whoever has the scope. Whether sign-up is open to them is for the service to say."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return not request.user.is_authenticated or super().has_permission(request, view)
