"""The platforms we can ask. See the package `platforms` for how to add one."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from platforms.adapters.base import Adapter
from platforms.adapters.reddit import RedditAdapter
from platforms.adapters.x import XAdapter
from platforms.adapters.youtube import YouTubeAdapter

ADAPTER_CLASSES: dict[str, type[Adapter]] = {
    adapter.slug: adapter for adapter in (YouTubeAdapter, RedditAdapter, XAdapter)
}

_adapters: dict[tuple[str, bool], tuple[Mapping[str, Any], Adapter]] = {}


def adapter_for(slug: str, *, livemode: bool = True) -> Adapter:
    """This process's adapter for a platform, kept (with its token) as long as its settings stay what they are.

    In test mode it speaks to the sandbox, whatever the live one speaks to.
    Raises KeyError for a platform without an adapter.
    """
    config = (settings.PLATFORMS if livemode else settings.PLATFORMS_TEST)[slug]
    kept = _adapters.get((slug, livemode))
    if kept is None or kept[0] != config:
        kept = _adapters[slug, livemode] = config, ADAPTER_CLASSES[slug](config)
    return kept[1]
