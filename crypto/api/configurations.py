"""Desired configuration: create, read, change, delete; and how the clients stand to it."""

from collections import Counter
from typing import Any

import django_filters
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ModelViewSet

from crypto.api.common.fields import ObjectField
from crypto.api.common.filters import Filters
from crypto.api.common.permissions import may_send, may_write
from crypto.api.common.request_body import object_body, only
from crypto.api.common.schema import Error
from crypto.commands.update_config import UpdateConfig
from crypto.models import Configuration
from crypto.services.desired.drift import DriftStatus, members

FORBIDDEN = {403: OpenApiResponse(Error, "You may not change configurations, or not send them.")}


class ConfigurationSerializer(serializers.ModelSerializer[Configuration]):
    document = ObjectField(help_text="The whole configuration.")

    class Meta:
        model = Configuration
        fields: tuple[str, ...] = (
            "id",
            "client",
            "label",
            "document",
            "version",
            "principal",
            "changed_at",
            "due_at",
        )
        read_only_fields = ("version", "principal", "changed_at", "due_at")


class MemberSerializer(serializers.Serializer[Any]):
    client = serializers.UUIDField(source="client_id")
    name = serializers.CharField()
    running = serializers.IntegerField(help_text="The version it reports.")
    standing = serializers.ChoiceField([(s.name, s.value) for s in DriftStatus], source="standing.name")
    reason = serializers.CharField(help_text="Why it was refused, or failed.")


class ConfigurationDetail(ConfigurationSerializer):
    clients = serializers.SerializerMethodField(help_text="How many clients stand how to it.")

    class Meta(ConfigurationSerializer.Meta):
        fields = (*ConfigurationSerializer.Meta.fields, "clients")

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
    def get_clients(self, configuration: Configuration) -> dict[str, int]:
        return dict(Counter(member.standing.name for member in members(configuration)))


class ConfigurationFilters(Filters):
    client = django_filters.UUIDFilter(field_name="client_id")
    label = django_filters.CharFilter()


class ConfigurationViewSet(ModelViewSet[Configuration]):
    """The documents that clients are to run: of one client, of those with a label, and the default of all others.

    A client runs one of them as a whole: its own; else that of its first label, by name; else the default.
    """

    queryset = Configuration.objects.order_by("label", "id")
    filterset_class = ConfigurationFilters

    def get_serializer_class(self) -> type[ConfigurationSerializer]:
        return ConfigurationDetail if self.action == "retrieve" else ConfigurationSerializer

    @extend_schema(responses={201: ConfigurationSerializer, **FORBIDDEN})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self._allow("add")
        return super().create(request, *args, **kwargs)

    @extend_schema(responses={200: ConfigurationSerializer, **FORBIDDEN})
    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self._allow("change")
        return super().update(request, *args, **kwargs)

    @extend_schema(responses={200: ConfigurationSerializer, **FORBIDDEN})
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().partial_update(request, *args, **kwargs)

    @extend_schema(responses={204: None, **FORBIDDEN})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self._allow("delete")
        return super().destroy(request, *args, **kwargs)

    @extend_schema(
        operation_id="configuration_clients", responses={200: MemberSerializer(many=True)}, filters=False
    )
    @action(detail=True)
    def clients(self, request: Request, pk: str) -> Response:
        """The clients whose document it is, by name, and how they stand to it."""
        page = self.paginate_queryset(members(self.get_object()))
        return self.get_paginated_response(MemberSerializer(page, many=True).data)

    def perform_create(self, serializer: Any) -> None:
        serializer.save(principal=self.request.user.get_username())

    def perform_update(self, serializer: Any) -> None:
        serializer.save(principal=self.request.user.get_username())

    def _allow(self, deed: str) -> None:
        only(object_body(self.request), ConfigurationSerializer.Meta.fields)
        may_send(self.request, UpdateConfig.name)
        may_write(self.request, deed, Configuration)
