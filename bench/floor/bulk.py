"""`python -m bench.floor.bulk SERVER COUNT`: as many commands by one batched call, to the last ack."""

import sys
from time import perf_counter
from uuid import uuid4

import uvloop
from grpc import aio

from bench.figures import tell
from crypto.agent.simulator.fleet import client_ids
from crypto.grpc.streaming.channels import client_options
from crypto.wire.crypto_streaming_pb2 import (
    CommandBatch,
    CommandOrder,
    DjangoCommand,
    SyncWalletsCommand,
)
from crypto.wire.crypto_streaming_pb2_grpc import CryptoStreamingServiceStub

BATCH = 500


async def run(server: str, count: int) -> None:
    ids = client_ids(count, seed=0)
    async with aio.insecure_channel(server, options=client_options()) as channel:
        await channel.channel_ready()
        began = perf_counter()
        call = CryptoStreamingServiceStub(channel).ExecuteCommands()
        for at in range(0, count, BATCH):
            orders = [
                CommandOrder(
                    client_id=id,
                    command=DjangoCommand(command_id=str(uuid4()), sync_wallets=SyncWalletsCommand()),
                )
                for id in ids[at : at + BATCH]
            ]
            await call.write(CommandBatch(orders=orders))
        await call.done_writing()
        acked = 0
        async for reply in call:
            acked += len(reply.outcomes)
        tell(seconds=perf_counter() - began, acked=acked)
    if acked != count:
        raise SystemExit(f"{acked} of {count} acks")


if __name__ == "__main__":
    uvloop.run(run(sys.argv[1], int(sys.argv[2])))
