"""Campaigns: making, reading and changing them, their state and their platforms; and the codes they are named after."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from affiliates.api.authentication import AuthenticatedRequest
from affiliates.api.idempotency import idempotent
from affiliates.api.permissions import HasScope, IsStaff, SharedByModes
from campaigns import services
from campaigns.api.permissions import ManagesAnAdvertiser
from campaigns.api.serializers import (
    BrandSerializer,
    CampaignSerializer,
    MarketSerializer,
    NewCampaignSerializer,
    PlatformsSerializer,
)
from campaigns.errors import UnknownReferenceError
from campaigns.exports import CAMPAIGNS
from campaigns.filters import BrandFilter, CampaignFilter
from campaigns.models import Advertiser, Brand, Campaign, Market
from campaigns.querysets import CampaignQuerySet, own_advertisers
from config.api.exports import ExportView
from config.api.fields import NoFields
from config.errors import NotAllowedError


class CampaignView(GenericAPIView[Campaign]):
    """What all views of campaigns share."""

    scope = "campaigns"
    serializer_class = CampaignSerializer

    def get_queryset(self) -> CampaignQuerySet:
        return Campaign.objects.visible_to(self.request.user).for_api()

    def get_serializer_context(self) -> dict[str, Any]:
        """With the advertisers whose money and rules the caller may see; None: all."""
        return {**super().get_serializer_context(), "own_advertisers": own_advertisers(self.request.user)}

    def managed(self, campaign_id: UUID) -> Campaign:
        """A campaign to change."""
        return managed_campaign(self.request, campaign_id)

    def answer(self, campaign: Campaign, **response: Any) -> Response:
        """A campaign as the database has it now."""
        return Response(self.get_serializer(self.get_queryset().get(pk=campaign.pk)).data, **response)


class Campaigns(CampaignView, ListAPIView[Campaign]):
    """All campaigns that the caller may see."""

    filterset_class = CampaignFilter

    def get_permissions(self) -> list[BasePermission]:
        return [HasScope(), ManagesAnAdvertiser()] if self.request.method == "POST" else [HasScope()]

    @idempotent
    @extend_schema(request=NewCampaignSerializer, responses={201: CampaignSerializer})
    def post(self, request: AuthenticatedRequest) -> Response:
        """Make a draft."""
        serializer = NewCampaignSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        advertiser = advertiser_of(request, given.pop("advertiser", None))
        given["brand"] = services.referred(advertiser.brands, "brand", given["brand"])
        given["market"] = services.referred(Market.objects, "market", given["market"])
        given["platforms"] = serializer.terms()
        campaign = services.create_campaign(by=request.user, advertiser=advertiser, **given)
        location = reverse("api-campaign", args=[campaign.pk])
        return self.answer(campaign, status=201, headers={"Location": location})


class CampaignsExport(ExportView, CampaignView):
    """The campaigns that the caller may see as a file; the budget is empty in other advertisers' rows."""

    filterset_class = CampaignFilter
    export = CAMPAIGNS


