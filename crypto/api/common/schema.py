"""How the OpenAPI document is made: every operation also says how it can fail."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction, OpenApiResponse
from rest_framework import serializers


class Problem(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="For programs.")
    message = serializers.CharField(help_text="For people.")
    fields = serializers.DictField(  # type: ignore[assignment]  # the name is the contract's
        child=serializers.ListField(child=serializers.CharField()),
        help_text="What is wrong with which parameter, where parameters are at fault.",
    )


class Error(serializers.Serializer[Any]):
    """The body of every answer that is an error."""

    error = Problem()
    command_id = serializers.UUIDField(required=False, help_text="Where a command was recorded.")
    log = serializers.URLField(required=False, help_text="Its record.")


ERRORS = {
    "400": "Parameters do not fit; each is named in `fields`.",
    "401": "No valid credentials.",
    "404": "There is no such thing.",
    "406": "Only JSON is spoken.",
}


class Schema(AutoSchema):
    def _get_response_bodies(self, direction: Direction = "response") -> Any:
        # Not `get_response_serializers`, which @extend_schema overrides: no operation need repeat these.
        good = super()._get_response_bodies(direction)
        errors = {
            code: self._get_response_for_code(OpenApiResponse(Error, text), code, None, direction)  # type: ignore[no-untyped-call]
            for code, text in ERRORS.items()
            if code != "404" or "{" in self.path
        }
        return {**errors, **good}
