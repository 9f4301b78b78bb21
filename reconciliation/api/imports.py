"""Files of claims, campaigns and affiliates: sent, checked, looked through row by row, and imported."""

from collections.abc import Mapping
from typing import IO, Any, BinaryIO
from uuid import UUID

from django.conf import settings
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.generics import GenericAPIView, ListAPIView, RetrieveAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import BasePermission
from rest_framework.response import Response

from affiliates.api.authentication import AuthenticatedRequest
from affiliates.api.idempotency import IN_SCHEMA, idempotent
from affiliates.api.permissions import HasScope, IsStaff, SharedByModes
from campaigns.api.permissions import ManagesAnAdvertiser
from config.api.fields import NoFields, StrictSerializer
from config.api.pagination import CursorPage
from reconciliation.filters import ImportRowFilter
from reconciliation.models import Import, ImportRow
from reconciliation.querysets import ImportQuerySet
from reconciliation.services import importing

_ENVELOPE_BYTES = 64 * 1024
"""What a form adds to the file in it, generously."""


class FileTooLarge(APIException):
    """More bytes than a file may have."""

    status_code = 413
    default_code = "file_too_large"

    def __init__(self) -> None:
        super().__init__(f"The file is larger than {settings.MAX_UPLOAD_MB} MB.")


class FileParser(MultiPartParser):
    """A form with a file. What is too large is refused before it is read."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        request = (parser_context or {})["request"]
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.MAX_UPLOAD_MB * 2**20 + _ENVELOPE_BYTES:
            raise FileTooLarge
        return super().parse(stream, media_type, parser_context)


class UploadSerializer(StrictSerializer):
    """A form with one file."""

    file = serializers.FileField(help_text="CSV in UTF-8, or XLSX.")


class ImportSerializer(serializers.Serializer[Import]):
    """A file that was sent, and how far it is. Rows by what they come to; once imported, by what came of them."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(Import.Kind.choices)
    state = serializers.ChoiceField(Import.State.choices)
    file_name = serializers.CharField()
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField(source="digest")
    take = serializers.CharField(allow_blank=True, help_text="`all` or `good`, once that is decided.")
    rows_total = serializers.IntegerField(allow_null=True, help_text="Null until it is checked.")
    rows_done = serializers.IntegerField(help_text="Of the check, then of the import.")
    outcomes = serializers.SerializerMethodField(help_text="How many rows come to what.")
    error = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    def get_outcomes(self, row: Import) -> dict[str, int]:
        return {word: row.rows_of(word) for word in ImportRow.Outcome.values}


class ImportRowSerializer(serializers.Serializer[ImportRow]):
    """One row of the file."""

    line = serializers.IntegerField()
    outcome = serializers.ChoiceField(ImportRow.Outcome.choices)
    field = serializers.CharField(allow_blank=True)
    code = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    is_done = serializers.BooleanField(help_text="False: this is what would happen.")
    object_id = serializers.UUIDField(allow_null=True, help_text="The post, campaign or affiliate.")


class TakeSerializer(StrictSerializer):
    """What is to be imported."""

    rows = serializers.ChoiceField(Import.Take.choices, help_text="`all`: all or nothing.")


def _shown(import_id: UUID, status: int = 200) -> Response:
    shown = ImportSerializer(Import.objects.get(pk=import_id)).data
    location = reverse("api-import", args=[import_id])
    return Response(shown, status=status, headers={"Location": location} if status == 202 else {})


