"""A streaming server written from the wire alone: keeps what clients say, sends what the test tells it to."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc import aio

from crypto.wire.common_pb2 import CommandAck
from crypto.wire.crypto_streaming_pb2 import (
    ClientMessage,
    DjangoCommand,
    JournalAck,
    MessageAck,
    ReconnectHint,
)
from crypto.wire.crypto_streaming_pb2_grpc import (
    CryptoStreamingServiceServicer,
    add_CryptoStreamingServiceServicer_to_server,
)

OPTIONS = (
    ("grpc.so_reuseport", 0),
    # Thousands of streams opened at once wait here for their handler; beyond the limit grpc resets some.
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 200_000),
)

Seen = Callable[[ClientMessage], bool]
PATIENCE = 10.0
"""Seconds that a test waits for something to arrive."""


class Stream:
    """One client's stream as the server sees it."""

    def __init__(self, context: aio.ServicerContext[ClientMessage, DjangoCommand]) -> None:
        self.context = context
        self.messages: list[ClientMessage] = []
        self.ended = asyncio.Event()
        self.failure: tuple[Any, ...] = ()
        self._news = asyncio.Condition()

    @property
    def client_id(self) -> str:
        return self.messages[0].client_id

    @property
    def metadata(self) -> list[tuple[str, str]]:
        return [(key, str(value)) for key, value in self.context.invocation_metadata() or ()]

    async def take(self, message: ClientMessage) -> None:
        async with self._news:
            self.messages.append(message)
            self._news.notify_all()

    async def wait(self, seen: Seen, count: int = 1) -> list[ClientMessage]:
        """The first `count` messages that satisfy `seen`."""

        def found() -> list[ClientMessage]:
            return [message for message in self.messages if seen(message)][:count]

        async with self._news:
            await asyncio.wait_for(self._news.wait_for(lambda: len(found()) == count), PATIENCE)
        return found()

    async def payloads(self, kind: str, count: int = 1) -> list[ClientMessage]:
        return await self.wait(lambda message: message.WhichOneof("payload") == kind, count)

    async def ack(self, command_id: str, nth: int = 1) -> CommandAck:
        acks = await self.wait(lambda message: message.command_ack.command_id == command_id, nth)
        return acks[-1].command_ack

    async def send(self, command: DjangoCommand) -> str:
        """Sends the command, under a new id if it has none; returns the id."""
        sent = DjangoCommand(command_id=str(uuid.uuid4()))
        sent.MergeFrom(command)
        await self.context.write(sent)
        return sent.command_id

    async def execute(self, command: DjangoCommand) -> CommandAck:
        return await self.ack(await self.send(command))

    async def settle(self, *command_ids: str) -> None:
        await self.context.write(DjangoCommand(journal_ack=JournalAck(command_ids=command_ids)))

    async def acknowledge(self, *message_ids: str) -> None:
        await self.context.write(DjangoCommand(message_ack=MessageAck(message_ids=message_ids)))

    async def hint(self, after_ms: int) -> None:
        await self.context.write(DjangoCommand(reconnect=ReconnectHint(after_ms=after_ms)))

    def end(self, *failure: Any) -> None:
        """Ends the stream well, or with a status code and a text."""
        self.failure = failure
        self.ended.set()


class ContractServer(CryptoStreamingServiceServicer):
    """Serves the client plane; the control plane is not its part."""

    def __init__(self) -> None:
        self.port = 0
        self.streams: list[Stream] = []
        self.refusal: tuple[grpc.StatusCode, str] | None = None
        self.refused = 0
        self._arrivals = asyncio.Condition()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def ConnectClient(  # type: ignore[override]
        self, _: object, context: aio.ServicerContext[ClientMessage, DjangoCommand]
    ) -> None:
        if self.refusal:
            self.refused += 1
            await context.abort(*self.refusal)
        stream = Stream(context)
        first: object = await context.read()
        if not isinstance(first, ClientMessage):
            return
        await stream.take(first)
        async with self._arrivals:
            self.streams.append(stream)
            self._arrivals.notify_all()
        reader = asyncio.create_task(self._read(stream))
        ended = asyncio.create_task(stream.ended.wait())
        await asyncio.wait({reader, ended}, return_when=asyncio.FIRST_COMPLETED)
        reader.cancel()
        ended.cancel()
        stream.ended.set()
        if stream.failure:
            await context.abort(*stream.failure)

    async def SendCommandToClient(self, request: object, context: object) -> Any:
        raise NotImplementedError

    async def ExecuteCommandSync(self, request: object, context: object) -> Any:
        raise NotImplementedError

    def ExecuteCommands(self, request_iterator: object, context: object) -> Any:
        raise NotImplementedError

    async def stream(self, number: int = 1) -> Stream:
        """The `number`th stream that registered, counted from 1."""
        async with self._arrivals:
            await asyncio.wait_for(self._arrivals.wait_for(lambda: len(self.streams) >= number), PATIENCE)
        return self.streams[number - 1]

    async def _read(self, stream: Stream) -> None:
        while isinstance(message := await stream.context.read(), ClientMessage):
            await stream.take(message)


@asynccontextmanager
async def contract_server(port: int = 0) -> AsyncIterator[ContractServer]:
    servicer = ContractServer()
    server = aio.server(options=OPTIONS)
    add_CryptoStreamingServiceServicer_to_server(servicer, server)
    servicer.port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield servicer
    finally:
        for stream in servicer.streams:
            stream.end()
        await server.stop(0)


def data(ack: CommandAck) -> dict[str, object]:
    document = json.loads(ack.data)
    assert isinstance(document, dict)
    return document
