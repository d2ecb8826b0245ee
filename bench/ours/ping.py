"""`python -m bench.ours.ping wire|ledger SECONDS CALLERS..`: pings from a process that holds no streams."""

import sys
from uuid import uuid4

import uvloop

from bench.figures import tell
from bench.pinging import Call, ping
from crypto.commands.ping import Ping
from crypto.grpc.services.commands import StreamingCommandClient
from crypto.grpc.streaming import Order
from crypto.models import Client
from crypto.services.delivery.transport import courier

TIMEOUT = 10.0


def wire(address: str) -> Call:
    """The courier alone."""

    async def call(client_id: str) -> None:
        command = Ping().to_wire(uuid4())
        outcome = await courier().call(address, Order(client_id, command.command_id, command, TIMEOUT))
        assert outcome.ack_or_raise().success

    return call


async def ledger(client_id: str) -> None:
    ack = await StreamingCommandClient(client_id).ping_client_sync()
    assert ack.success


async def run(call: Call, ids: list[str], seconds: float, concurrencies: list[int]) -> None:
    tell(pings=[await ping(call, ids, callers, seconds) for callers in concurrencies])


if __name__ == "__main__":
    connected = list(Client.objects.connected().values_list("pk", "node__address"))
    call = wire(connected[0][1]) if sys.argv[1] == "wire" else ledger
    ids = [str(pk) for pk, _ in connected]
    uvloop.run(run(call, ids, float(sys.argv[2]), [int(c) for c in sys.argv[3:]]))
