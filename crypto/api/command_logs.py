from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_view
from rest_framework import serializers
from rest_framework.viewsets import ReadOnlyModelViewSet

from crypto.api.command_log_actions import CommandLogActions, cancel_schema
from crypto.api.documents import DocumentField
from crypto.api.filters import Filters, FlagFilter, MomentFilter
from crypto.commands import registry
from crypto.models import CommandLog, Source, State
from crypto.models.command_log import OPEN


class StepSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    state = serializers.ChoiceField(State.choices)
    process = serializers.CharField(help_text="Which process made the change.")
    why = serializers.CharField()


class AckSerializer(serializers.Serializer[CommandLog]):
    """What the client said."""

    message = serializers.CharField(source="ack_message")
    error = serializers.CharField(source="ack_error", help_text="Empty when it succeeded.")
    status = serializers.CharField(source="ack_status", help_text="Empty where the client did not say.")
    at = serializers.DateTimeField(source="ack_at", allow_null=True, help_text="By the client's clock.")
    received_at = serializers.DateTimeField(source="acked_at")
    late = serializers.BooleanField(help_text="It came after the record had ended without it.")

    def to_representation(self, row: CommandLog) -> Any:
        return None if row.acked_at is None else super().to_representation(row)


class AckWithDataSerializer(AckSerializer):
    # The name is the contract's.
    data = DocumentField(  # type: ignore[assignment]
        source="ack_data", help_text="Structured result: any JSON, or null."
    )


class CommandLogSerializer(serializers.ModelSerializer[CommandLog]):
    ack = AckSerializer(source="*", read_only=True, allow_null=True)

    class Meta:
        model = CommandLog
        fields: tuple[str, ...] = (
            "id",
            "client",
            "command",
            "params",
            "state",
            "reason",
            "attempt",
            "max_attempts",
            "timeout",
            "lane",
            "offline",
            "source",
            "principal",
            "operation",
            "wave",
            "created_at",
            "sent_at",
            "finished_at",
            "due_at",
            "expires_at",
            "cancel_requested_at",
            "superseded_by",
            "ack",
        )


class CommandLogDetailSerializer(CommandLogSerializer):
    ack = AckWithDataSerializer(source="*", read_only=True, allow_null=True)
    steps = StepSerializer(many=True, read_only=True, help_text="Every change of state, oldest first.")

    class Meta(CommandLogSerializer.Meta):
        fields = (*CommandLogSerializer.Meta.fields, "steps")


class CommandLogFilters(Filters):
    client = django_filters.UUIDFilter(field_name="client_id")
    command = django_filters.MultipleChoiceFilter(choices=[(name, name) for name in registry])
    state = django_filters.MultipleChoiceFilter(choices=State.choices, help_text="May be repeated.")
    open = FlagFilter(method="by_openness", help_text="Whether it has not ended yet.")
    source = django_filters.MultipleChoiceFilter(choices=Source.choices)
    principal = django_filters.CharFilter(help_text="Who asked for it.")
    operation = django_filters.UUIDFilter(
        field_name="operation_id", help_text="The bulk operation it belongs to."
    )
    created_after = MomentFilter(field_name="created_at", lookup_expr="gte")
    created_before = MomentFilter(field_name="created_at", lookup_expr="lt")
    finished_after = MomentFilter(field_name="finished_at", lookup_expr="gte")
    finished_before = MomentFilter(field_name="finished_at", lookup_expr="lt")

    def by_openness(self, rows: QuerySet[CommandLog], name: str, value: bool) -> QuerySet[CommandLog]:
        return rows.filter(state__in=OPEN) if value else rows.exclude(state__in=OPEN)


@extend_schema_view(cancel=cancel_schema(CommandLogDetailSerializer))
class CommandLogViewSet(CommandLogActions, ReadOnlyModelViewSet[CommandLog]):
    """The ledger, newest first. The detail has the structured result and the history beside."""

    queryset = CommandLog.objects.all()
    filterset_class = CommandLogFilters

    def get_queryset(self) -> QuerySet[CommandLog]:
        rows = super().get_queryset()
        return rows.defer("history", "ack_data") if self.action == "list" else rows

    def get_serializer_class(self) -> type[CommandLogSerializer]:
        return CommandLogSerializer if self.action == "list" else CommandLogDetailSerializer
