"""The bots' servicer, found by whoever looks for `grpc_handlers`."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from crypto.grpc.streaming import CommandError, ControlStream, Outcome, register_streaming_service
from tests.bots.grpc.services.streams import SERVICE_NAME, BotStreams
from tests.bots.grpc.services.wire import pack_outcomes, unpack_orders
from tests.bots.wire.bots_pb2 import Batch, BotMessage, CommandAck, SendCommandRequest, SendCommandResponse
from tests.bots.wire.bots_pb2_grpc import BotStreamingServicer, add_BotStreamingServicer_to_server

Context = Any


class Servicer(BotStreamingServicer):
    def __init__(self, streams: BotStreams) -> None:
        self.streams = streams
        self.undelivered: list[Outcome] = []

    async def Connect(self, request_iterator: AsyncIterator[BotMessage], context: Context) -> None:  # type: ignore[override]
        await self.streams.handle_stream(request_iterator, context)

    async def SendCommand(self, request: SendCommandRequest, context: Context) -> SendCommandResponse:
        sent = await self.streams.send_to_client(request.bot_id, request.command)
        return SendCommandResponse(success=sent, error="" if sent else "ClientNotConnectedError")

    async def ExecuteCommand(self, request: SendCommandRequest, context: Context) -> CommandAck:
        seconds = max(0.05, (context.time_remaining() or 16.0) - 1.0)
        try:
            return await self.streams.send_command_and_wait(request.bot_id, request.command, seconds)
        except CommandError as error:
            return CommandAck(
                command_id=request.command.command_id, error=type(error).__name__, message=str(error)
            )

    async def Control(self, request_iterator: AsyncIterator[Batch], context: Context) -> None:  # type: ignore[override]
        stream = ControlStream(self.streams, context, unpack_orders, pack_outcomes, self.keep)
        await stream.serve(request_iterator)

    async def keep(self, outcomes: list[Outcome]) -> None:
        self.undelivered += outcomes


def grpc_handlers(server: grpc.aio.Server | None) -> list[tuple[type, Callable[..., None]]]:
    if server is not None:
        streams = BotStreams()
        register_streaming_service(SERVICE_NAME, streams)
        add_BotStreamingServicer_to_server(Servicer(streams), server)
    return [(Servicer, add_BotStreamingServicer_to_server)]