class Upload(GenericAPIView[Import]):
    """A file of one kind is sent."""

    scope = "campaigns"
    parser_classes = [FileParser]
    serializer_class = UploadSerializer
    kind: Import.Kind

    def get_permissions(self) -> list[BasePermission]:
        if self.kind == Import.Kind.AFFILIATES:
            return [HasScope(), IsStaff(), SharedByModes()]
        return [HasScope(), ManagesAnAdvertiser()]

    @extend_schema(
        parameters=[IN_SCHEMA],
        request={"multipart/form-data": UploadSerializer},
        responses={202: OpenApiResponse(ImportSerializer, "Taken; it is being checked.")},
    )
    def post(self, request: AuthenticatedRequest) -> HttpResponseBase:
        """Send a file. It is checked row by row; nothing is imported before you say so."""
        return self.take_file(request)

    def take_file(self, request: AuthenticatedRequest) -> HttpResponseBase:
        """Take the file that was sent. It is checked before its key is taken: nobody waits for a scanner with a
        transaction open."""
        given = UploadSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        if len(request.FILES.getlist("file")) > 1:
            raise ValidationError({"file": ["One file at a time."]})
        upload = given.validated_data["file"]
        importing.check_file(kind=self.kind, file=upload.file, name=upload.name)
        return self._keep_file(request, upload.file, upload.name)

    @idempotent
    def _keep_file(self, request: AuthenticatedRequest, file: BinaryIO, name: str) -> Response:
        kept = importing.keep_file(kind=self.kind, file=file, name=name, by=request.user)
        return _shown(kept.pk, 202)


class CampaignsUpload(Upload):
    """Campaigns in a file."""

    kind = Import.Kind.CAMPAIGNS


class AffiliatesUpload(Upload):
    """Affiliates in a file."""

    kind = Import.Kind.AFFILIATES


class Imports(ListAPIView[Import]):
    """The files that the caller sent (staff: all), newest first."""

    scope = "campaigns"
    serializer_class = ImportSerializer

    def get_queryset(self) -> ImportQuerySet:
        return Import.objects.visible_to(self.request.user)


class ImportDetail(RetrieveAPIView[Import]):
    """One file, and how far it is."""

    scope = "campaigns"
    serializer_class = ImportSerializer
    lookup_url_kwarg = "import_id"

    def get_queryset(self) -> ImportQuerySet:
        return Import.objects.visible_to(self.request.user)


class LinesPage(CursorPage):
    """In the order of the file."""

    ordering = ("line",)


class ImportRows(ListAPIView[ImportRow]):
    """The rows of a file, one by one, with what each comes to."""

    scope = "campaigns"
    serializer_class = ImportRowSerializer
    filterset_class = ImportRowFilter
    pagination_class = LinesPage
    queryset = ImportRow.objects.none()

    def get_queryset(self) -> Any:
        visible = Import.objects.visible_to(self.request.user)
        return ImportRow.objects.filter(of=get_object_or_404(visible, pk=self.kwargs["import_id"]))


class Decision(GenericAPIView[Import]):
    """What becomes of a file that was checked."""

    scope = "campaigns"
    permission_classes = [HasScope, ManagesAnAdvertiser]

    def theirs(self, import_id: UUID) -> Import:
        found: Import = get_object_or_404(Import.objects.visible_to(self.request.user), pk=import_id)
        return found


class ImportApply(Decision):
    """Import a file that was checked."""

    serializer_class = TakeSerializer

    @idempotent
    @extend_schema(responses={202: OpenApiResponse(ImportSerializer, "It is being imported.")})
    def post(self, request: AuthenticatedRequest, import_id: UUID) -> Response:
        """Import all rows or nothing, or the good rows."""
        theirs = self.theirs(import_id)
        given = TakeSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        take = Import.Take(given.validated_data["rows"])
        importing.apply_import(import_id=theirs.pk, take=take, by=request.user)
        return _shown(theirs.pk, 202)


class ImportDiscard(Decision):
    """Import nothing of a file."""

    serializer_class = NoFields

    @idempotent
    @extend_schema(responses=ImportSerializer)
    def post(self, request: AuthenticatedRequest, import_id: UUID) -> Response:
        """Import nothing of it."""
        theirs = self.theirs(import_id)
        NoFields(data=request.data).is_valid(raise_exception=True)
        importing.discard_import(import_id=theirs.pk, by=request.user)
        return _shown(theirs.pk)
