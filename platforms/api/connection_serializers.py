"""What is said about connections and accounts: whose they are and how they fare, and never what they hold."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api.fields import StrictSerializer, WordsField
from platforms.api.fields import PlatformField
from platforms.models import Account, Connection
from platforms.oauth import MAX_TOKEN_CHARS


class NewConnectionSerializer(StrictSerializer):
    """Which platform to connect: by a token of one's own, or without one on the page that the answer names."""

    platform = PlatformField()
    token = WordsField(
        required=False,
        write_only=True,
        max_length=MAX_TOKEN_CHARS,
        help_text="Tried out before it is stored, and never shown again. Not for TikTok.",
    )


class ConnectPageSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """Where the account's owner goes on, logged in as the affiliate."""

    platform = PlatformField(read_only=True)
    authorize_url = serializers.URLField(read_only=True)


class ConnectionSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """One's connection to a platform, and how it fares."""

    id = serializers.UUIDField(read_only=True)
    platform = PlatformField(read_only=True)
    livemode = serializers.BooleanField(read_only=True)
    state = serializers.ChoiceField(choices=Connection.State.choices, read_only=True)
    method = serializers.ChoiceField(choices=Connection.Method.choices, read_only=True)
    handle = serializers.SerializerMethodField(help_text="Of the account that it speaks for.")
    scopes = serializers.SerializerMethodField(help_text="What the platform says was allowed.")
    connected_at = serializers.DateTimeField(read_only=True)
    last_read_at = serializers.DateTimeField(source="last_success_at", read_only=True)
    waits_until = serializers.DateTimeField(
        source="not_before", read_only=True, help_text="The platform asked us to wait until then."
    )
    ends_at = serializers.DateTimeField(
        source="refresh_expires_at", read_only=True, help_text="From then on it has to be made anew; null: not known."
    )
    expires_soon = serializers.BooleanField(source="ends_soon", read_only=True)
    parked_at = serializers.DateTimeField(read_only=True)
    problem = serializers.CharField(source="trouble", read_only=True, help_text="Why it is parked, in words.")

    @extend_schema_field({"type": ["string", "null"]})
    def get_handle(self, row: Connection) -> str | None:
        return row.handle

    @extend_schema_field({"type": "array", "items": {"type": "string"}})
    def get_scopes(self, row: Connection) -> list[str]:
        return row.scopes.split()


class NewAccountSerializer(StrictSerializer):
    """A handle that one says is one's own."""

    platform = PlatformField()
    handle = WordsField(max_length=100)


class CheckSerializer(StrictSerializer):
    """Where to look for the code, besides the bio."""

    post_url = WordsField(required=False, max_length=2048, help_text="A post whose text holds the code.")


class AccountSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """A handle: proven to be one's own, or said to be, with the code that proves it."""

    id = serializers.UUIDField(read_only=True)
    platform = PlatformField(read_only=True)
    livemode = serializers.BooleanField(read_only=True)
    handle = serializers.CharField(read_only=True)
    followers = serializers.IntegerField(read_only=True, allow_null=True)
    state = serializers.ChoiceField(choices=Account.State.choices, read_only=True)
    proven_at = serializers.DateTimeField(read_only=True)
    connection = serializers.UUIDField(source="connection_id", read_only=True, help_text="The one that speaks for it.")
    code = serializers.CharField(read_only=True, help_text="To be put into the bio, or into the text of a post.")
    code_expires_at = serializers.DateTimeField(read_only=True)
    checked_at = serializers.DateTimeField(read_only=True)
    check_result = serializers.CharField(read_only=True, help_text="What the last check found, in words.")
