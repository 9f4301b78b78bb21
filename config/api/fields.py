"""Serializer bricks: strict counts, and serializers that refuse what they don't know."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

MAX_COUNT = 2**53 - 1


@extend_schema_field({"type": "integer", "minimum": 0, "maximum": MAX_COUNT})
class CountField(serializers.Field):  # type: ignore[type-arg]
    """A count: a JSON integer from 0 to 2^53 − 1, or null for "not claimed". Text, fractions and booleans are refused."""

    default_error_messages = {
        "not_an_integer": "A whole number, not text, a fraction or true/false.",
        "negative": "Not below 0.",
        "too_large": f"At most {MAX_COUNT:,}.",
    }

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("not_an_integer")
        if data < 0:
            self.fail("negative")
        if data > MAX_COUNT:
            self.fail("too_large")
        return int(data)

    def to_representation(self, value: int) -> int:
        return value


class StrictSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """A serializer that refuses fields it does not know, naming each."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = sorted(set(data) - {name for name, field in self.fields.items() if not field.read_only})
            if unknown:
                raise ValidationError(
                    {name: [serializers.ErrorDetail("There is no such field.", "unknown_field")] for name in unknown}
                )
        return super().to_internal_value(data)
