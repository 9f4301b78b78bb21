"""Filters of the list of alerts."""

from typing import Any

from django.db.models import QuerySet
from django_filters import ChoiceFilter, UUIDFilter
from django_filters.rest_framework import FilterSet

from alerts.models import Alert


class AlertFilter(FilterSet):
    """Active alerts (not resolved), unless `status` names one status or `all`."""

    status = ChoiceFilter(
        choices=[("all", "all"), *Alert.Status.choices], method="of_status", help_text="Active ones unless given."
    )
    severity = ChoiceFilter(choices=Alert.Severity.choices)
    kind = ChoiceFilter(choices=Alert.Kind.choices)
    campaign = UUIDFilter()
    affiliate = UUIDFilter()

    class Meta:
        model = Alert
        fields: list[str] = []

    def of_status(self, queryset: "QuerySet[Any]", name: str, value: str) -> "QuerySet[Any]":
        """All, or those of one status."""
        return queryset if value == "all" else queryset.filter(status=value)

    def filter_queryset(self, queryset: Any) -> Any:
        """Without a status, the active ones."""
        found = super().filter_queryset(queryset)
        return found if self.form.cleaned_data["status"] else found.active()
