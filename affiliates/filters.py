"""How lists of affiliates may be narrowed."""

from django_filters import CharFilter
from django_filters.rest_framework.filterset import FilterSet

from affiliates.models import Affiliate
from config.api.filters import FlagFilter


class AffiliateFilter(FilterSet):
    """By a part of the name, and by whether they are active."""

    name = CharFilter(lookup_expr="icontains")
    is_active = FlagFilter()

    class Meta:
        model = Affiliate
        fields: list[str] = []
