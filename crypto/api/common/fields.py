"""Serializer fields for what is JSON in itself."""

import json
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


def document(text: str) -> Any:
    """The document; the text itself where it is none; None where it is empty."""
    if not text:
        return None
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


@extend_schema_field({})  # any JSON
class DocumentField(serializers.Field[Any, Any, Any, Any]):
    """A structured result: any JSON, or null."""

    def to_representation(self, value: str) -> Any:
        return document(value)


@extend_schema_field({"type": "object", "additionalProperties": True})
class ObjectField(serializers.JSONField):
    """A JSON object: a command's parameters, a selector, a policy."""


class CountsField(serializers.DictField):
    """Numbers by name."""

    child = serializers.IntegerField()
