"""Every adapter has its platform row, its breakers and the application's own connections."""

from platforms.adapters import ADAPTER_CLASSES
from platforms.metrics import PLATFORM_NAMES
from platforms.models import Breaker, Connection, Platform


def register_platforms() -> None:
    """Give every adapter its rows, for the live and the test world.

    Runs after every migrate and is harmless to repeat.
    """
    for slug in ADAPTER_CLASSES:
        platform, _ = Platform.objects.get_or_create(slug=slug, defaults={"name": PLATFORM_NAMES[slug]})
        for livemode in (True, False):
            Connection.objects.get_or_create(platform=platform, affiliate=None, livemode=livemode)
            Breaker.objects.get_or_create(platform=platform, livemode=livemode)
