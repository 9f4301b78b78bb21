"""Lists as files: the same rows and the same filters, all of them at once."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.http import Http404, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request

from config.api.throttling import CallerThrottle, ExportThrottle
from config.tables.exporting import Export
from config.tables.writing import CONTENT_TYPES, Format

if TYPE_CHECKING:
    from rest_framework.renderers import BaseRenderer

FORMAT = OpenApiParameter("file_format", str, OpenApiParameter.PATH, enum=[each.value for each in Format])


class AddressNegotiation(BaseContentNegotiation):
    """The address says which format it is, whatever `Accept` says."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> "tuple[BaseRenderer, str]":
        return renderers[0], renderers[0].media_type


class ExportView(GenericAPIView[Any]):
    """A table as a file: what the caller may see of it, newest first, narrowed by the filters of its list."""

    export: ClassVar[Export]
    pagination_class = None
    throttle_classes = [CallerThrottle, ExportThrottle]
    content_negotiation_class = AddressNegotiation

    @extend_schema(
        parameters=[FORMAT],
        responses={(200, type_.partition(";")[0]): OpenApiTypes.BINARY for type_ in CONTENT_TYPES.values()},
    )
    def get(self, request: Request, file_format: str) -> StreamingHttpResponse:
        """All rows that match, as CSV, XLSX or JSON Lines."""
        if file_format not in list(Format):
            raise Http404
        found = self.filter_queryset(self.get_queryset()).order_by("-id")
        own = self.get_serializer_context().get("own_advertisers")
        return self.export.response(found, Format(file_format), own_advertisers=own)
