"""A bots server on a free port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

from crypto.grpc.streaming import StreamingConfig, server_options
from tests.bots.grpc.services.handlers import Servicer
from tests.bots.grpc.services.streams import BotStreams
from tests.bots.wire.bots_pb2_grpc import add_BotStreamingServicer_to_server


@dataclass
class BotServer:
    address: str
    port: int
    streams: BotStreams
    servicer: Servicer
    server: grpc.aio.Server


@asynccontextmanager
async def bot_server(config: StreamingConfig | None = None, port: int = 0) -> AsyncIterator[BotServer]:
    streams = BotStreams(config)
    servicer = Servicer(streams)
    server = grpc.aio.server(options=server_options(config))
    add_BotStreamingServicer_to_server(servicer, server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield BotServer(f"127.0.0.1:{port}", port, streams, servicer, server)
    finally:
        # Time for calls to end that their clients have just left; it returns as soon as none is open.
        await server.stop(1.0)
