"""Claims for many posts in one request: as JSON by affiliates, or in a file by those who manage a campaign."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from affiliates.api.idempotency import IN_SCHEMA, idempotent
from affiliates.api.permissions import HasScope, IsAffiliate
from campaigns.models import Campaign
from config.api.parsers import StrictJSONParser
from config.api.problems import document_of
from config.errors import DomainError
from platforms.api.fields import platforms_named
from reconciliation.api.imports import FileParser, ImportSerializer, Upload, UploadSerializer
from reconciliation.api.requests import BulkSerializer, figures_of
from reconciliation.api.serializers import AcceptedSerializer, ItemsSerializer
from reconciliation.api.views import no_campaign, no_platform, status_of
from reconciliation.errors import ClaimRefusedError
from reconciliation.models import Import
from reconciliation.services import submission
from reconciliation.services.admission import Entry

Refusal = ValidationError | DomainError
_CLAIMS = BulkSerializer()  # it holds nothing of a request


class BulkParser(StrictJSONParser):
    """Many claims are longer than one."""

    limit_bytes = settings.BULK_BODY_LIMIT_BYTES


class SubmissionsBulk(Upload):
    """Claims for many posts."""

    kind = Import.Kind.CLAIMS
    parser_classes = [BulkParser, FileParser]

    @property
    def is_file(self) -> bool:
        """Whether a form was sent, and not JSON."""
        return bool(self.request and self.request.content_type.startswith("multipart/"))

    @property
    def scope(self) -> str:  # type: ignore[override]  # whose it is depends on what is sent
        """As that of a single claim, and of files."""
        return "campaigns" if self.is_file else "submit"

    def get_permissions(self) -> list[BasePermission]:
        return super().get_permissions() if self.is_file else [HasScope(), IsAffiliate()]

    @extend_schema(
        parameters=[IN_SCHEMA],
        request={"application/json": BulkSerializer, "multipart/form-data": UploadSerializer},
        responses={
            200: OpenApiResponse(ItemsSerializer, "What each of the claims came to."),
            202: OpenApiResponse(ImportSerializer, "A file was taken; it is being checked."),
        },
    )
    def post(self, request: Any) -> HttpResponseBase:
        """Claim figures for up to 500 posts, each by the rules of a single claim; or send a file, which is checked row
        by row, and nothing of it is imported before you say so."""
        return self.take_file(request) if self.is_file else self.take_claims(request)

    @idempotent
    def take_claims(self, request: Request) -> Response:
        """Take what can be taken of the claims that were sent."""
        entries = _entries(request, _CLAIMS.run_validation(request.data)["items"])
        submitted = iter(submission.submit_together(entries=[each for each in entries if isinstance(each, Entry)]))
        outcomes = [next(submitted) if isinstance(each, Entry) else each for each in entries]
        accepted = AcceptedSerializer(context=self.get_serializer_context())
        return Response({"results": [_result(each, accepted) for each in outcomes]})


def _entries(request: Request, items: Sequence[Any]) -> list[Entry | Refusal]:
    """The claims to submit. What is refused before anybody looks at it has the reason in its place."""
    user: Any = request.user
    named = [item for item in items if not isinstance(item, ValidationError)]
    visible = Campaign.objects.visible_to(user).select_related("advertiser")
    campaigns = {campaign.pk: campaign for campaign in visible.filter(pk__in={item["campaign"] for item in named})}
    platforms = platforms_named({item["platform"] for item in named})

    def entry(item: Any) -> Entry | Refusal:
        if isinstance(item, ValidationError):
            return item
        campaign, platform = campaigns.get(item["campaign"]), platforms.get(item["platform"])
        if campaign is None:
            return no_campaign(ClaimRefusedError)
        if platform is None:
            return no_platform(ClaimRefusedError)
        words = {name: item.get(name, "") for name in ("title", "description", "tracking_link")}
        return Entry(user.affiliate, campaign, platform, item["url"], figures_of(item), **words)

    return [entry(item) for item in items]


def _result(outcome: submission.Submission | Refusal, accepted: AcceptedSerializer) -> dict[str, Any]:
    if isinstance(outcome, submission.Submission):
        return {"status": status_of(outcome), "submission": accepted.to_representation(outcome), "problem": None}
    problem = document_of(outcome)
    return {"status": problem["status"], "submission": None, "problem": problem}
