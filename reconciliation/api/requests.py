"""What requests say: claims, and which posts to look at."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from config.api.fields import CountField, FlagField, StrictSerializer, WordsField
from platforms.links import MAX_URL_CHARS
from reconciliation.comparison import Figures
from reconciliation.models import ClaimWithdrawal

MAX_LISTED_POSTS = 500
MAX_ITEMS = 500
"""Claims in one request."""


class FiguresSerializer(StrictSerializer):
    """The figures of a claim, whole: one that is left out, or null, is not claimed. At least one is."""

    claimed_views = CountField(required=False, allow_null=True)
    claimed_clicks = CountField(required=False, allow_null=True)
    claimed_conversions = CountField(required=False, allow_null=True)

    @property
    def figures(self) -> Figures:
        """The claim as the services take it."""
        return figures_of(self.validated_data)


def figures_of(fields: Mapping[str, Any]) -> Figures:
    """The claim in the fields of a request."""
    return Figures(fields.get("claimed_views"), fields.get("claimed_clicks"), fields.get("claimed_conversions"))


class SubmissionSerializer(FiguresSerializer):
    """A claim for a post."""

    campaign = serializers.UUIDField()
    platform = serializers.CharField(max_length=32, help_text="A slug; `meta` is another word for `facebook`.")
    url = serializers.CharField(max_length=MAX_URL_CHARS)
    title = WordsField(max_length=300, required=False, allow_blank=True)
    description = WordsField(max_length=5000, required=False, allow_blank=True, multiline=True)
    tracking_link = WordsField(
        max_length=16,
        required=False,
        help_text="The code of the link that the post carries; needed where there are several.",
    )


class WithdrawalSerializer(StrictSerializer):
    """Which claim is taken back, and why. Without `claim` it is the post's current one."""

    claim = serializers.UUIDField(required=False)
    reason = serializers.ChoiceField(ClaimWithdrawal.Reason.choices)


class CorrectionSerializer(FiguresSerializer):
    """The figures that were meant, whole, and why the current claim is taken back."""

    reason = serializers.ChoiceField(ClaimWithdrawal.Reason.choices)


class EachAlone(serializers.ListSerializer[Any]):
    """A list of which each item is held to the rules alone: the reason why one is refused stands in its place."""

    def run_child_validation(self, data: Any) -> Any:
        try:
            return super().run_child_validation(data)
        except serializers.ValidationError as refusal:
            return refusal


class BulkSerializer(StrictSerializer):
    """Claims for many posts."""

    items = EachAlone(child=SubmissionSerializer(), min_length=1, max_length=MAX_ITEMS)


class RunRequestSerializer(StrictSerializer):
    """Which posts to look at: those that meet all that is named. `from` and `to` mean when a post was submitted."""

    campaign = serializers.UUIDField(required=False)
    affiliate = serializers.UUIDField(required=False)
    platform = serializers.CharField(max_length=32, required=False)
    posts = serializers.ListField(
        child=serializers.UUIDField(), min_length=1, max_length=MAX_LISTED_POSTS, required=False
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`from` is a word of the language, and can't be the name of a class's attribute."""
        return super().get_fields() | {
            "from": serializers.DateTimeField(required=False),
            "to": serializers.DateTimeField(required=False),
        }


class FetchRequestSerializer(StrictSerializer):
    """Which posts of a platform to look at: those that are listed, or all whose look is due. One of both is given."""

    posts = serializers.ListField(
        child=serializers.UUIDField(), min_length=1, max_length=MAX_LISTED_POSTS, required=False
    )
    all_due = FlagField(required=False, help_text="True, or left out.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one says which."""
        if ("posts" in attrs) == attrs.get("all_due", False):
            raise serializers.ValidationError({"posts": ["List posts, or say all_due: true; one of both."]})
        return attrs
