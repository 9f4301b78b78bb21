"""Alerts: reading them, and deciding on them."""

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView, ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from alerts import services
from alerts.api.serializers import AlertSerializer, ResolutionSerializer
from alerts.exports import ALERTS
from alerts.filters import AlertFilter
from alerts.models import Alert
from config.api.exports import ExportView
from config.api.fields import NoFields
from config.errors import NotAllowedError


class AlertView(GenericAPIView[Any]):
    """What all views of alerts share."""

    scope = "alerts"
    serializer_class = AlertSerializer
    lookup_url_kwarg = "alert_id"

    def get_queryset(self) -> Any:
        return Alert.objects.for_list().visible_to(self.request.user)

    def check_decidable(self, alert_id: UUID) -> None:
        """Raises Http404 for whom the alert does not exist, NotAllowedError for who may only read it."""
        get_object_or_404(Alert.objects.visible_to(self.request.user), pk=alert_id)
        if not Alert.objects.decidable_by(self.request.user).filter(pk=alert_id).exists():
            raise NotAllowedError("Only staff and this campaign's managers may do this.")


class Alerts(AlertView, ListAPIView[Alert]):
    """The alerts that the caller may see, newest first: the active ones, unless asked otherwise."""

    filterset_class = AlertFilter


class AlertsExport(ExportView):
    """The alerts that the caller may see as a file: the active ones, unless asked otherwise."""

    scope = "alerts"
    filterset_class = AlertFilter
    export = ALERTS

    def get_queryset(self) -> Any:
        return Alert.objects.visible_to(self.request.user)


class AlertDetail(AlertView, RetrieveAPIView[Alert]):
    """One alert."""


class Acknowledge(AlertView):
    """Somebody is on it."""

    @extend_schema(request=NoFields, responses=AlertSerializer)
    def put(self, request: Request, alert_id: UUID) -> Response:
        """Take an open alert on. 409 where somebody was first."""
        self.check_decidable(alert_id)
        NoFields(data=request.data).is_valid(raise_exception=True)
        user: Any = request.user
        return Response(self.get_serializer(services.acknowledge(alert_id=alert_id, by=user)).data)


class Resolve(AlertView):
    """It is settled."""

    @extend_schema(request=ResolutionSerializer, responses=AlertSerializer)
    def put(self, request: Request, alert_id: UUID) -> Response:
        """Close an alert with a note that says why. 409 where it is resolved already."""
        self.check_decidable(alert_id)
        given = ResolutionSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        user: Any = request.user
        alert = services.resolve(alert_id=alert_id, by=user, note=given.validated_data["note"])
        return Response(self.get_serializer(alert).data)
