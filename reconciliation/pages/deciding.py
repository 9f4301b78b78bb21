"""Forms in which people decide what a verdict comes to."""

from typing import Any

from django import forms

from reconciliation.outcomes import OUTCOMES, PEOPLES, REASONS, Reason
from reconciliation.services.overriding import MAX_NOTE_CHARS

_LABELS = {
    "MATCHED": "Matched: the claim holds",
    "LOW": "Discrepancy, low: close enough",
    "MEDIUM": "Discrepancy, medium",
    "HIGH": "Discrepancy, high",
    "UNVERIFIABLE": "Unverifiable: nobody can tell",
    "INVALID_CLAIM": "Invalid claim: no post can have these figures",
}


class OverrideForm(forms.Form):
    """What a verdict comes to instead, and why."""

    outcome = forms.ChoiceField(choices=[(word, _LABELS[word]) for word in OUTCOMES])
    reason = forms.ChoiceField(choices=[(reason.value, REASONS[reason].capitalize()) for reason in PEOPLES])
    note = forms.CharField(
        max_length=MAX_NOTE_CHARS,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 80}),
        help_text="Why, in your words. Whoever sees the verdict reads it, the affiliate too.",
    )

    @property
    def decision(self) -> dict[str, Any]:
        """What was chosen, as `override` takes it."""
        status, level = OUTCOMES[self.cleaned_data["outcome"]]
        reason, note = Reason(self.cleaned_data["reason"]), self.cleaned_data["note"]
        return {"status": status, "level": level, "reason": reason, "note": note}
