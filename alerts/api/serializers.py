"""What requests say and what answers show of alerts."""

from typing import Any

from rest_framework import serializers

from alerts.models import Alert
from alerts.services import NOTE_MAX_LENGTH
from config.api.fields import StrictSerializer, WordsField
from reconciliation.api.serializers import CampaignInShortSerializer, NamedSerializer, PostInShortSerializer


class ResolutionSerializer(StrictSerializer):
    """Why an alert is closed."""

    note = WordsField(max_length=NOTE_MAX_LENGTH, multiline=True)


class AlertSerializer(serializers.Serializer[Any]):
    """Something that a person must look at, with what became of it. `result`: the verdict that raised it, if any."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(Alert.Kind.choices)
    severity = serializers.ChoiceField(Alert.Severity.choices)
    status = serializers.ChoiceField(Alert.Status.choices)
    summary = serializers.CharField()
    campaign = CampaignInShortSerializer()
    affiliate = NamedSerializer()
    post = PostInShortSerializer()
    result = serializers.UUIDField(source="verdict_id", allow_null=True)
    created_at = serializers.DateTimeField()
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    acknowledged_by = NamedSerializer(allow_null=True)
    resolved_at = serializers.DateTimeField(allow_null=True)
    resolved_by = NamedSerializer(allow_null=True)
    resolution_note = serializers.CharField()
    updated_at = serializers.DateTimeField()
