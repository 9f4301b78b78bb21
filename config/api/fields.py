"""Strict bricks of serializers: what plain fields would take for something else is refused here with a reason.

Plain fields read `"1_0"`, `"１２"` and `"5.0"` as counts, `"yes"` as true and `20260101` as a day.
"""

import re
import unicodedata
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from config import words
from config.counts import MAX_COUNT

_AMOUNT = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class CountField(serializers.IntegerField):
    """A count: a JSON integer from `min_value` to `max_value`. Text, fractions and booleans are refused."""

    default_error_messages = {
        "not_an_integer": "A whole number, not text, a fraction or true/false.",
        "min_value": "Not below {min_value}.",
        "max_value": "At most {max_value}.",
    }

    def __init__(self, *, min_value: int = 0, max_value: int = MAX_COUNT, **kwargs: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("not_an_integer")
        return data


class FlagField(serializers.BooleanField):
    """JSON's true or false, and nothing that merely sounds like it."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class AmountField(serializers.DecimalField):
    """An amount of money, 0 or more, as plain decimal digits: text ("12.50", as answers give it) or a JSON number."""

    def __init__(self, *, max_digits: int, decimal_places: int, **kwargs: Any) -> None:
        super().__init__(max_digits, decimal_places, min_value=0, **kwargs)

    def validate_empty_values(self, data: Any) -> Any:
        """Null is null; the library's own takes empty text for it too."""
        return serializers.Field.validate_empty_values(self, data)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, bool) or not _AMOUNT.fullmatch(str(data)):
            self.fail("invalid")
        return super().to_internal_value(data)


class DayField(serializers.DateField):
    """A calendar day written YYYY-MM-DD."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or not _DAY.fullmatch(data):
            self.fail("invalid", format="YYYY-MM-DD")
        return super().to_internal_value(data)


class WordsField(serializers.CharField):
    """Words of people, NFC and trimmed. Control and invisible characters are refused; line breaks if `multiline`."""

    default_error_messages = {"not_text": "This must be text.", **words.REASONS}

    def __init__(self, *, multiline: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.multiline = multiline

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("not_text")
        code = words.refusal(data, multiline=self.multiline)
        if code:
            self.fail(code)
        return super().to_internal_value(unicodedata.normalize("NFC", data))


class StrictSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """A serializer that refuses, by name, each field that it does not know or that is not the caller's to set."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            errors = {name: [error] for name in sorted(data) if (error := self._refusal(name))}
            if errors:
                raise ValidationError(errors)
        return super().to_internal_value(data)

    def _refusal(self, name: str) -> serializers.ErrorDetail | None:
        if name not in self.fields:
            return serializers.ErrorDetail("There is no such field.", "unknown_field")
        if self.fields[name].read_only:
            return serializers.ErrorDetail("This can't be set here.", "read_only")
        return None


class NoFields(StrictSerializer):
    """The body of a request that says everything by its address: empty, or an empty object."""
