import django_filters
from django.db.models import Q
from rest_framework import serializers
from rest_framework.viewsets import ReadOnlyModelViewSet

from crypto.api.bulk import add_bulk_actions
from crypto.api.commands import add_command_actions
from crypto.api.filters import Filters, FlagFilter
from crypto.api.labels import LabelsField, LabelsMixin
from crypto.models import Client, ClientStatus
from crypto.models.client import ClientQuerySet


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


class ClientViewSet(LabelsMixin, ReadOnlyModelViewSet[Client]):
    """The clients, by name; and one POST action for every command."""

    queryset = Client.objects.select_related("node")
    serializer_class = ClientSerializer
    filterset_class = ClientFilters


add_command_actions(ClientViewSet)
add_bulk_actions(ClientViewSet)
