"""`python -m bench.floor.ping SERVER CLIENTS SECONDS CALLERS..`: a unary call that waits for the client's echo."""

import sys
from uuid import uuid4

import uvloop
from grpc import aio

from bench.figures import tell
from bench.pinging import ping
from crypto.agent.simulator.fleet import client_ids
from crypto.grpc.streaming.channels import client_options
from crypto.wire.crypto_streaming_pb2 import DjangoCommand, PingCommand, SendCommandRequest
from crypto.wire.crypto_streaming_pb2_grpc import CryptoStreamingServiceStub


async def run(server: str, clients: int, seconds: float, concurrencies: list[int]) -> None:
    ids = client_ids(clients, seed=0)
    async with aio.insecure_channel(server, options=client_options()) as channel:
        stub = CryptoStreamingServiceStub(channel)

        async def call(client_id: str) -> None:
            command = DjangoCommand(command_id=str(uuid4()), ping=PingCommand())
            ack = await stub.ExecuteCommandSync(SendCommandRequest(client_id=client_id, command=command))
            assert ack.success

        tell(pings=[await ping(call, ids, callers, seconds) for callers in concurrencies])


if __name__ == "__main__":
    uvloop.run(run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), [int(c) for c in sys.argv[4:]]))
