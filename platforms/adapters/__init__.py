"""The platforms we can ask. See the package `platforms` for how to add one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings

from platforms.adapters.base import Adapter
from platforms.adapters.facebook import FacebookAdapter
from platforms.adapters.instagram import InstagramAdapter
from platforms.adapters.reddit import RedditAdapter
from platforms.adapters.tiktok import TikTokAdapter
from platforms.adapters.x import XAdapter
from platforms.adapters.youtube import YouTubeAdapter

if TYPE_CHECKING:
    from platforms.models import Connection  # the models read this package's neighbours

ADAPTER_CLASSES: dict[str, type[Adapter]] = {
    adapter.slug: adapter
    for adapter in (YouTubeAdapter, RedditAdapter, XAdapter, TikTokAdapter, InstagramAdapter, FacebookAdapter)
}

NOT_CONNECTED = "connection_required"
NOT_LISTED = "not_listed"
"""The owner is connected, and the post is not among those of the account."""
"""The code of a reading that only its owner's connection could have."""

_adapters: dict[tuple[str, bool], tuple[Mapping[str, Any], Adapter]] = {}


def adapter_for(slug: str, *, livemode: bool = True, credentials: Mapping[str, str] | None = None) -> Adapter:
    """This process's adapter for a platform, kept (with its token) as long as its settings stay what they are.

    In test mode it speaks to the sandbox, whatever the live one speaks to. `credentials` go before those of the
    settings. Raises KeyError for a platform without an adapter.
    """
    config = (settings.PLATFORMS if livemode else settings.PLATFORMS_TEST)[slug]
    if credentials:
        config = config | {"credentials": config["credentials"] | credentials}
    kept = _adapters.get((slug, livemode))
    if kept is None or kept[0] != config:
        kept = _adapters[slug, livemode] = config, ADAPTER_CLASSES[slug](config)
    return kept[1]


def adapter_of(lane: "Connection") -> Adapter:
    """The adapter that a lane calls with; what the application's own connection holds goes before the settings.

    Raises VaultError where that can't be opened.
    """
    own = lane.secrets if lane.affiliate_id is None and lane.livemode else None
    return adapter_for(lane.platform.slug, livemode=lane.livemode, credentials=own)
