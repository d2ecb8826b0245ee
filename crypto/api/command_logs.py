"""The ledger: every command, why it is not done, and its cancellation."""

from collections.abc import Mapping
from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from crypto.api.common.errors import Conflict
from crypto.api.common.fields import DocumentField
from crypto.api.common.filters import Filters, FlagFilter, MomentFilter
from crypto.api.common.permissions import may_send
from crypto.api.common.request_body import no_fields, object_body
from crypto.api.common.schema import ERRORS, Error
from crypto.commands import registry
from crypto.models import CommandLog, Source, State
from crypto.models.command_log import OPEN
from crypto.services.fleet.explain import explain
from crypto.services.ledger.cancel import cancel


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


class ExplanationSerializer(serializers.Serializer[Any]):
    cause = serializers.CharField(help_text="For programs: one word a cause.")
    sentence = serializers.CharField(help_text="Why it is not done, and what would unblock it.")


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


def _errors(own: Mapping[str, str]) -> dict[str, OpenApiResponse]:
    return {code: OpenApiResponse(Error, sentence) for code, sentence in {**ERRORS, **own}.items()}


class CommandLogViewSet(ReadOnlyModelViewSet[CommandLog]):
    """The ledger, newest first. The detail has the structured result and the history beside."""

    queryset = CommandLog.objects.all()
    filterset_class = CommandLogFilters

    def get_queryset(self) -> QuerySet[CommandLog]:
        rows = super().get_queryset()
        return rows.defer("history", "ack_data") if self.action == "list" else rows

    def get_serializer_class(self) -> type[CommandLogSerializer]:
        return CommandLogSerializer if self.action == "list" else CommandLogDetailSerializer

    @extend_schema(summary="Why it is not done", responses={"200": ExplanationSerializer, **_errors({})})
    @action(detail=True, pagination_class=None, filterset_class=None)
    def explain(self, request: Request, pk: str) -> Response:
        """One sentence that says why the command is not done and what would unblock it."""
        no_fields(request.query_params)
        return Response(ExplanationSerializer(explain(self.get_object())).data)

    @extend_schema(
        summary="Cancel",
        request=None,
        responses={
            "200": OpenApiResponse(CommandLogDetailSerializer, "It waited and is CANCELED."),
            "202": OpenApiResponse(
                CommandLogDetailSerializer,
                "It is under way: an ack in time still counts, else it ends CANCELED.",
            ),
            **_errors(
                {
                    "403": "You may not send this command.",
                    "409": "It has ended already.",
                    "413": "The body is too large.",
                    "415": "The body is not JSON.",
                }
            ),
        },
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """End what waits at once; what was sent is canceled only if its ack does not come in time."""
        no_fields(object_body(request))
        row = self.get_object()
        may_send(request, row.command)
        canceled = cancel([row.pk], request.user.get_username())
        if canceled.over:
            raise Conflict(f"It has ended already: {row.get_state_display()}.")
        answer = self.get_serializer(self.get_object())
        return Response(answer.data, status=202 if canceled.requested else 200)
