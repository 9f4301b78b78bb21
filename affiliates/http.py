"""The type of a page's request behind `login_required`."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from affiliates.models import User


class AuthenticatedRequest(HttpRequest):
    """Somebody has logged in, and the htmx middleware has looked at it."""

    user: User
    htmx: HtmxDetails
