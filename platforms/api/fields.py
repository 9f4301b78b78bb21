"""How requests name a platform: by its slug. `meta` is another word for facebook."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.compiled import Compiled
from platforms.metrics import ALIASES, PLATFORM_NAMES
from platforms.models import Platform

_SLUG = "a slug"


def platforms_named(names: Iterable[str]) -> dict[str, Platform]:
    """The active platforms of these slugs or aliases, by what they were named."""
    slugs = {name: ALIASES.get(name, name) for name in names}
    found = {each.slug: each for each in Platform.objects.filter(slug__in=set(slugs.values()), is_active=True)}
    return {name: found[slug] for name, slug in slugs.items() if slug in found}


def platform_named(text: str) -> Platform | None:
    """The active platform of this slug or alias, or None."""
    return next(iter(_named().fetch({_SLUG: ALIASES.get(text, text)})), None)


@cache
def _named() -> Compiled:
    return Compiled(Platform.objects.filter(slug=_SLUG, is_active=True))


def platform_at(text: str) -> Platform:
    """The platform that an address names. Raises Http404."""
    platform = platform_named(text)
    if platform is None:
        raise Http404
    return platform


@extend_schema_field({"type": "string", "enum": [*PLATFORM_NAMES, *ALIASES]})
class PlatformField(serializers.Field):  # type: ignore[type-arg]
    """A platform that we speak to, by slug or alias; its slug in answers."""

    default_error_messages = {"unknown_platform": "There is no such platform here."}

    def to_internal_value(self, data: Any) -> Platform:
        platform = platform_named(data) if isinstance(data, str) else None
        if platform is None:
            self.fail("unknown_platform")
        return platform

    def to_representation(self, value: Platform) -> str:
        return value.slug
