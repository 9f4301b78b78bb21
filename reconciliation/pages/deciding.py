"""Forms in which people decide what a verdict comes to."""

from typing import Any

from django import forms

from reconciliation.models import ClaimWithdrawal, Dispute, PostState, ReconciliationLog
from reconciliation.outcomes import OUTCOMES, PEOPLES, REASONS, Reason
from reconciliation.services.disputing import MAX_TEXT_CHARS, disputable_until, refusal
from reconciliation.services.overriding import MAX_NOTE_CHARS

STANDS = "STANDS"

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
        return {"status": status, "level": level, **self.why}

    @property
    def why(self) -> dict[str, Any]:
        """The reason and the note."""
        return {"reason": Reason(self.cleaned_data["reason"]), "note": self.cleaned_data["note"]}


class DecisionForm(OverrideForm):
    """What a disputed verdict comes to: that it stands is a decision too."""

    outcome = forms.ChoiceField(choices=[(STANDS, "The verdict stands"), *_LABELS.items()])
    field_order = ("outcome", "reason", "note")

    @property
    def decision(self) -> dict[str, Any]:
        """What was chosen, as `disputing.decide` takes it."""
        return {"outcome": OUTCOMES.get(self.cleaned_data["outcome"]), **self.why}


class DisputeForm(forms.Form):
    """Why a verdict is wrong, in the affiliate's words."""

    text = forms.CharField(
        label="Why is it wrong?",
        max_length=MAX_TEXT_CHARS,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Whoever decides reads it, and the advertiser too. A verdict can be disputed once.",
    )


class WithdrawalForm(forms.Form):
    """Why a claim is taken back."""

    reason = forms.ChoiceField(choices=[(value, f"Because {words}") for value, words in ClaimWithdrawal.Reason.choices])


def withdrawal_panel(state: PostState, user: Any) -> dict[str, Any]:
    """What a post's page shows of the withdrawal of its claim, and whether its reader may take it back."""
    withdrawn = ClaimWithdrawal.objects.filter(claim=state.current_claim_id).first()
    is_own = state.post.affiliate.user_id == user.pk and state.is_standing
    return {"withdrawn": withdrawn, "withdrawal_form": WithdrawalForm() if is_own and withdrawn is None else None}


def dispute_panel(verdict: ReconciliationLog | None, user: Any) -> dict[str, Any]:
    """What a post's page shows of the dispute of its verdict, and what its reader may do about it; nothing where there
    is none and none can be opened."""
    if verdict is None or not verdict.is_counted:
        return {}
    found = Dispute.objects.visible_to(user).filter(verdict=verdict).select_related("words", "override").first()
    affiliate = getattr(user, "affiliate", None)
    if found is None:
        may_dispute = affiliate is not None and refusal(verdict, affiliate) is None
        until = disputable_until(verdict)
        return {"dispute_form": DisputeForm(), "disputed": verdict, "disputable_until": until} if may_dispute else {}
    may_decide = found.is_open and Dispute.objects.decidable_by(user).filter(pk=found.pk).exists()
    return {
        "dispute": found,
        "dispute_word": _WORDS[found.state],
        "decision_form": DecisionForm() if may_decide else None,
        "may_withdraw": found.is_open and affiliate is not None and affiliate.pk == found.affiliate_id,
    }


_WORDS = {
    Dispute.State.OPEN.value: "Somebody has to decide",
    Dispute.State.UPHELD.value: "The verdict was overridden",
    Dispute.State.REJECTED.value: "The verdict stands",
    Dispute.State.LAPSED.value: "Nobody decided in time",
    Dispute.State.WITHDRAWN.value: "Withdrawn",
}
