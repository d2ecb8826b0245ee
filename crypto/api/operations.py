from collections.abc import Callable
from typing import Any
from uuid import UUID

import django_filters
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from crypto.api.bodies import object_body, only
from crypto.api.filters import Filters, MomentFilter
from crypto.api.operation_answers import (
    RESPONSES,
    OperationDetail,
    OperationSerializer,
    PreviewAnswer,
    accepted,
    described,
)
from crypto.api.operation_calls import OPTIONS, WAIT, begin, given_command, may_send, text, wait
from crypto.api.preferences import IDEMPOTENCY_KEY, idempotency_key
from crypto.api.schema import Error
from crypto.api.waiting import seat
from crypto.commands import registry
from crypto.models import Operation, OperationState, Source
from crypto.services.operations import actions, progress, targets
from crypto.services.operations.selectors import EVERYBODY

COMMAND: dict[str, Any] = {
    "command": {"type": "string", "enum": sorted(registry)},
    "params": {"type": "object", "description": "The command's parameters."},
}
STATES = {"type": "array", "items": {"type": "string", "enum": [state.value for state in actions.RETRYABLE]}}
CONTROLLED = {
    200: OperationDetail,
    403: OpenApiResponse(Error, "You may not send the operation's command."),
    409: OpenApiResponse(Error, "The operation is in no state for this."),
}


class OperationFilters(Filters):
    state = django_filters.MultipleChoiceFilter(choices=OperationState.choices, help_text="May be repeated.")
    command = django_filters.CharFilter()
    principal = django_filters.CharFilter()
    parent = django_filters.UUIDFilter(field_name="parent_id")
    created_after = MomentFilter(field_name="created_at", lookup_expr="gte")
    created_before = MomentFilter(field_name="created_at", lookup_expr="lt")


def _schema(properties: dict[str, Any], *required: str) -> Any:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"application/json": schema | ({"required": list(required)} if required else {})}


class OperationViewSet(ReadOnlyModelViewSet[Operation]):
    """Bulk operations: one command to many clients, newest first."""

    queryset = Operation.objects.order_by("-created_at", "-id")
    serializer_class = OperationSerializer
    filterset_class = OperationFilters
    lookup_value_converter = "str"

    @extend_schema(
        parameters=[
            OpenApiParameter("wait", dict(WAIT.schema), OpenApiParameter.QUERY, description=WAIT.help)
        ],
        responses={200: OperationDetail},
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        pk = self._pk()
        seconds = wait(WAIT.read(request.query_params.get("wait", "0")))
        with seat():
            return Response(described(progress.wait_for(pk, seconds), request))

    @extend_schema(
        operation_id="operation_start",
        parameters=[IDEMPOTENCY_KEY],
        request=_schema({**COMMAND, **OPTIONS}, "command"),
        responses=RESPONSES,
    )
    def create(self, request: Request) -> Response:
        """Start an operation."""
        values = object_body(request)
        only(values, {*COMMAND, *OPTIONS})
        return begin(request, given_command(request, values), values)

    @extend_schema(
        operation_id="operation_preview",
        request=_schema({**COMMAND, "selector": OPTIONS["selector"]}, "command"),
        responses={200: PreviewAnswer, 403: RESPONSES[403]},
    )
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """Say what a start would mean; nothing is issued."""
        values = object_body(request)
        only(values, {*COMMAND, "selector"})
        asked = given_command(request, values)
        return Response(PreviewAnswer(targets.preview(type(asked), values.get("selector", EVERYBODY))).data)

    @extend_schema(operation_id="operation_cancel", request=None, responses=CONTROLLED)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """End what was not sent; what was sent is awaited."""
        return self._control(request, actions.cancel)

    @extend_schema(operation_id="operation_pause", request=None, responses=CONTROLLED)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Send nothing more until it is resumed."""
        return self._control(request, actions.pause)

    @extend_schema(operation_id="operation_resume", request=None, responses=CONTROLLED)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Go on, also past a gate that held it up."""
        return self._control(request, actions.resume)

    @extend_schema(operation_id="operation_step", request=None, responses=CONTROLLED)
    @action(detail=True, methods=["post"])
    def step(self, request: Request, pk: str) -> Response:
        """Send the present wave and then pause again."""
        return self._control(request, actions.step)

    @extend_schema(
        operation_id="operation_retry",
        parameters=[IDEMPOTENCY_KEY],
        request=_schema({"states": STATES, "reason": OPTIONS["reason"]}),
        responses=RESPONSES,
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Send the command again, as an operation of its own, to the targets that ended in these states."""
        values = object_body(request)
        only(values, {"states", "reason"})
        states = values.get("states", actions.RETRIED)
        child = actions.retry(
            self._controlled(request),
            states if isinstance(states, list | tuple) else [],
            source=Source.REST,
            principal=request.user.get_username(),
            reason=text(values, "reason"),
            dedupe_key=idempotency_key(request),
        )
        return accepted(progress.progress(child.pk), request)

    def _control(self, request: Request, deed: Callable[[UUID, str], Operation]) -> Response:
        pk = self._controlled(request)
        object_body(request)
        deed(pk, request.user.get_username())
        return Response(described(progress.progress(pk), request))

    def _controlled(self, request: Request) -> UUID:
        """The operation's id, for somebody who may send its command. Raises NotFound, PermissionDenied."""
        operation = Operation.objects.get(pk=self._pk())
        if operation.command in registry:
            may_send(request, registry[operation.command])
        return operation.pk

    def _pk(self) -> UUID:
        try:
            pk = UUID(str(self.kwargs["pk"]))
        except ValueError:
            raise NotFound from None
        if not Operation.objects.filter(pk=pk).exists():
            raise NotFound
        return pk
