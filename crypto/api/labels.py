from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from crypto.api.bodies import object_body, only
from crypto.api.errors import BadRequest
from crypto.api.schema import Error
from crypto.models import Client
from crypto.services.labels import checked_labels

LABELS = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 200}}


class LabelsField(serializers.DictField):
    child = serializers.CharField()


class Labels(serializers.Serializer[Any]):
    labels = LabelsField()


class LabelsMixin:
    """PATCH of a client: its labels are what people write; the rest is what the client says of itself."""

    @extend_schema(
        operation_id="client_labels",
        request={
            "application/json": {"type": "object", "properties": {"labels": LABELS}, "required": ["labels"]}
        },
        responses={200: Labels, 403: OpenApiResponse(Error, "You may not change clients.")},
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Replace the client's labels."""
        if not request.user.has_perm("crypto.change_client"):
            raise PermissionDenied("You may not change clients.")
        values = object_body(request)
        only(values, {"labels"})
        if "labels" not in values:
            raise BadRequest({"labels": ["Is missing."]})
        client = get_object_or_404(Client, pk=pk)
        client.labels = checked_labels(values["labels"])
        client.save(update_fields=["labels"])
        return Response({"labels": client.labels})
