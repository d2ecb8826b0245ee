"""What can be asked of, and done to, one command of the ledger."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from crypto.api.bodies import object_body, only
from crypto.api.errors import Conflict
from crypto.api.schema import ERRORS, Error
from crypto.models import CommandLog
from crypto.services.fleet.explain import explain
from crypto.services.ledger.cancel import cancel
from crypto.services.permissions import permission_of


class ExplanationSerializer(serializers.Serializer[Any]):
    cause = serializers.CharField(help_text="For programs: one word a cause.")
    sentence = serializers.CharField(help_text="Why it is not done, and what would unblock it.")


def _errors(own: Mapping[str, str]) -> dict[str, OpenApiResponse]:
    return {code: OpenApiResponse(Error, sentence) for code, sentence in {**ERRORS, **own}.items()}


def cancel_schema(row: type[serializers.BaseSerializer[Any]]) -> Any:
    """Describes `CommandLogActions.cancel`, which answers with the row."""
    answers = {
        "200": OpenApiResponse(row, "It waited and is CANCELED."),
        "202": OpenApiResponse(row, "It is under way: an ack in time still counts, else it ends CANCELED."),
    }
    errors = _errors(
        {
            "403": "You may not send this command.",
            "409": "It has ended already.",
            "413": "The body is too large.",
            "415": "The body is not JSON.",
        }
    )
    return extend_schema(summary="Cancel", request=None, responses=answers | errors)


class CommandLogActions(GenericViewSet[CommandLog]):
    @extend_schema(summary="Why it is not done", responses={"200": ExplanationSerializer, **_errors({})})
    @action(detail=True, pagination_class=None, filterset_class=None)
    def explain(self, request: Request, pk: str) -> Response:
        """One sentence that says why the command is not done and what would unblock it."""
        only(request.query_params, set())
        return Response(ExplanationSerializer(explain(self.get_object())).data)

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """End what waits at once; what was sent is canceled only if its ack does not come in time."""
        only(object_body(request), set())
        row = self.get_object()
        if not request.user.has_perm(permission_of(row.command)):
            raise PermissionDenied(f"You may not send {row.command}.")
        canceled = cancel([row.pk], request.user.get_username())
        if canceled.over:
            raise Conflict(f"It has ended already: {row.get_state_display()}.")
        answer = self.get_serializer(self.get_object())
        return Response(answer.data, status=202 if canceled.requested else 200)
