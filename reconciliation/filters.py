"""Filters of the lists of posts, claims and verdicts."""

from typing import Any

from django.db.models import QuerySet
from django_filters import ChoiceFilter, Filter, IsoDateTimeFilter, UUIDFilter
from django_filters.rest_framework import FilterSet

from config.api.filters import FlagFilter
from platforms.metrics import ALIASES, PLATFORM_NAMES
from reconciliation.comparison import Level, Status
from reconciliation.models import Dispute, ImportRow
from reconciliation.quality import RULES


class PlatformFilter(ChoiceFilter):
    """By a platform's slug or an alias of it."""

    def __init__(self, field_name: str) -> None:
        super().__init__(field_name, choices=[(name, name) for name in (*PLATFORM_NAMES, *ALIASES)])

    def filter(self, qs: "QuerySet[Any]", value: str) -> "QuerySet[Any]":
        found: QuerySet[Any] = super().filter(qs, ALIASES.get(value, value))
        return found


class PeriodFilter(FilterSet):
    """`from` (inclusive) and `to` (exclusive), ISO 8601. Subclasses say of which moment: `period_of`."""

    period_of = "created_at"

    @classmethod
    def get_filters(cls) -> dict[str, Filter]:
        """`from` is a word of the language, and can't be the name of a class's attribute."""
        period = {"from": IsoDateTimeFilter(cls.period_of, "gte"), "to": IsoDateTimeFilter(cls.period_of, "lt")}
        return {**super().get_filters(), **period}


class PostFilter(PeriodFilter):
    """Posts, by when they were submitted."""

    campaign = UUIDFilter("campaign")
    platform = PlatformFilter("platform__slug")


class ClaimFilter(PeriodFilter):
    """Claims, by when they were made."""

    period_of = "claimed_at"
    post = UUIDFilter("post")
    campaign = UUIDFilter("post__campaign")
    platform = PlatformFilter("post__platform__slug")


class SnapshotFilter(PeriodFilter):
    """Snapshots, by when they were taken."""

    period_of = "fetched_at"
    post = UUIDFilter("post")
    campaign = UUIDFilter("post__campaign")
    affiliate = UUIDFilter("post__affiliate")
    platform = PlatformFilter("post__platform__slug")


class ResultFilter(PeriodFilter):
    """Verdicts, by when they were drawn. `counted`: whether a verdict is its claim's last word."""

    period_of = "processed_at"
    status = ChoiceFilter("status", choices=[(status.value, status.value) for status in Status])
    level = ChoiceFilter("discrepancy_level", choices=[(level.value, level.value) for level in Level])
    counted = FlagFilter(field_name="next_look_at", lookup_expr="isnull")
    post = UUIDFilter("post")
    campaign = UUIDFilter("post__campaign")
    affiliate = UUIDFilter("post__affiliate")
    platform = PlatformFilter("post__platform__slug")


class FindingFilter(PeriodFilter):
    """Findings, by when they were noticed."""

    rule = ChoiceFilter("rule", choices=[(name, name) for name in RULES])
    severity = ChoiceFilter("severity", choices=[(level.value, level.value) for level in Level])
    post = UUIDFilter("post")
    campaign = UUIDFilter("post__campaign")
    affiliate = UUIDFilter("post__affiliate")
    platform = PlatformFilter("post__platform__slug")


class DisputeFilter(PeriodFilter):
    """Disputes, by when they were opened."""

    state = ChoiceFilter(choices=Dispute.State.choices)
    campaign = UUIDFilter("verdict__post__campaign")
    affiliate = UUIDFilter("affiliate")
    post = UUIDFilter("verdict__post")


class ClawbackFilter(FilterSet):
    """Accounts of affiliates in campaigns."""

    campaign = UUIDFilter("campaign")
    affiliate = UUIDFilter("affiliate")


class ImportRowFilter(FilterSet):
    """Rows of a file, by what they come to."""

    outcome = ChoiceFilter(choices=ImportRow.Outcome.choices)

    class Meta:
        model = ImportRow
        fields: list[str] = []
