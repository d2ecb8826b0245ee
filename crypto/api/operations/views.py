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

from crypto.api.common.filters import Filters, MomentFilter
from crypto.api.common.headers import IDEMPOTENCY_KEY, idempotency_key
from crypto.api.common.permissions import may_send
from crypto.api.common.request_body import body_fields, object_body
from crypto.api.common.schema import Error
from crypto.api.common.wait_slots import wait_slot
from crypto.api.operations.requests import (
    COMMAND,
    OPTIONS,
    REASON,
    SELECTOR,
    WAIT,
    begin,
    given_command,
    wait_seconds,
)
from crypto.api.operations.responses import (
    RESPONSES,
    OperationDetail,
    OperationSerializer,
    PreviewAnswer,
    accepted,
    described,
)
from crypto.commands.parameters import Choices, Parameter, json_schema
from crypto.models import Operation, OperationState, Source
from crypto.services.operations import actions, progress, targets
from crypto.services.operations.selectors import EVERYBODY

START = {**COMMAND, **OPTIONS}
PREVIEW = {**COMMAND, "selector": SELECTOR}
RETRY: dict[str, Parameter] = {
    "states": Choices(
        "Which of the targets, by the state that their command ended in.",
        {
            "type": "array",
            "items": {"type": "string", "enum": [s.value for s in actions.RETRYABLE]},
            "minItems": 1,
        },
    ),
    "reason": REASON,
}
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
        seconds = wait_seconds(request)
        with wait_slot():
            return Response(described(progress.wait_for(pk, seconds), request))

    @extend_schema(
        operation_id="operation_start",
        parameters=[IDEMPOTENCY_KEY],
        request={"application/json": json_schema(START, "command")},
        responses=RESPONSES,
    )
    def create(self, request: Request) -> Response:
        """Start an operation."""
        values = body_fields(request, START, "command")
        return begin(given_command(values, request), values, request)

    @extend_schema(
        operation_id="operation_preview",
        request={"application/json": json_schema(PREVIEW, "command")},
        responses={200: PreviewAnswer, 403: RESPONSES[403]},
    )
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """Say what a start would mean; nothing is issued."""
        values = body_fields(request, PREVIEW, "command")
        cls = type(given_command(values, request))
        return Response(PreviewAnswer(targets.preview(cls, values.get("selector", EVERYBODY))).data)

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
        request={"application/json": json_schema(RETRY)},
        responses=RESPONSES,
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Send the command again, as an operation of its own, to the targets that ended in these states."""
        values = body_fields(request, RETRY)
        child = actions.retry(
            self._controlled(request),
            values.get("states", actions.RETRIED),
            source=Source.REST,
            principal=request.user.get_username(),
            reason=values.get("reason", ""),
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
        may_send(request, operation.command)
        return operation.pk

    def _pk(self) -> UUID:
        try:
            pk = UUID(str(self.kwargs["pk"]))
        except ValueError:
            raise NotFound from None
        if not Operation.objects.filter(pk=pk).exists():
            raise NotFound
        return pk
