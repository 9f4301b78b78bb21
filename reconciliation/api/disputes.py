"""Disputes of verdicts: opened and withdrawn by affiliates, decided by staff and whom they let."""

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView, ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from affiliates.api.idempotency import idempotent
from affiliates.api.permissions import HasScope, IsAffiliate
from campaigns.api.permissions import ManagesAnAdvertiser
from config.api.fields import NoFields, StrictSerializer, WordsField
from config.api.shown import Shown
from config.errors import NotAllowedError
from reconciliation.api.serializers import CampaignInShortSerializer, NamedSerializer, PostInShortSerializer
from reconciliation.comparison import Level, Status
from reconciliation.filters import DisputeFilter
from reconciliation.models import Dispute, ReconciliationLog
from reconciliation.outcomes import DECIDABLE, PEOPLES_CODES, Reason
from reconciliation.querysets import DisputeQuerySet
from reconciliation.services import disputing
from reconciliation.services.disputing import MAX_TEXT_CHARS
from reconciliation.services.overriding import MAX_NOTE_CHARS

STANDS = "STANDS"


class DisputeTextSerializer(StrictSerializer):
    """Why a verdict is wrong."""

    text = WordsField(max_length=MAX_TEXT_CHARS, multiline=True)


class DecisionSerializer(StrictSerializer):
    """What a disputed verdict comes to. `level` goes with a DISCREPANCY, and with nothing else."""

    outcome = serializers.ChoiceField([STANDS, *(status.value for status in DECIDABLE)])
    level = serializers.ChoiceField([level.value for level in Level], required=False, allow_null=True)
    reason = serializers.ChoiceField(PEOPLES_CODES)
    note = WordsField(max_length=MAX_NOTE_CHARS, multiline=True, help_text="Read by the affiliate too.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if (attrs["outcome"] == Status.DISCREPANCY) != bool(attrs.get("level")):
            raise ValidationError({"level": ["A DISCREPANCY has a level, and nothing else has one."]})
        return attrs

    @property
    def decision(self) -> dict[str, Any]:
        """As `disputing.decide` takes it."""
        given = self.validated_data
        level = Level(given["level"]) if given.get("level") else None
        outcome = None if given["outcome"] == STANDS else (Status(given["outcome"]), level)
        return {"outcome": outcome, "reason": Reason(given["reason"]), "note": given["note"]}


class DisputeSerializer(Shown):
    """An objection to a verdict, and what became of it. Words that were erased are null.

    `state`: `open`, `upheld` (the verdict was overridden), `rejected` (it stands), `lapsed` (nobody decided in time: an
    accusation no longer holds, anything else stands) or `withdrawn`.
    """

    id = serializers.UUIDField()
    result = serializers.UUIDField(source="verdict_id")
    post = PostInShortSerializer(source="verdict.post")
    campaign = CampaignInShortSerializer(source="verdict.post.campaign")
    affiliate = NamedSerializer(source="verdict.post.affiliate")
    state = serializers.ChoiceField(Dispute.State.choices)
    text = serializers.CharField(source="said", allow_null=True)
    opened_at = serializers.DateTimeField(source="created_at")
    deadline_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_blank=True, help_text="Its code; empty until it is decided.")
    answer = serializers.CharField(source="answered", allow_null=True, help_text="What its decider wrote.")
    outcome = serializers.CharField(source="override.status", allow_null=True, help_text="What the verdict came to.")
    level = serializers.CharField(source="override.discrepancy_level", allow_null=True)


def _shown(dispute_id: UUID, **more: Any) -> Response:
    return Response(DisputeSerializer(Dispute.objects.for_list().get(pk=dispute_id)).data, **more)


class DisputeOpening(GenericAPIView[ReconciliationLog]):
    """A verdict that its affiliate finds wrong."""

    scope = "submit"
    permission_classes = [HasScope, IsAffiliate]
    serializer_class = DisputeTextSerializer

    @idempotent
    @extend_schema(responses={201: DisputeSerializer})
    def post(self, request: Request, result_id: UUID) -> Response:
        """Dispute a counted verdict on one's own claim, once, within 14 days. The post is looked at anew."""
        user: Any = request.user
        mine = ReconciliationLog.objects.visible_to(user).filter(post__affiliate=user.affiliate)
        verdict = get_object_or_404(mine.select_related("post", "affiliate_report"), pk=result_id)
        given = DisputeTextSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        opened = disputing.dispute(verdict=verdict, affiliate=user.affiliate, text=given.validated_data["text"])
        where = reverse("api-dispute", [opened.pk], request=request)
        return _shown(opened.pk, status=201, headers={"Location": where})


class Disputes(ListAPIView[Dispute]):
    """The disputes that the caller may see, newest first."""

    scope = "reconcile"
    serializer_class = DisputeSerializer
    filterset_class = DisputeFilter

    def get_queryset(self) -> DisputeQuerySet:
        return Dispute.objects.visible_to(self.request.user).for_list()


class DisputeDetail(RetrieveAPIView[Dispute]):
    """One dispute, and what became of it."""

    scope = "reconcile"
    serializer_class = DisputeSerializer
    lookup_url_kwarg = "dispute_id"

    def get_queryset(self) -> DisputeQuerySet:
        return Dispute.objects.visible_to(self.request.user).for_list()


class DisputeDecision(GenericAPIView[Dispute]):
    """What becomes of a dispute."""

    scope = "reconcile"
    permission_classes = [HasScope, ManagesAnAdvertiser]
    serializer_class = DecisionSerializer

    @idempotent
    @extend_schema(responses=DisputeSerializer)
    def post(self, request: Request, dispute_id: UUID) -> Response:
        """Decide: the verdict stands, or comes to something else. Staff, and managers where staff let them."""
        user: Any = request.user
        found = get_object_or_404(Dispute.objects.visible_to(user), pk=dispute_id)
        if not Dispute.objects.decidable_by(user).filter(pk=found.pk).exists():
            raise NotAllowedError("Staff decide on this dispute.")
        given = DecisionSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        disputing.decide(dispute_id=found.pk, by=user, **given.decision)
        return _shown(found.pk)


class DisputeWithdrawal(GenericAPIView[Dispute]):
    """A dispute that its affiliate takes back."""

    scope = "submit"
    permission_classes = [HasScope, IsAffiliate]
    serializer_class = NoFields

    @idempotent
    @extend_schema(responses=DisputeSerializer)
    def post(self, request: Request, dispute_id: UUID) -> Response:
        """Take it back: the verdict stands."""
        user: Any = request.user
        mine = Dispute.objects.visible_to(user).filter(affiliate=user.affiliate)
        found = get_object_or_404(mine, pk=dispute_id)
        NoFields(data=request.data).is_valid(raise_exception=True)
        disputing.withdraw(dispute_id=found.pk, by=user)
        return _shown(found.pk)
