"""A file of campaigns: one row each, made as a draft."""

from collections.abc import Hashable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from rest_framework.exceptions import ValidationError

from affiliates.models import User
from campaigns.api.serializers import NewCampaignSerializer
from campaigns.errors import DuplicateNameError
from campaigns.models import Advertiser, Brand, Campaign, Market
from campaigns.naming import campaign_name
from campaigns.services import create_campaign, referred
from config.api.problems import document_of
from config.errors import DomainError
from reconciliation.imports.cells import CellError, as_id, count, flag
from reconciliation.imports.kinds import Outcome, Result, Values, tried

_FLAGS = ("is_open", "allows_shared_content", "requires_proof")
_COUNTS = ("year", "claim_window_days", "conversion_lag_h")
_RATES = ("rate_per_1000_views", "rate_per_click", "rate_per_conversion")
_PLAIN = ("brand", "market", "campaign_name", "starts_on", "ends_on", "currency", "budget", "landing_url")


class Campaigns:
    """Campaigns of one's own advertisers, named by id or name; brands and markets by their codes. `platforms` are
    slugs with blanks between; the rates hold on each of them."""

    columns = ("advertiser", *_PLAIN, *_COUNTS, *_FLAGS, "platforms", *_RATES)
    required = ("brand", "market", "campaign_name", "starts_on", "ends_on")
    chunk_rows = 20

    def visible_to(self, by: User) -> "QuerySet[Campaign]":
        return Campaign.objects.managed_by(by)

    def keys(self, rows: Sequence[Values], *, by: User) -> Sequence[Hashable]:
        """A system name, as far as the row says its year."""
        return [_name(values) for values in rows]

    def preview(self, rows: Sequence[Values], *, by: User) -> list[Result]:
        return tried(self, rows, by=by)

    def write(self, rows: Sequence[Values], *, by: User) -> list[Result]:
        results = []
        for values in rows:
            try:
                with transaction.atomic():
                    results.append(_write(dict(values), by))
            except DomainError as refusal:
                results.append(Result.of(refusal))
        return results


def _name(values: Values) -> str | None:
    try:
        year = int(values.get("year") or 0)
        return campaign_name(brand=values["brand"], market=values["market"], year=year, title=values["campaign_name"])
    except ValueError:
        return None


def _write(values: dict[str, str], by: User) -> Result:
    advertiser = _advertiser(values.get("advertiser", ""), by)
    given = _validated(values)
    given["brand"] = referred(Brand.objects.filter(advertiser=advertiser), "brand", given["brand"])
    given["market"] = referred(Market.objects.all(), "market", given["market"])
    try:
        with transaction.atomic():
            made = create_campaign(by=by, advertiser=advertiser, **given)
    except DuplicateNameError:
        return Result(Outcome.UNCHANGED, _same_as_there_is(advertiser, given).pk)
    return Result(Outcome.CREATED, made.pk)


def _advertiser(named: str, by: User) -> Advertiser:
    managed = Advertiser.objects.managed_by(by)
    pk = as_id(named)
    found = list(managed.filter(Q(pk=pk) if pk else Q(name__iexact=named))[:2] if named else managed[:2])
    if len(found) != 1:
        reason = "There is no such advertiser of yours." if named else "Say for which advertiser."
        raise CellError(reason, field="advertiser", code="unknown_advertiser")
    advertiser: Advertiser = found[0]
    return advertiser


def _validated(values: dict[str, str]) -> dict[str, Any]:
    """By the API's own rules. Raises CellError."""
    data: dict[str, Any] = {name: values[name] for name in _PLAIN if values.get(name)}
    data |= {name: number for name in _COUNTS if (number := count(values, name)) is not None}
    data |= {name: flag(values, name) for name in _FLAGS if values.get(name)}
    rates = {name: values[name] for name in _RATES if values.get(name)}
    slugs = values.get("platforms", "").replace(",", " ").lower().split()
    if rates and not slugs:
        raise CellError("Say on which platforms these rates hold.", field="platforms")
    data["platforms"] = [{"platform": slug, **rates} for slug in slugs]
    serializer = NewCampaignSerializer(data=data)
    try:
        serializer.is_valid(raise_exception=True)
        given: dict[str, Any] = dict(serializer.validated_data)
        given["platforms"] = serializer.terms()
    except ValidationError as error:
        first = document_of(error)["errors"][0]
        raise CellError(first["detail"], field=str(first["field"]).partition("[")[0], code=first["code"]) from None
    return given


def _same_as_there_is(advertiser: Advertiser, given: dict[str, Any]) -> Campaign:
    """The campaign that has this name already. Raises DuplicateNameError where the row says anything else of it."""
    name = campaign_name(
        brand=given["brand"].code,
        market=given["market"].code,
        year=given.get("year") or advertiser.today.year,
        title=given["campaign_name"],
    )
    there: Campaign = Campaign.objects.prefetch_related("campaign_platforms").get(name=name)
    fields = [field for field in given if field not in ("brand", "market", "year", "platforms")]
    differing = [field for field in fields if getattr(there, field) != given[field]]
    if there.advertiser_id != advertiser.pk:
        differing = ["campaign_name"]
    terms = {(row.platform_id, row.rates) for row in there.campaign_platforms.all() if row.closed_at is None}
    if {(each.platform.pk, each.rates) for each in given["platforms"]} != terms and not differing:
        differing = ["platforms"]
    if differing:
        raise DuplicateNameError(f"There is a campaign {name} already, with other {differing[0]}.", field=differing[0])
    return there
