"""A gRPC process between agents and nodes which delivers commands twice and out of order:
`python -m tests.chaos.middleman --port N --upstream HOST:PORT --seed S --stats FILE`."""

import argparse
import asyncio
import json
import random
from collections import Counter, deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
from grpc import aio

from crypto.wire.crypto_streaming_pb2 import ClientMessage, DjangoCommand
from crypto.wire.crypto_streaming_pb2_grpc import (
    CryptoStreamingServiceServicer,
    CryptoStreamingServiceStub,
    add_CryptoStreamingServiceServicer_to_server,
)

MEMORY = 20
"""Commands of the past that may come again, also on a later stream of the client."""
HOLD = 0.1
"""Seconds after which a command that waits for a successor goes without."""


class Downstream:
    """The way to one agent. One command in ten comes twice, one in ten after its successor, and now and then one from
    the past comes again."""

    def __init__(
        self, context: Any, past: deque[DjangoCommand], lot: random.Random, counts: Counter[str]
    ) -> None:
        self._context, self._past, self._lot, self._counts = context, past, lot, counts
        self._lock = asyncio.Lock()
        self._held: DjangoCommand | None = None

    async def pass_on(self, message: DjangoCommand) -> None:
        if not message.command_id:
            await self._write(message)
        elif self._held is None and self._lot.random() < 0.1:
            self._held = message
        else:
            await self._deliver(message)
            if self._held is not None:
                self._counts["reordered"] += 1
                await self.release()

    async def release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            await self._deliver(held)

    async def _deliver(self, message: DjangoCommand) -> None:
        await self._write(message)
        if self._lot.random() < 0.1:
            self._counts["duplicated"] += 1
            await self._write(message)
        if self._past and self._lot.random() < 0.05:
            self._counts["repeated"] += 1
            await self._write(self._lot.choice(self._past))
        self._past.append(message)

    async def _write(self, message: DjangoCommand) -> None:
        async with self._lock:
            await self._context.write(message)


class Middleman(CryptoStreamingServiceServicer):
    def __init__(self, upstream: str, seed: str, stats: Path) -> None:
        self._stub = CryptoStreamingServiceStub(
            aio.insecure_channel(upstream, options=(("grpc.max_reconnect_backoff_ms", 1_000),))
        )
        self._lot, self._stats = random.Random(seed), stats
        self._past: dict[str, deque[DjangoCommand]] = {}
        self._counts: Counter[str] = Counter()

    async def ConnectClient(  # type: ignore[override]
        self, messages: AsyncIterator[ClientMessage], context: aio.ServicerContext[Any, Any]
    ) -> None:
        hello = await anext(messages, None)
        if hello is None:
            return
        past = self._past.setdefault(hello.client_id, deque(maxlen=MEMORY))
        downstream = Downstream(context, past, self._lot, self._counts)
        call = self._stub.ConnectClient()
        up = asyncio.create_task(self._up(hello, messages, call))
        try:
            await self._down(call, downstream)
        except aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "")
        finally:
            up.cancel()
            call.cancel()

    async def SendCommandToClient(self, request: object, context: object) -> Any:
        raise NotImplementedError

    async def ExecuteCommandSync(self, request: object, context: object) -> Any:
        raise NotImplementedError

    def ExecuteCommands(self, request_iterator: object, context: object) -> Any:
        raise NotImplementedError

    async def _up(self, hello: ClientMessage, messages: AsyncIterator[ClientMessage], call: Any) -> None:
        try:
            await call.write(hello)
            async for message in messages:
                await call.write(message)
            await call.done_writing()
        except (grpc.RpcError, aio.BaseError, asyncio.InvalidStateError):
            call.cancel()

    async def _down(self, call: Any, downstream: Downstream) -> None:
        reading = asyncio.ensure_future(call.read())
        try:
            while True:
                done, _ = await asyncio.wait({reading}, timeout=HOLD)
                if not done:
                    await downstream.release()
                    continue
                message = reading.result()
                if message is aio.EOF:
                    return
                reading = asyncio.ensure_future(call.read())
                await downstream.pass_on(message)
                self._stats.write_text(json.dumps(self._counts))
        finally:
            reading.cancel()


async def serve(options: argparse.Namespace) -> None:
    server = aio.server(options=(("grpc.so_reuseport", 0),))
    add_CryptoStreamingServiceServicer_to_server(
        Middleman(options.upstream, options.seed, options.stats), server
    )
    server.add_insecure_port(f"127.0.0.1:{options.port}")
    await server.start()
    print("listening", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--stats", type=Path, required=True)
    asyncio.run(serve(parser.parse_args()))