class CampaignDetail(CampaignView):
    """One campaign."""

    def get(self, request: Request, campaign_id: UUID) -> Response:
        """One campaign."""
        return Response(self.get_serializer(get_object_or_404(self.get_queryset(), pk=campaign_id)).data)

    @extend_schema(request=CampaignSerializer(partial=True))
    def put(self, request: AuthenticatedRequest, campaign_id: UUID) -> Response:
        """Change what is given; what isn't stays. PUT and PATCH are the same."""
        campaign = self.managed(campaign_id)
        serializer = self.get_serializer(campaign, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        return self.answer(services.update_campaign(campaign=campaign, by=request.user, **serializer.validated_data))

    patch = put


class CampaignMove(CampaignView):
    """Another status: draft → active, active ↔ paused, active or paused → completed."""

    move: Any = None

    @idempotent
    @extend_schema(request=NoFields, responses={200: CampaignSerializer})
    def post(self, request: AuthenticatedRequest, campaign_id: UUID) -> Response:
        """Move the campaign on. 409 where its present status does not admit it."""
        campaign = self.managed(campaign_id)
        NoFields(data=request.data).is_valid(raise_exception=True)
        return self.answer(type(self).move(campaign=campaign, by=request.user))


class Activate(CampaignMove):
    """Take claims from now on."""

    move = staticmethod(services.activate)


class Pause(CampaignMove):
    """Take no claims until it is activated again."""

    move = staticmethod(services.pause)


class Complete(CampaignMove):
    """Over for good; claims are taken until the claim window ends."""

    move = staticmethod(services.complete)


class CampaignPlatforms(CampaignView):
    """What a campaign runs on."""

    @extend_schema(request=PlatformsSerializer, responses=CampaignSerializer)
    def put(self, request: AuthenticatedRequest, campaign_id: UUID) -> Response:
        """Replace the whole list. One with posts that is left out is closed; listed again, it is open again."""
        campaign = self.managed(campaign_id)
        serializer = PlatformsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return self.answer(services.set_platforms(campaign=campaign, by=request.user, platforms=serializer.terms()))


class Brands(ListAPIView[Brand]):
    """The brands of the caller's advertisers; staff see all."""

    scope = "campaigns"
    serializer_class = BrandSerializer
    filterset_class = BrandFilter

    def get_queryset(self) -> "QuerySet[Brand]":
        return Brand.objects.filter(advertiser__in=Advertiser.objects.visible_to(self.request.user))

    def get_permissions(self) -> list[BasePermission]:
        return [HasScope(), ManagesAnAdvertiser()] if self.request.method == "POST" else [HasScope()]

    @idempotent
    @extend_schema(request=BrandSerializer, responses={201: BrandSerializer})
    def post(self, request: AuthenticatedRequest) -> Response:
        """Give an advertiser a brand."""
        serializer = BrandSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        advertiser = advertiser_of(request, given.pop("advertiser_id", None))
        brand = services.create_brand(by=request.user, advertiser=advertiser, **given)
        return Response(BrandSerializer(brand).data, status=201)


class Markets(ListAPIView[Market]):
    """All markets."""

    scope = "campaigns"
    serializer_class = MarketSerializer
    queryset = Market.objects.all()

    def get_permissions(self) -> list[BasePermission]:
        return [HasScope(), IsStaff(), SharedByModes()] if self.request.method == "POST" else [HasScope()]

    @idempotent
    @extend_schema(request=MarketSerializer, responses={201: MarketSerializer})
    def post(self, request: AuthenticatedRequest) -> Response:
        """Add a market."""
        serializer = MarketSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        market = services.create_market(by=request.user, **serializer.validated_data)
        return Response(MarketSerializer(market).data, status=201)


def managed_campaign(request: Request, campaign_id: UUID) -> Campaign:
    """A campaign to decide on. Raises Http404 for whom it does not exist, NotAllowedError for who may only read it."""
    campaign: Campaign = get_object_or_404(Campaign.objects.visible_to(request.user), pk=campaign_id)
    if not Campaign.objects.managed_by(request.user).filter(pk=campaign_id).exists():
        raise NotAllowedError("Only staff and this advertiser's managers may do this.")
    return campaign


def advertiser_of(request: Request, advertiser_id: UUID | None) -> Advertiser:
    """The advertiser to act for: the one that is named, or the only one the caller manages.

    Raises UnknownReferenceError for one that is not there or not the caller's, and where it must be named.
    """
    managed = Advertiser.objects.managed_by(request.user)
    if advertiser_id:
        advertiser: Advertiser | None = managed.filter(pk=advertiser_id).first()
    elif request.user.is_staff or managed.count() > 1:
        raise UnknownReferenceError("Say for which advertiser.", field="advertiser", code="advertiser_needed")
    else:
        advertiser = managed.first()
    if advertiser is None:
        raise UnknownReferenceError("There is no such advertiser.", field="advertiser")
    return advertiser
