"""The clients, by name: what they say of themselves, and the labels that people give them."""

from typing import Any

import django_filters
from django.db.models import Q
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from crypto.api.commands.actions import add_command_actions
from crypto.api.common.filters import Filters, FlagFilter
from crypto.api.common.permissions import may_write
from crypto.api.common.request_body import body_fields
from crypto.api.common.schema import Error
from crypto.commands.parameters import Unchecked, json_schema
from crypto.models import Client, ClientStatus
from crypto.models.client import ClientQuerySet
from crypto.services.labels import MAX_VALUE, checked_labels

LABELS = {
    "labels": Unchecked(
        "All of its labels from now on.",
        {"type": "object", "additionalProperties": {"type": "string", "maxLength": MAX_VALUE}},
    )
}


class LabelsField(serializers.DictField):
    child = serializers.CharField()


class Labels(serializers.Serializer[Any]):
    labels = LabelsField()


class ClientSerializer(serializers.ModelSerializer[Client]):
    connected = serializers.BooleanField(
        source="is_connected", help_text="Whether it has a stream right now."
    )
    capabilities = serializers.ListField(
        child=serializers.CharField(),
        help_text="Additions to the first contract that the client understands.",
    )
    labels = LabelsField(help_text="Names and values for selecting clients; PATCH replaces them.")

    class Meta:
        model = Client
        fields = (
            "id",
            "name",
            "type",
            "version",
            "api_url",
            "capabilities",
            "labels",
            "status",
            "status_details",
            "status_at",
            "expected_status",
            "diverged_at",
            "paused_by",
            "config_version",
            "connected",
            "connected_at",
            "disconnected_at",
            "last_seen",
            "created_at",
        )


class ClientFilters(Filters):
    status = django_filters.MultipleChoiceFilter(choices=ClientStatus.choices, help_text="May be repeated.")
    type = django_filters.CharFilter()
    version = django_filters.CharFilter()
    connected = FlagFilter(method="by_connection", help_text="Whether it has a stream right now.")
    diverged = FlagFilter(
        field_name="diverged_at",
        lookup_expr="isnull",
        exclude=True,
        help_text="Whether it reports ACTIVE although it acked to be paused.",
    )
    standing = FlagFilter(
        field_name="paused_by",
        lookup_expr="isnull",
        exclude=True,
        help_text="Whether a standing order keeps it paused.",
    )
    search = django_filters.CharFilter(method="by_words", help_text="Part of the name, or the id.")

    def by_connection(self, clients: ClientQuerySet, name: str, value: bool) -> ClientQuerySet:
        return clients.connected() if value else clients.disconnected()

    def by_words(self, clients: ClientQuerySet, name: str, value: str) -> ClientQuerySet:
        return clients.filter(Q(name__icontains=value) | Q(pk__icontains=value))


class ClientViewSet(ReadOnlyModelViewSet[Client]):
    """The clients, by name; and one POST action for every command."""

    queryset = Client.objects.select_related("node")
    serializer_class = ClientSerializer
    filterset_class = ClientFilters

    @extend_schema(
        operation_id="client_labels",
        request={"application/json": json_schema(LABELS, "labels")},
        responses={200: Labels, 403: OpenApiResponse(Error, "You may not change clients.")},
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Replace the client's labels. All else is what the client says of itself."""
        may_write(request, "change", Client)
        values = body_fields(request, LABELS, "labels")
        client = self.get_object()
        client.labels = checked_labels(values["labels"])
        client.save(update_fields=["labels"])
        return Response({"labels": client.labels})


add_command_actions(ClientViewSet)
