"""What a command's call is answered with."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from crypto.api.common import errors
from crypto.api.common.fields import DocumentField, document
from crypto.api.common.headers import RESPOND_ASYNC
from crypto.api.common.schema import Error
from crypto.models import Client, ClientStatus, CommandLog, State
from crypto.models.command_log import ANSWERED, OPEN
from crypto.services.ledger.attempt import Result
from crypto.services.ledger.settle import Ack

PROBLEMS = {
    State.NOT_CONNECTED: (503, "The client is not connected; it has not seen the command."),
    State.TIMED_OUT: (504, "No ack came in time. The outcome is unknown: the command may still take effect."),
    State.EXPIRED: (409, "The command expired before it was delivered."),
    State.CANCELED: (409, "The command was canceled."),
    State.SUPERSEDED: (409, "The command is void: a newer one overrides it."),
}
"""How a command that ended without the client's word is answered."""


class CommandResult(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    message = serializers.CharField(help_text="What the client says.")
    status = serializers.ChoiceField(ClientStatus.choices, help_text="The client's status afterwards.")
    error = serializers.CharField(help_text="Empty when it succeeded.")
    # The name is the contract's.
    data = DocumentField(help_text="Structured result: any JSON, or null.")  # type: ignore[assignment]


class CommandAnswer(serializers.Serializer[Any]):
    """The client's word."""

    command_id = serializers.UUIDField()
    command_result = CommandResult()
    log = serializers.URLField(help_text="The command's record.")


class QueuedAnswer(serializers.Serializer[Any]):
    command_id = serializers.UUIDField()
    state = serializers.ChoiceField(State.choices)
    log = serializers.URLField(help_text="The command's record, also in Location.")


RESPONSES = {
    "200": OpenApiResponse(CommandAnswer, "The client has answered, with or without success."),
    "202": OpenApiResponse(QueuedAnswer, "Under way; its record says how it ends."),
    "403": OpenApiResponse(Error, "You may not send this command."),
    "409": OpenApiResponse(Error, "The Idempotency-Key was used for something else or never delivered."),
    "413": OpenApiResponse(Error, "The body is too large."),
    "415": OpenApiResponse(Error, "The body is not JSON."),
    "429": OpenApiResponse(Error, "Too many requests wait already; nothing was issued."),
    "500": OpenApiResponse(Error, "Anything unforeseen."),
    "503": OpenApiResponse(Error, "The client is not connected; it has not seen the command."),
    "504": OpenApiResponse(
        Error, "No ack in time. The outcome is unknown: the command may still take effect."
    ),
}


def queued(row: CommandLog, request: Request) -> Response:
    return _accepted(row.id, row.state, request, {"Preference-Applied": RESPOND_ASYNC})


def finished(result: Result, request: Request) -> Response:
    """The answer to a call that waited. A repeated Idempotency-Key finds the row of then in any state."""
    if result.state in OPEN:
        return _accepted(result.id, result.state, request)
    if result.state in ANSWERED:
        content = _content(result.ack) if result.ack else _recorded(CommandLog.objects.get(pk=result.id))
        return Response({"command_id": result.id, "command_result": content, "log": _log(result.id, request)})
    status, sentence = PROBLEMS[result.state]
    message = f"{sentence} ({result.why})" if result.why else sentence
    code, log = result.state.value.lower(), _log(result.id, request)
    return Response(errors.body(code, message, command_id=result.id, log=log), status=status)


def _accepted(id: UUID, state: str, request: Request, headers: dict[str, str] | None = None) -> Response:
    log = _log(id, request)
    answer = {"command_id": id, "state": state, "log": log}
    return Response(answer, status=202, headers={"Location": log, **(headers or {})})


def _content(ack: Ack) -> dict[str, Any]:
    return {
        "success": ack.success,
        "message": ack.message,
        "status": ack.status or _status(ack.client_id),
        "error": ack.error,
        "data": document(ack.data),
    }


def _recorded(row: CommandLog) -> dict[str, Any]:
    """The same from the ledger. What was refused before it reached the client has no ack."""
    refused = row.state == State.REJECTED and row.acked_at is None
    return {
        "success": row.state == State.SUCCEEDED,
        "message": row.reason if refused else row.ack_message,
        "status": row.ack_status or _status(row.client_id),
        "error": "Rejected" if refused else row.ack_error,
        "data": document(row.ack_data),
    }


def _status(client_id: UUID) -> str:
    """What the client last said of itself, where its ack says nothing."""
    return Client.objects.values_list("status", flat=True).get(pk=client_id)


def _log(id: UUID, request: Request) -> str:
    return reverse("api:command-log-detail", kwargs={"pk": id}, request=request)
