"""The Python calls that exist and must work: from another process, from many threads, from the server's own process."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from asgiref.sync import async_to_sync
from django.db import transaction

from crypto.commands import registry
from crypto.exceptions import ClientNotConnectedError, CommandTimeoutError, InvalidParameters
from crypto.grpc.services.commands import StreamingCommandClient, get_streaming_service
from crypto.grpc.services.handlers import grpc_handlers
from crypto.grpc.streaming import unregister_streaming_service
from crypto.models import CommandLog, State
from crypto.services.delivery.dispatcher import dispatcher
from crypto.services.delivery.transport import SERVICE
from crypto.services.ledger.issue import CommandRequest
from crypto.wire.common_pb2 import CommandAck
from tests.fakes.contract_client import ContractClient, stay_silent
from tests.integration.contract.test_unary import ready
from tests.support.live import StreamingServer
from tests.support.processes import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("here")]

PAIRS: dict[str, dict[str, Any]] = {
    "pause_client": {"reason": "Maintenance"},
    "resume_client": {"message": "done"},
    "ping_client": {"sequence": 7},
    "sync_wallets": {"symbols": ["BTC"]},
    "request_status": {"include_stats": True},
}


def states() -> list[str]:
    return list(CommandLog.objects.order_by("created_at").values_list("state", flat=True))


def test_every_pair_works_from_another_process(server: StreamingServer) -> None:
    with ContractClient(server.address) as remote:
        ready(remote)
        client = StreamingCommandClient(client_id=remote.client_id)

        async def call_all() -> list[tuple[bool, CommandAck]]:
            return [
                (
                    await getattr(client, method)(**params),
                    await getattr(client, f"{method}_sync")(**params, timeout=20),
                )
                for method, params in PAIRS.items()
            ]

        for handed_over, ack in asyncio.run(call_all()):
            assert handed_over is True
            assert ack.success is True
        wait_until(lambda: set(states()) == {State.SUCCEEDED}, 30, "all acks")
    assert len(states()) == 2 * len(PAIRS)


def test_forty_threads_share_one_client(server: StreamingServer) -> None:
    with ContractClient(server.address) as remote:
        ready(remote)
        client = StreamingCommandClient(client_id=remote.client_id)

        def call(number: int) -> CommandAck:
            return async_to_sync(client.ping_client_sync)(sequence=number, timeout=30.0)  # type: ignore[no-any-return]

        with ThreadPoolExecutor(40) as pool:
            acks = list(pool.map(call, range(200)))
    assert all(ack.success for ack in acks)
    assert len({ack.command_id for ack in acks}) == 200
    assert states() == [State.SUCCEEDED] * 200


def test_absence_and_silence_are_typed_errors_and_on_the_ledger(server: StreamingServer) -> None:
    with ContractClient(server.address, answer=stay_silent) as remote:
        ready(remote)
        silent = StreamingCommandClient(client_id=remote.client_id)
        with pytest.raises(CommandTimeoutError):
            asyncio.run(silent.ping_client_sync(timeout=0.5))
    absent = StreamingCommandClient(client_id=str(uuid4()))
    with pytest.raises(ClientNotConnectedError):
        asyncio.run(absent.ping_client_sync())
    assert asyncio.run(absent.ping_client()) is False
    assert states() == [State.TIMED_OUT]


def test_a_dead_server_is_unknown_or_not_sent_never_lost(server: StreamingServer) -> None:
    with ContractClient(server.address, answer=stay_silent) as remote:
        ready(remote)
        client = StreamingCommandClient(client_id=remote.client_id)
        with ThreadPoolExecutor(1) as pool:
            under_way = pool.submit(asyncio.run, client.ping_client_sync(timeout=60))
            remote.next_command()
            server.kill()
            with pytest.raises(CommandTimeoutError):
                under_way.result(30)
    assert states() == [State.TIMED_OUT]


def test_what_is_wrong_is_said_before_anything_is_sent() -> None:
    with pytest.raises(InvalidParameters, match="client_id"):
        StreamingCommandClient(client_id="not-a-uuid")
    client = StreamingCommandClient(client_id=str(uuid4()))
    with pytest.raises(InvalidParameters, match="symbols"):
        asyncio.run(client.sync_wallets(["!"]))
    with pytest.raises(InvalidParameters, match="timeout"):
        asyncio.run(client.ping_client_sync(timeout=0))
    with transaction.atomic(), pytest.raises(RuntimeError, match="transaction"):
        dispatcher().execute(CommandRequest(client_id=uuid4(), command=registry["ping"]()))
    assert states() == []


@pytest.fixture
def own_server(transactional_db: None) -> Iterator[str]:
    """The streaming server inside this very process, on a thread; yields its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[grpc.aio.Server, str]:
        server = grpc.aio.server()
        grpc_handlers(server)
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        service = get_streaming_service()
        assert service is not None
        await service.on_serving(address)
        await server.start()
        return server, address

    async def stop(server: grpc.aio.Server) -> None:
        service = get_streaming_service()
        assert service is not None
        await service.drain()
        await server.stop(1)
        await service.on_stopped()

    server, address = asyncio.run_coroutine_threadsafe(start(), loop).result(20)
    yield address
    asyncio.run_coroutine_threadsafe(stop(server), loop).result(30)
    unregister_streaming_service(SERVICE)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


def test_in_the_servers_process_the_stream_is_used_directly(own_server: str) -> None:
    with ContractClient(own_server) as remote:
        ready(remote)
        client = StreamingCommandClient(client_id=remote.client_id)
        assert client.local_service() is get_streaming_service()
        ack = asyncio.run(client.ping_client_sync(sequence=1))
        assert ack.success
        assert CommandLog.objects.get(pk=UUID(ack.command_id)).state == State.SUCCEEDED
