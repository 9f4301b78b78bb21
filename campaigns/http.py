"""Pages that show advertisers' figures."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.utils import timezone

from campaigns.models import Advertiser


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
        }
