"""Affiliates: signing up, one's own details, and staff's list."""

from collections.abc import Sequence

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from affiliates import discord, services
from affiliates.api.authentication import AuthenticatedRequest
from affiliates.api.idempotency import idempotent
from affiliates.api.permissions import HasScope, IsAffiliate, IsStaff, MaySignUp, SharedByModes
from affiliates.api.serializers import (
    AffiliateSerializer,
    DiscordCodeSerializer,
    SignedUpSerializer,
    SignUpSerializer,
)
from affiliates.errors import LiveKeyRequiredError
from affiliates.exports import AFFILIATES
from affiliates.filters import AffiliateFilter
from affiliates.models import Affiliate
from affiliates.querysets import AffiliateQuerySet
from config.api.exports import ExportView
from config.api.fields import NoFields
from config.api.throttling import SignUpThrottle


class Affiliates(ListAPIView[Affiliate]):
    """All affiliates, for staff."""

    scope = "submit"
    serializer_class = AffiliateSerializer
    filterset_class = AffiliateFilter

    def get_queryset(self) -> AffiliateQuerySet:
        return Affiliate.objects.visible_to(self.request.user).select_related("user")

    def get_permissions(self) -> Sequence[BasePermission]:
        return [MaySignUp(), SharedByModes()] if self.request.method == "POST" else [HasScope(), IsStaff()]

    def get_throttles(self) -> list[BaseThrottle]:
        return [SignUpThrottle()] if self.request.method == "POST" else super().get_throttles()

    @idempotent
    @extend_schema(request=SignUpSerializer, responses={201: SignedUpSerializer}, auth=[{}, {"apiKey": []}])  # type: ignore[list-item]
    def post(self, request: Request) -> Response:
        """Become an affiliate. The answer holds the API key, which is shown this once."""
        serializer = SignUpSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        affiliate, key = services.sign_up(
            **serializer.validated_data, by=request.user, open_to_all=settings.OPEN_SIGNUP
        )
        data = {**AffiliateSerializer(affiliate).data, "api_key": key}
        return Response(data, status=201, headers={"Cache-Control": "no-store"})


class AffiliatesExport(ExportView):
    """All affiliates as a file, for staff."""

    scope = "submit"
    permission_classes = [HasScope, IsStaff]
    filterset_class = AffiliateFilter
    export = AFFILIATES

    def get_queryset(self) -> AffiliateQuerySet:
        return Affiliate.objects.visible_to(self.request.user)


class Me(APIView):
    """One's own details, for an affiliate."""

    scope = "submit"
    permission_classes = [HasScope, IsAffiliate, SharedByModes]

    @extend_schema(responses=AffiliateSerializer)
    def get(self, request: AuthenticatedRequest) -> Response:
        """One's own details."""
        return Response(AffiliateSerializer(request.user.affiliate).data)

    @extend_schema(request=AffiliateSerializer(partial=True), responses=AffiliateSerializer)
    def put(self, request: AuthenticatedRequest) -> Response:
        """Change what is given; what isn't stays. PUT and PATCH are the same."""
        affiliate = request.user.affiliate
        serializer = AffiliateSerializer(affiliate, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        changed = services.update_affiliate(affiliate=affiliate, by=request.user, **serializer.validated_data)
        return Response(AffiliateSerializer(changed).data)

    patch = put


class DiscordCodes(APIView):
    """The way to act as an affiliate from Discord."""

    scope = "submit"
    permission_classes = [HasScope, IsAffiliate]

    @idempotent
    @extend_schema(request=NoFields, responses={201: DiscordCodeSerializer})
    def post(self, request: AuthenticatedRequest) -> Response:
        """Make a one-time code for `/link` on Discord. It works for 15 minutes, and voids the one before."""
        NoFields(data=request.data).is_valid(raise_exception=True)
        if request.user.livemode is False:
            raise LiveKeyRequiredError("Who is linked on Discord claims in live mode: make the code with a live key.")
        code, text = discord.make_code(affiliate=request.user.affiliate, by=request.user)
        shown = DiscordCodeSerializer({"code": text, "expires_at": code.expires_at}).data
        return Response(shown, status=201, headers={"Cache-Control": "no-store"})
