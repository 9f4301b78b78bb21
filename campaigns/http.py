"""Pages that show advertisers' figures, and their lists as files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseBase
from django.utils import timezone

from affiliates.http import AuthenticatedRequest
from campaigns.models import Advertiser, Campaign
from config.api.throttling import ExportThrottle
from config.tables.exporting import Export
from config.tables.writing import Format


def manages(request: AuthenticatedRequest, found: Campaign) -> bool:
    """Whether this campaign is theirs to change."""
    return Campaign.objects.managed_by(request.user).filter(pk=found.pk).exists()


def managed(request: AuthenticatedRequest, found: Campaign) -> Campaign:
    """The campaign, which they may see. Raises PermissionDenied where it is theirs to read only."""
    if not manages(request, found):
        raise PermissionDenied
    return found


@contextmanager
def figures_of(advertisers: Sequence[Advertiser]) -> Iterator[dict[str, Any]]:
    """Within it moments and days are those of the advertisers' time zone; UTC where they have several, or none.

    Gives what pages need to say whose figures these are, and in whose time: "New York time".
    """
    zones = {advertiser.time_zone for advertiser in advertisers}
    zone = zones.pop() if len(zones) == 1 else "UTC"
    place = zone.rpartition("/")[2].replace("_", " ")
    with timezone.override(zone):
        yield {
            "advertiser": advertisers[0] if len(advertisers) == 1 else None,
            "time_zone": "UTC" if place == "UTC" else f"{place} time",
            **test_mode(advertisers),
        }


def test_mode(advertisers: Sequence[Advertiser]) -> dict[str, Any]:
    """What base.html needs for its banner: which of these advertisers are test advertisers, and whether all are."""
    names = [advertiser.name for advertiser in advertisers if not advertiser.livemode]
    return {"test_advertisers": names, "is_all_test": bool(names) and len(names) == len(advertisers)}


def exported(request: AuthenticatedRequest, export: Export, rows: "QuerySet[Any]") -> HttpResponseBase | None:
    """The rows of a page's list as a file, where its address asks for one (`?export=csv`): all of its pages."""
    asked = request.GET.get("export")
    if asked is None:
        return None
    if asked not in list(Format):
        raise Http404
    throttle = ExportThrottle()
    if not throttle.allow_request(request, None):  # type: ignore[arg-type]  # it takes our own request as well
        wait_s = round((throttle.wait() or 0) + 0.5)
        text = "You have exported a lot within the hour. Try again later."
        return HttpResponse(text, status=429, content_type="text/plain", headers={"Retry-After": str(wait_s)})
    own = None if request.user.is_staff else Advertiser.objects.visible_to(request.user).values("pk")
    return export.response(rows, Format(asked), own_advertisers=own)
