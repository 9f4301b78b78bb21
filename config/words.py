"""Words that people type: what may not stand in them, wherever they come in."""

import re

from django.core.exceptions import ValidationError

_INVISIBLE = re.compile(r"[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""Zero-width characters and those that turn text around; the joiners U+200C and U+200D are letters to some."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_IN_WORDS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Of longer words, where lines may break."""

REASONS = {
    "control_character": "Line breaks and control characters are not allowed.",
    "invisible_character": "Invisible characters and those that turn text around are not allowed.",
}


def refusal(text: str, *, multiline: bool = False) -> str | None:
    """The code of what is wrong with a text (see REASONS), or None."""
    if (_CONTROL_IN_WORDS if multiline else _CONTROL).search(text):
        return "control_character"
    return "invisible_character" if _INVISIBLE.search(text) else None


def validate_words(text: str) -> None:
    """For forms: raises ValidationError for text of several lines that may not stand."""
    code = refusal(text, multiline=True)
    if code:
        raise ValidationError(REASONS[code], code=code)
