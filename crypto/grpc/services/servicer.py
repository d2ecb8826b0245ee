"""The four RPCs of the contract."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import grpc

from crypto.commands import from_wire
from crypto.exceptions import ClientNotConnectedError, InvalidParameters, OrchestratorError, UnknownClient
from crypto.grpc.services import control
from crypto.grpc.services.answer import command_ack
from crypto.grpc.services.stream import CryptoStreams
from crypto.grpc.streaming import ControlStream
from crypto.ids import read_uuid
from crypto.models import Source, State
from crypto.services.delivery.dispatcher import dispatcher
from crypto.services.ledger.attempt import Result
from crypto.services.ledger.issue import TIMEOUTS, CommandRequest
from crypto.services.ledger.settle import ledger_id
from crypto.wire.common_pb2 import CommandAck
from crypto.wire.crypto_streaming_pb2 import (
    ClientMessage,
    CommandBatch,
    SendCommandRequest,
    SendCommandResponse,
)
from crypto.wire.crypto_streaming_pb2_grpc import CryptoStreamingServiceServicer

DEFAULT_WAIT = 15.0
"""Seconds ExecuteCommandSync waits where its caller set no deadline."""
MARGIN = 0.5
"""Seconds before the caller's deadline by which the answer leaves."""

Context = grpc.aio.ServicerContext[object, object]


class CryptoServicer(CryptoStreamingServiceServicer):
    """The unary calls are for foreign callers. Their commands are recorded in the ledger like all others."""

    def __init__(self, streams: CryptoStreams) -> None:
        self._streams = streams

    async def ConnectClient(  # type: ignore[override]  # writes to the context, yields nothing
        self, requests: AsyncIterator[ClientMessage], context: Context
    ) -> None:
        await self._streams.handle_stream(requests, context)

    async def ExecuteCommands(  # type: ignore[override]
        self, batches: AsyncIterator[CommandBatch], context: Context
    ) -> None:
        keep = partial(control.keep_acks, self._streams.inbox)
        await ControlStream(self._streams, context, control.orders, control.reply, keep).serve(batches)

    async def SendCommandToClient(self, request: SendCommandRequest, context: Context) -> SendCommandResponse:
        try:
            result = await self._execute(request, None, context)
        except OrchestratorError as error:
            return SendCommandResponse(success=False, error=str(error))
        sent = result.state not in (State.NOT_CONNECTED, State.TIMED_OUT, State.REJECTED)
        return SendCommandResponse(success=sent, error="" if sent else result.why)

    async def ExecuteCommandSync(self, request: SendCommandRequest, context: Context) -> CommandAck:
        remaining = context.time_remaining()
        wait = DEFAULT_WAIT if remaining is None else remaining - MARGIN
        command_id = request.command.command_id
        try:
            result = await self._execute(request, min(max(wait, TIMEOUTS[0]), TIMEOUTS[1]), context)
        except OrchestratorError as error:
            kind = ClientNotConnectedError if isinstance(error, UnknownClient) else type(error)
            return CommandAck(command_id=command_id, error=kind.__name__, message=str(error))
        return command_ack(command_id, result)

    async def _execute(self, request: SendCommandRequest, timeout: float | None, context: Context) -> Result:
        """Aborts with INVALID_ARGUMENT where the request itself is malformed."""
        client_id = read_uuid(request.client_id)
        if client_id is None:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "client_id is not a UUID")
        try:
            command = from_wire(request.command)
        except InvalidParameters as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        wire_id = request.command.command_id
        if command is None or not 0 < len(wire_id) <= 128:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, "the request has no command_id or no known command"
            )
        asked = CommandRequest(
            id=ledger_id(client_id, wire_id),
            wire_id=wire_id,
            client_id=client_id,
            command=command,
            source=Source.GRPC,
            principal=context.peer(),
            timeout=timeout,
            wait=timeout is not None,
        )
        return await asyncio.wrap_future(dispatcher().execute(asked))
