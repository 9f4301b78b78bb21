"""The form by which somebody decides on an alert."""

from django import forms

from alerts.services import NOTE_MAX_LENGTH
from config.words import validate_words


class ResolveForm(forms.Form):
    """Why an alert is closed, in words that stand beside it from then on."""

    note = forms.CharField(
        label="How was it resolved?",
        max_length=NOTE_MAX_LENGTH,
        validators=[validate_words],
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="For example: asked, two videos had been counted together; the corrected claim is in.",
        error_messages={"required": "Say in a few words how this was resolved."},
    )
