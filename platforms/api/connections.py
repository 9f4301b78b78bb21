"""An affiliate's own connections and accounts: making them, how they fare, taking them back."""

from uuid import UUID

from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from affiliates.api.authentication import AuthenticatedRequest
from affiliates.api.idempotency import idempotent
from affiliates.api.permissions import HasScope, IsAffiliate
from config.api.fields import NoFields
from platforms.api.connection_serializers import (
    AccountSerializer,
    CheckSerializer,
    ConnectionSerializer,
    ConnectPageSerializer,
    NewAccountSerializer,
    NewConnectionSerializer,
)
from platforms.models import Account, Connection
from platforms.querysets import AccountQuerySet, ConnectionQuerySet, in_live_mode
from platforms.services import accounts, connecting


class ConnectionView(GenericAPIView[Connection]):
    """What all views of connections share."""

    scope = "submit"
    permission_classes = [HasScope, IsAffiliate]
    serializer_class = ConnectionSerializer

    def get_queryset(self) -> ConnectionQuerySet:
        return Connection.objects.visible_to(self.request.user).for_list()

    def found(self, connection_id: UUID) -> Connection:
        """Raises Http404 for one that is somebody else's."""
        found: Connection = get_object_or_404(self.get_queryset(), pk=connection_id)
        return found

    def answer(self, connection: Connection, status: int = 200) -> Response:
        """A connection as the database has it now. No cache keeps it."""
        row = self.get_queryset().get(pk=connection.pk)
        headers = {"Cache-Control": "no-store"}
        if status == 201:
            headers["Location"] = reverse("api-connection", args=[row.pk])
        return Response(self.get_serializer(row).data, status=status, headers=headers)


class Connections(ConnectionView, ListAPIView[Connection]):
    """One's connections, the disconnected ones too."""

    @extend_schema(request=NewConnectionSerializer, responses={201: ConnectionSerializer, 202: ConnectPageSerializer})
    def post(self, request: AuthenticatedRequest) -> Response:
        """Connect a platform. With a token it is tried out and stored; without one the answer (202) names the page on
        which the account's owner allows it. Connecting again replaces what was stored."""
        serializer = NewConnectionSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        platform, token = serializer.validated_data["platform"], serializer.validated_data.get("token")
        livemode = in_live_mode(request.user)
        if token is None:
            connecting.client_for(platform, livemode=livemode)
            page = reverse("connections:connect", args=[platform.slug]) + ("" if livemode else "?mode=test")
            answer = {"platform": platform, "authorize_url": request.build_absolute_uri(page)}
            return Response(ConnectPageSerializer(answer).data, status=202)
        connection = connecting.connect_with_token(
            affiliate=request.user.affiliate, platform=platform, livemode=livemode, token=token, by=request.user
        )
        return self.answer(connection, status=201)


class ConnectionDetail(ConnectionView):
    """One connection."""

    def get(self, request: Request, connection_id: UUID) -> Response:
        """How a connection fares."""
        return self.answer(self.found(connection_id))

    @extend_schema(request=NoFields, responses=ConnectionSerializer)
    def delete(self, request: AuthenticatedRequest, connection_id: UUID) -> Response:
        """Disconnect: what was stored is erased, and the platform told. Harmless to repeat."""
        found = self.found(connection_id)
        NoFields(data=request.data).is_valid(raise_exception=True)
        connecting.disconnect(connection=found, by=request.user)
        return self.answer(found)


class AccountView(GenericAPIView[Account]):
    """What all views of accounts share."""

    scope = "submit"
    permission_classes = [HasScope, IsAffiliate]
    serializer_class = AccountSerializer

    def get_queryset(self) -> AccountQuerySet:
        return Account.objects.visible_to(self.request.user).select_related("platform")

    def found(self, account_id: UUID) -> Account:
        """Raises Http404 for one that is somebody else's."""
        found: Account = get_object_or_404(self.get_queryset(), pk=account_id)
        return found


class Accounts(AccountView, ListAPIView[Account]):
    """One's accounts, proven or said."""

    @idempotent
    @extend_schema(request=NewAccountSerializer, responses={201: AccountSerializer})
    def post(self, request: AuthenticatedRequest) -> Response:
        """Say that a handle is yours. The answer holds the code that proves it, once it stands where only you write.
        Repeated, it gives a new code when the old one has expired."""
        serializer = NewAccountSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        account = accounts.claim_account(
            **serializer.validated_data,
            affiliate=request.user.affiliate,
            livemode=in_live_mode(request.user),
            by=request.user,
        )
        location = reverse("api-account", args=[account.pk])
        return Response(self.get_serializer(account).data, status=201, headers={"Location": location})


class AccountDetail(AccountView):
    """One account."""

    def get(self, request: Request, account_id: UUID) -> Response:
        """An account, and what the last check found."""
        return Response(self.get_serializer(self.found(account_id)).data)

    @extend_schema(request=NoFields, responses={204: None})
    def delete(self, request: AuthenticatedRequest, account_id: UUID) -> Response:
        """Take back that an account is yours. 409 while it is connected."""
        found = self.found(account_id)
        NoFields(data=request.data).is_valid(raise_exception=True)
        accounts.withdraw_account(account=found, by=request.user)
        return Response(status=204)


class AccountCheck(AccountView):
    """Looking for an account's code."""

    @idempotent
    @extend_schema(request=CheckSerializer, responses={202: AccountSerializer})
    def post(self, request: AuthenticatedRequest, account_id: UUID) -> Response:
        """Have the code looked for, in the bio and in the post that is named. The result shows up on the account."""
        found = self.found(account_id)
        serializer = CheckSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        account = accounts.request_check(account=found, by=request.user, **serializer.validated_data)
        return Response(self.get_serializer(account).data, status=202)
