"""How often somebody may call. The counters live in the shared cache; see the settings THROTTLE_*."""

from typing import TYPE_CHECKING

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which itself imports the classes of the settings, these among them


class CallerThrottle(SimpleRateThrottle):
    """By API key, else by person, else by address."""

    scope = "caller"

    def get_cache_key(self, request: Request, view: "APIView") -> str:
        caller = getattr(request.auth, "pk", None) or request.user.pk or self.get_ident(request)
        return self.cache_format % {"scope": self.scope, "ident": caller}


class ExportThrottle(SimpleRateThrottle):
    """Files of whole lists, by API key or person; pages and the API count together where it is a person."""

    scope = "export"

    def get_cache_key(self, request: "Request | HttpRequest", view: "APIView | None") -> str:
        caller = getattr(getattr(request, "auth", None), "pk", None) or request.user.pk
        return self.cache_format % {"scope": self.scope, "ident": caller}


class SignUpThrottle(SimpleRateThrottle):
    """Sign-ups by address; staff sign up whom they like."""

    scope = "signup"

    def get_cache_key(self, request: Request, view: "APIView") -> str | None:
        if request.user.is_staff:
            return None
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}
