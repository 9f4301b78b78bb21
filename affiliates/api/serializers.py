"""What is said about affiliates, and what they may say about themselves."""

from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as ModelValidationError
from django.core.validators import RegexValidator
from rest_framework import serializers

from affiliates.models import User, normalise_email
from config.api.fields import StrictSerializer, WordsField

valid_discord_id = RegexValidator(r"\A[0-9]{17,20}\Z", "A Discord user id: 17 to 20 digits.")


class AffiliateSerializer(StrictSerializer):
    """An affiliate, as itself and staff see it."""

    id = serializers.UUIDField(read_only=True)
    name = WordsField(max_length=120)
    email = serializers.EmailField(source="user.email", read_only=True)
    discord_user_id = WordsField(required=False, allow_null=True, max_length=20, validators=[valid_discord_id])
    discord_linked_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="Since when this Discord user may act as the affiliate; null: not."
    )
    is_active = serializers.BooleanField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


class SignUpSerializer(StrictSerializer):
    """Who signs up. A password is for the web pages; a program needs none."""

    name = WordsField(max_length=120)
    email = serializers.EmailField(max_length=254)
    discord_user_id = WordsField(required=False, allow_null=True, max_length=20, validators=[valid_discord_id])
    password = serializers.CharField(required=False, write_only=True, max_length=128, trim_whitespace=False)
    invitation = WordsField(required=False, write_only=True, max_length=64)

    def validate_email(self, email: str) -> str:
        return normalise_email(email)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The password by the site's rules; it may not resemble the rest."""
        if "password" in attrs:
            try:
                validate_password(attrs["password"], User(email=attrs["email"], name=attrs["name"]))
            except ModelValidationError as error:
                raise serializers.ValidationError({"password": error.messages}) from error
        return attrs


class SignedUpSerializer(AffiliateSerializer):
    """The new affiliate, with its first key."""

    api_key = serializers.CharField(read_only=True, help_text="Shown this once. Send it as `Authorization: Bearer …`.")


class DiscordCodeSerializer(serializers.Serializer[Any]):
    """A code that links a Discord user, shown this once."""

    code = serializers.CharField(read_only=True, help_text="Send it to our application on Discord: `/link code:`.")
    expires_at = serializers.DateTimeField(read_only=True)
