"""The OpenAPI schema: every operation says that what isn't its answer is a problem document."""

from functools import cache
from threading import Lock
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from config.api.problems import CONTENT_TYPE


class ProblemErrorSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """One thing that is wrong with a request."""

    field = serializers.CharField(allow_null=True, help_text="The input it is about; null: the request as a whole.")
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """Every error (RFC 9457). Branch on `code`, which is stable; `detail` is for people."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    request_id = serializers.CharField()
    errors = ProblemErrorSerializer(many=True)  # type: ignore[assignment]  # a serializer has errors of its own


class ApiSchema(AutoSchema):
    """drf-spectacular's, with the problem document as the default answer, and a summary from the docstring."""

    def get_summary(self) -> str | None:
        return super().get_summary() or self.get_description().split(". ")[0].split("\n")[0].rstrip(".")

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        problem = OpenApiResponse(ProblemSerializer, "A problem document.")
        bodies = super()._get_response_bodies(direction)
        return bodies | {"default": self._get_response_for_code(problem, "default", [CONTENT_TYPE], direction)}


class MadeOnce(SchemaGenerator):
    """The whole schema, made once a process: it takes a second, and is the same for everybody.

    By one thread: what the library reads its extensions into as it makes the first one is shared by all of them.
    """

    def get_schema(self, request: Any = None, public: bool = False) -> Any:
        with _making:
            return _whole_schema()


_making = Lock()


@cache
def _whole_schema() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)
