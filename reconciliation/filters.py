"""Filters of the lists of posts, claims and verdicts."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from config.api.filters import FlagFilter
from platforms.api.fields import ALIASES
from platforms.metrics import PLATFORM_NAMES
from reconciliation.comparison import Level, Status


class PlatformFilter(filters.ChoiceFilter):
    """By a platform's slug or an alias of it."""

    def __init__(self, field_name: str) -> None:
        super().__init__(field_name, choices=[(name, name) for name in (*PLATFORM_NAMES, *ALIASES)])

    def filter(self, qs: "QuerySet[Any]", value: str) -> "QuerySet[Any]":
        return super().filter(qs, ALIASES.get(value, value))


class PeriodFilter(filters.FilterSet):
    """`from` (inclusive) and `to` (exclusive), ISO 8601. Subclasses say of which moment: `period_of`."""

    period_of = "created_at"

    @classmethod
    def get_filters(cls) -> dict[str, filters.Filter]:
        """`from` is a word of the language, and can't be the name of a class's attribute."""
        return super().get_filters() | {
            "from": filters.IsoDateTimeFilter(cls.period_of, "gte"),
            "to": filters.IsoDateTimeFilter(cls.period_of, "lt"),
        }


class PostFilter(PeriodFilter):
    """Posts, by when they were submitted."""

    campaign = filters.UUIDFilter("campaign")
    platform = PlatformFilter("platform__slug")


class ClaimFilter(PeriodFilter):
    """Claims, by when they were made."""

    period_of = "claimed_at"
    post = filters.UUIDFilter("post")
    campaign = filters.UUIDFilter("post__campaign")
    platform = PlatformFilter("post__platform__slug")


class ResultFilter(PeriodFilter):
    """Verdicts, by when they were drawn. `counted`: whether a verdict is its claim's last word."""

    period_of = "processed_at"
    status = filters.ChoiceFilter("status", choices=[(status.value, status.value) for status in Status])
    level = filters.ChoiceFilter("discrepancy_level", choices=[(level.value, level.value) for level in Level])
    counted = FlagFilter(field_name="next_look_at", lookup_expr="isnull")
    post = filters.UUIDFilter("post")
    campaign = filters.UUIDFilter("post__campaign")
    affiliate = filters.UUIDFilter("post__affiliate")
    platform = PlatformFilter("post__platform__slug")
