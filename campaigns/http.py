"""Pages that show advertisers' figures."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.utils import timezone

from campaigns.models import Advertiser


@contextmanager
def figures_of(advertisers: Sequence[Advertiser]) -> Iterator[dict[str, Any]]:
    """Within it moments and days are those of the advertisers' time zone; UTC where they have several, or none.

    Gives what base.html needs to say whose figures these are.
    """
    zones = {advertiser.time_zone for advertiser in advertisers}
    with timezone.override(zones.pop() if len(zones) == 1 else "UTC"):
        yield {"advertiser": advertisers[0] if len(advertisers) == 1 else None}
