"""The campaign's page as a form: details, platforms with their rates, and thresholds, saved together or not at all."""

from decimal import Decimal
from typing import Any

from django import forms
from django.db import transaction
from django.db.models import Q

from affiliates.models import User
from campaigns.forms import CampaignForm, NewCampaignForm, PlatformForm
from campaigns.models import Campaign
from campaigns.services import create_brand, create_campaign, set_platforms, update_campaign
from config.errors import DomainError
from platforms.models import Platform
from reconciliation.rules import CLAIMABLE, HIGHEST_FLOOR, HIGHEST_PCT
from reconciliation.services import rulesets

_FLOORS = {f"floor_{metric}": metric for metric in CLAIMABLE}


class ThresholdsForm(forms.Form):
    """One campaign's own limits for all platforms. What stays empty is as the defaults say."""

    medium_from_pct = forms.DecimalField(
        label="Medium from, %", min_value=0, max_value=HIGHEST_PCT, decimal_places=4, required=False
    )
    high_above_pct = forms.DecimalField(
        label="High above, %", min_value=0, max_value=HIGHEST_PCT, decimal_places=4, required=False
    )
    floor_views = forms.IntegerField(label="Views", min_value=0, max_value=HIGHEST_FLOOR, required=False)
    floor_clicks = forms.IntegerField(label="Clicks", min_value=0, max_value=HIGHEST_FLOOR, required=False)
    floor_conversions = forms.IntegerField(label="Conversions", min_value=0, max_value=HIGHEST_FLOOR, required=False)

    def __init__(self, data: Any, *, campaign: Campaign | None) -> None:
        ruleset = rulesets.current()
        key = str(campaign.pk) if campaign else None
        self.own = {cell["metric"]: cell for cell in ruleset.cells if key and cell["key"] == key}
        self.defaults = self._defaults(rulesets.matrix_of(ruleset))
        super().__init__(data, initial=self._initial())
        for name, value in self.defaults.items():
            self.fields[name].widget.attrs["placeholder"] = f"{value:,}"

    def _defaults(self, matrix: Any) -> dict[str, Any]:
        by_metric = {metric: matrix.thresholds_for(None, None, metric) for metric in CLAIMABLE}
        views = by_metric[CLAIMABLE[0]]
        floors = {name: by_metric[metric].floor for name, metric in _FLOORS.items()}
        return {"medium_from_pct": views.medium_from_pct, "high_above_pct": views.high_above_pct, **floors}

    def _initial(self) -> dict[str, Any]:
        for_all = self.own.get(None, {})
        return {
            "medium_from_pct": for_all.get("medium_from_pct"),
            "high_above_pct": for_all.get("high_above_pct"),
            **{name: self.own.get(metric, for_all).get("floor") for name, metric in _FLOORS.items()},
        }

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        limits = [self.defaults[name] if cleaned.get(name) is None else cleaned[name] for name in _LIMITS]
        if limits[0] > limits[1]:
            name = "high_above_pct" if cleaned.get("high_above_pct") is not None else "medium_from_pct"
            self.add_error(name, f"Medium begins at {limits[0]:f} %, which is above High's {limits[1]:f} %.")
        return cleaned

    @property
    def cells(self) -> list[dict[str, Any]]:
        """The campaign's cells as this valid form changes them; what it does not show is kept as it is."""
        empty = {"medium_from_pct": None, "high_above_pct": None, "floor": None}
        limits = {name: _text(self.cleaned_data[name]) for name in _LIMITS}
        cells: dict[str | None, dict[str, Any]] = {
            None: empty | self.own.get(None, {}) | limits | {"floor": None, "metric": None}
        }
        for name, metric in _FLOORS.items():
            floor = {"floor": self.cleaned_data[name], "metric": metric.value}
            cells[metric] = empty | self.own.get(metric, {}) | floor
        return [cell for cell in cells.values() if any(cell.get(name) is not None for name in (*empty, "lag_h"))]


_LIMITS = ("medium_from_pct", "high_above_pct")


def _text(percentage: Decimal | None) -> str | None:
    return None if percentage is None else f"{percentage.normalize():f}"


class CampaignSetup:
    """The forms of one campaign's page as one. `campaign` is None while it is to be made."""

    def __init__(self, *, user: User, campaign: Campaign | None, data: Any = None) -> None:
        self.user = user
        self.campaign = campaign
        self.details = CampaignForm(data, campaign=campaign) if campaign else NewCampaignForm(data, user=user)
        assigned = {row.platform_id: row for row in campaign.campaign_platforms.all()} if campaign else {}
        self.platforms = [
            PlatformForm(data, platform=platform, assigned=assigned.get(platform.pk))
            for platform in Platform.objects.filter(Q(is_active=True) | Q(pk__in=assigned))
        ]
        self.thresholds = ThresholdsForm(data, campaign=campaign)

    def save(self) -> Campaign | None:
        """Write all of it, or nothing; None where something is invalid, which stands beside its field then."""
        if self.has_errors:
            return None
        try:
            with transaction.atomic():
                return self._write()
        except DomainError as error:
            self._explain(error)
            return None

    @property
    def has_errors(self) -> bool:
        return any(form.errors for form in (self.details, *self.platforms, self.thresholds))

    def _write(self) -> Campaign:
        terms = [terms for form in self.platforms if (terms := form.terms)]
        if self.campaign is None:
            campaign = self._create(terms)
        else:
            campaign = update_campaign(campaign=self.campaign, by=self.user, **self.details.cleaned_data)
            if any(form.has_changed() for form in self.platforms):
                set_platforms(campaign=campaign, by=self.user, platforms=terms)
        if self.thresholds.has_changed():
            rulesets.set_campaign_thresholds(campaign_id=campaign.pk, cells=self.thresholds.cells, by=self.user)
        return campaign

    def _create(self, terms: list[Any]) -> Campaign:
        given = dict(self.details.cleaned_data)
        name, code = given.pop("new_brand_name"), given.pop("new_brand_code")
        if given["brand"] is None:
            given["brand"] = create_brand(by=self.user, advertiser=given["advertiser"], code=code, name=name)
        return create_campaign(by=self.user, platforms=terms, **given)

    def _explain(self, error: DomainError) -> None:
        field = {"code": "new_brand_code"}.get(error.field or "", error.field)
        form = self.thresholds if field in self.thresholds.fields else self.details
        form.add_error(field if field in form.fields else None, error.message)
