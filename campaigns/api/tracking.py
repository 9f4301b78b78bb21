"""Tracking links of affiliates, and the keys that an advertiser's shop signs its postbacks with."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.functional import cached_property
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from affiliates.api.authentication import AuthenticatedRequest
from affiliates.api.idempotency import idempotent
from affiliates.api.permissions import HasScope, IsAffiliate
from campaigns.api.views import managed_campaign
from campaigns.landing import MAX_URL_CHARS
from campaigns.models import Campaign, PostbackKey, TrackingLink
from campaigns.querysets import TrackingLinkQuerySet
from campaigns.tracking.keys import create_postback_key, revoke_postback_key
from campaigns.tracking.links import make_link
from campaigns.tracking.totals import Totals, totals
from config.api.fields import FlagField, NoFields, StrictSerializer, WordsField
from platforms.api.fields import PlatformField


class NewLinkSerializer(StrictSerializer):
    """A link that is asked for."""

    platform = PlatformField()
    label = WordsField(  # type: ignore[assignment]  # the field's own attribute of this name
        required=False, allow_blank=True, max_length=80, help_text="What you call it."
    )
    destination = WordsField(
        required=False,
        allow_blank=True,
        max_length=MAX_URL_CHARS,
        help_text="Another page of the landing page's site: a path, or an address there.",
    )
    another = FlagField(required=False, help_text="Make one more, though there is one already.")


class LinkOwnerSerializer(serializers.Serializer[Any]):
    """Whose link it is."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class TrackedFiguresSerializer(serializers.Serializer[Any]):
    """What came through a link: clicks counted and set apart, conversions that count and that were reversed."""

    clicks = serializers.IntegerField()
    clicks_set_apart = serializers.IntegerField()
    conversions = serializers.IntegerField()
    conversions_reversed = serializers.IntegerField()


class LinkSerializer(serializers.Serializer[Any]):
    """A tracking link with what came through it."""

    id = serializers.UUIDField()
    url = serializers.SerializerMethodField()
    code = serializers.CharField()
    platform = serializers.CharField(source="platform.slug")
    affiliate = LinkOwnerSerializer()
    label = serializers.CharField()  # type: ignore[assignment]  # the field's own attribute of this name
    destination = serializers.CharField()
    created_at = serializers.DateTimeField()
    disabled_at = serializers.DateTimeField(allow_null=True)
    figures = serializers.SerializerMethodField()

    def get_url(self, link: TrackingLink) -> str:
        """What goes into the post."""
        return str(reverse("follow", [link.code], request=self.context["request"]))

    @extend_schema_field(TrackedFiguresSerializer)
    def get_figures(self, link: TrackingLink) -> dict[str, int]:
        found = self.context["totals"].get(link.pk, Totals())
        return dict(TrackedFiguresSerializer(found).data)


class Links(ListAPIView[TrackingLink]):
    """The tracking links of a campaign."""

    scope = "submit"
    serializer_class = LinkSerializer

    def get_permissions(self) -> list[BasePermission]:
        return [HasScope(), IsAffiliate()] if self.request.method == "POST" else [HasScope()]

    queryset = TrackingLink.objects.none()

    def get_queryset(self) -> TrackingLinkQuerySet:
        links = TrackingLink.objects.visible_to(self.request.user).filter(campaign=self.campaign.pk)
        return links.select_related("platform", "affiliate")

    @cached_property
    def campaign(self) -> Campaign:
        """Raises Http404 for one that the caller must not know of."""
        visible = Campaign.objects.visible_to(self.request.user).select_related("advertiser")
        found: Campaign = get_object_or_404(visible, pk=self.kwargs["campaign_id"])
        return found

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """An affiliate's own links, members' their campaign's, newest first, with what came through them."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response(self._shown(page))

    @idempotent
    @extend_schema(
        request=NewLinkSerializer,
        responses={201: LinkSerializer, 200: OpenApiResponse(LinkSerializer, "There is one already.")},
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        """One's link for a platform, before the post is published. Asked again, it is the same one."""
        campaign = self.campaign
        given = NewLinkSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        user: Any = request.user
        link, is_new = make_link(affiliate=user.affiliate, campaign=campaign, **given.validated_data)
        return Response(self._shown([link])[0], status=201 if is_new else 200)

    def _shown(self, links: Sequence[TrackingLink]) -> Sequence[dict[str, Any]]:
        context = {**self.get_serializer_context(), "totals": totals([link.pk for link in links])}
        return tuple(LinkSerializer(links, many=True, context=context).data)


class PostbackKeySerializer(serializers.Serializer[Any]):
    """A key that postbacks are signed with, without its secret."""

    id = serializers.UUIDField()
    prefix = serializers.CharField()
    last4 = serializers.CharField()
    created_at = serializers.DateTimeField()
    revoked_at = serializers.DateTimeField(allow_null=True)


class NewPostbackKeySerializer(PostbackKeySerializer):
    """A key that was made just now: the only time that its secret is shown."""

    secret = serializers.CharField()


class PostbackKeys(ListAPIView[PostbackKey]):
    """The keys of a campaign's shop, newest first: two live ones at most."""

    scope = "campaigns"
    serializer_class = PostbackKeySerializer
    queryset = PostbackKey.objects.none()

    def get_queryset(self) -> "QuerySet[PostbackKey]":
        return PostbackKey.objects.filter(campaign=managed_campaign(self.request, self.kwargs["campaign_id"]))

    @idempotent
    @extend_schema(request=NoFields, responses={201: NewPostbackKeySerializer})
    def post(self, request: AuthenticatedRequest, campaign_id: UUID) -> Response:
        """Make a key. 409 where two are live already."""
        campaign = managed_campaign(request, campaign_id)
        NoFields(data=request.data).is_valid(raise_exception=True)
        key, secret = create_postback_key(campaign=campaign, by=request.user)
        shown = {**PostbackKeySerializer(key).data, "secret": secret}
        return Response(shown, status=201, headers={"Cache-Control": "no-store"})


class PostbackKeyDetail(GenericAPIView[PostbackKey]):
    """One key."""

    scope = "campaigns"
    serializer_class = PostbackKeySerializer

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: AuthenticatedRequest, campaign_id: UUID, key_id: UUID) -> Response:
        """Revoke it: what is signed with it is refused from now on."""
        campaign = managed_campaign(request, campaign_id)
        NoFields(data=request.data).is_valid(raise_exception=True)
        key = get_object_or_404(PostbackKey.objects.filter(campaign=campaign), pk=key_id)
        revoke_postback_key(key=key, by=request.user)
        return Response(status=204)
