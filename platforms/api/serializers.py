"""What is set for a platform: figures as they hold, and credentials that are never shown."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api.fields import CountField, StrictSerializer
from platforms.models import Platform
from platforms.services.settings import SETTINGS, credential_sources, default_figures, figures

DEFAULT_AGAIN = "Null: the default again."


class SecretField(serializers.CharField):
    """A secret, as it was given."""

    default_error_messages = {"not_text": "This must be text."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("not_text")
        return super().to_internal_value(data)


class PlatformChangesSerializer(StrictSerializer):
    """What to set. What is not given stays."""

    credentials = serializers.DictField(
        child=SecretField(allow_null=True),
        required=False,
        help_text="The application's own credentials, by name. Null: the one that is stored is removed.",
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """With a field for everything that may be set."""
        return {
            name: CountField(
                min_value=setting.least,
                max_value=setting.most,
                required=False,
                allow_null=True,
                help_text=f"{setting.meaning.capitalize()}. {DEFAULT_AGAIN}",
            )
            for name, setting in SETTINGS.items()
        } | super().get_fields()


class CredentialSerializer(serializers.Serializer[Any]):
    """Whether a credential is there, and where it comes from. What it is, is never shown."""

    set = serializers.BooleanField()
    source = serializers.ChoiceField(  # type: ignore[assignment]  # a field has a source of its own
        ["stored", "environment"], allow_null=True, help_text="Null: nowhere."
    )


@extend_schema_field(serializers.DictField(child=CredentialSerializer()))
class CredentialsField(serializers.DictField):
    """The application's credentials, by name."""


class FiguresSerializer(serializers.Serializer[Any]):
    """A figure for everything that may be set."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {
            name: serializers.IntegerField(help_text=f"{setting.meaning.capitalize()}.", allow_null=True)
            for name, setting in SETTINGS.items()
        }


class DefaultsSerializer(FiguresSerializer):
    """The figures that hold where nothing is set."""


class PlatformConfigSerializer(FiguresSerializer):
    """What holds for a platform. A quota of null has no end."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {
            "platform": serializers.CharField(),
            **super().get_fields(),
            "defaults": DefaultsSerializer(),
            "overridden": serializers.ListField(
                child=serializers.ChoiceField(list(SETTINGS)), help_text="What is set, and no default."
            ),
            "credentials": CredentialsField(),
        }

    def to_representation(self, instance: Platform) -> dict[str, Any]:
        return {
            "platform": instance.slug,
            **figures(instance),
            "defaults": default_figures(instance),
            "overridden": [name for name in SETTINGS if name in instance.config],
            "credentials": credential_sources(instance),
        }
