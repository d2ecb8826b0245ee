"""`python -m bench.floor.server PORT`: streams of clients, and calls that wait for their echo."""

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import uvloop

from bench.figures import tell
from crypto.grpc.streaming import server_options
from crypto.tuning import tune_garbage_collection
from crypto.wire.common_pb2 import CommandAck
from crypto.wire.crypto_streaming_pb2 import (
    AckBatch,
    ClientMessage,
    CommandBatch,
    CommandOutcome,
    DjangoCommand,
    SendCommandRequest,
)
from crypto.wire.crypto_streaming_pb2_grpc import (
    CryptoStreamingServiceServicer,
    add_CryptoStreamingServiceServicer_to_server,
)

Context = Any


class Floor(CryptoStreamingServiceServicer):
    def __init__(self) -> None:
        self._streams: dict[str, Context] = {}
        self._waiting: dict[str, Callable[[CommandAck], None]] = {}

    async def ConnectClient(  # type: ignore[override]  # writes to the context, yields nothing
        self, messages: AsyncIterator[ClientMessage], context: Context
    ) -> None:
        hello = await anext(aiter(messages))
        self._streams[hello.client_id] = context
        await context.write(DjangoCommand())
        async for message in messages:
            told = self._waiting.pop(message.command_ack.command_id, None)
            if told is not None:
                told(message.command_ack)

    async def ExecuteCommandSync(self, request: SendCommandRequest, context: Context) -> CommandAck:
        echo: asyncio.Future[CommandAck] = asyncio.get_running_loop().create_future()
        self._waiting[request.command.command_id] = echo.set_result
        await self._streams[request.client_id].write(request.command)
        return await echo

    async def ExecuteCommands(  # type: ignore[override]
        self, batches: AsyncIterator[CommandBatch], context: Context
    ) -> None:
        """Each reply carries every ack that came while the last one was being written."""
        loop, acks, came = asyncio.get_running_loop(), deque[CommandAck](), asyncio.Event()
        wanted, writes = 0, set()

        def told(ack: CommandAck) -> None:
            acks.append(ack)
            came.set()

        async for batch in batches:
            for order in batch.orders:
                self._waiting[order.command.command_id] = told
                writes.add(loop.create_task(self._streams[order.client_id].write(order.command)))
            wanted += len(batch.orders)
        while wanted:
            await came.wait()
            came.clear()
            while acks:
                reply = [CommandOutcome(ack=acks.popleft()) for _ in range(min(len(acks), 1_000))]
                wanted -= len(reply)
                await context.write(AckBatch(outcomes=reply))


async def serve(port: int) -> None:
    server = grpc.aio.server(options=server_options())
    add_CryptoStreamingServiceServicer_to_server(Floor(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    tune_garbage_collection()
    tell(serving=port)
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
