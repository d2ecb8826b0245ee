"""`python -m bench.floor.clients SERVER COUNT [--unwelcomed]`: bare streams that answer each command with an ack.

`--unwelcomed`: the server says nothing to a client that has come, as ours does.
"""

import asyncio
import gc
import sys
from time import perf_counter, time
from typing import Any

import uvloop
from grpc import aio

from bench.figures import tell
from crypto.agent.connection import channels
from crypto.agent.simulator.fleet import CONNECTING, client_ids
from crypto.tuning import tune_garbage_collection
from crypto.wire.common_pb2 import CommandAck
from crypto.wire.crypto_streaming_pb2 import ClientMessage, ClientRegistration
from crypto.wire.crypto_streaming_pb2_grpc import CryptoStreamingServiceStub


async def connect(channel: aio.Channel, client_id: str, gate: asyncio.Semaphore, welcomed: bool) -> Any:
    async with gate:
        stream: Any = CryptoStreamingServiceStub(channel).ConnectClient()
        await stream.write(ClientMessage(client_id=client_id, register=ClientRegistration()))
        if welcomed:
            await stream.read()
    return stream


async def answer(stream: Any, client_id: str) -> None:
    while (command := await stream.read()) is not aio.EOF:
        ack = CommandAck(command_id=command.command_id, success=True)
        await stream.write(ClientMessage(client_id=client_id, command_ack=ack))


async def run(server: str, count: int, welcomed: bool) -> None:
    tune_garbage_collection()
    ids, pool, gate = client_ids(count, seed=0), channels(server, count), asyncio.Semaphore(CONNECTING)
    began, at = perf_counter(), time()
    connecting = (connect(pool[n % len(pool)], id, gate, welcomed) for n, id in enumerate(ids))
    streams = await asyncio.gather(*connecting)
    tell(connected=count, seconds=perf_counter() - began, began=at)
    gc.freeze()
    await asyncio.gather(*(answer(stream, id) for stream, id in zip(streams, ids, strict=True)))


if __name__ == "__main__":
    uvloop.run(run(sys.argv[1], int(sys.argv[2]), "--unwelcomed" not in sys.argv))
