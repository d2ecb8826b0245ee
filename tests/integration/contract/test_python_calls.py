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
from crypto.services.delivery.transport import SERVICE, courier
from crypto.services.ledger.issue import CommandRequest
from crypto.wire.common_pb2 import CommandAck
from tests.fakes.contract_client import ContractClient, stay_silent
from tests.integration.contract.test_unary import ready
from tests.support import ledger
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


def test_the_timeout_may_be_the_last_argument(server: StreamingServer) -> None:
    with ContractClient(server.address, answer=stay_silent) as remote:
        ready(remote)
        client = StreamingCommandClient(client_id=remote.client_id)
        for method, params in PAIRS.items():
            with pytest.raises(CommandTimeoutError):
                asyncio.run(getattr(client, f"{method}_sync")(*params.values(), 0.3))
    rows = CommandLog.objects.order_by("created_at")
    assert [(row.timeout, row.params) for row in rows] == [(0.3, params) for params in PAIRS.values()]


@pytest.mark.parametrize("method", PAIRS)
def test_arguments_that_a_method_does_not_have_are_type_errors(method: str) -> None:
    client = StreamingCommandClient(client_id=str(uuid4()))
    params = PAIRS[method]
    calls: list[tuple[str, list[Any], dict[str, Any]]] = [
        (method, [*params.values(), 10.0], {}),
        (method, [], params | {"timeout": 10.0}),
        (method, [], params | {"reasn": "typo"}),
        (method, list(params.values()), params),
        (f"{method}_sync", [*params.values(), 10.0, 3], {}),
        (f"{method}_sync", [*params.values(), 10.0], {"timeout": 10.0}),
        (f"{method}_sync", [], params | {"tiemout": 10.0}),
    ]
    for name, args, kwargs in calls:
        with pytest.raises(TypeError, match=rf"^{name}\(\) "):
            async_to_sync(getattr(client, name))(*args, **kwargs)
    assert states() == []


def test_none_stands_for_the_default() -> None:
    client = StreamingCommandClient(client_id=ledger.client(ledger.node()).pk)
    with transaction.atomic():
        assert async_to_sync(client.sync_wallets)(symbols=None) is True
        assert async_to_sync(client.pause_client)(None) is True
    assert [row.params for row in CommandLog.objects.order_by("created_at")] == [
        {"symbols": []},
        {"reason": ""},
    ]


def test_what_callers_may_say_of_the_server_and_keep_with_the_client(server: StreamingServer) -> None:
    model = object()
    options: list[dict[str, Any]] = [
        {"grpc_port": 50051},
        {"grpc_host": "localhost", "grpc_port": server.port},
        {"streaming_service": get_streaming_service()},
        {"model": model},
    ]
    with ContractClient(server.address) as remote:
        ready(remote)
        for given in options:
            client = StreamingCommandClient(**{**given, "client_id": remote.client_id})
            assert asyncio.run(client.ping_client_sync(1, 20.0)).success
            assert client.model is given.get("model")
    with pytest.raises(TypeError, match="grpc_prot"):
        StreamingCommandClient(client_id=remote.client_id, grpc_prot=50051)  # type: ignore[call-arg]


def test_nothing_bypasses_the_ledger() -> None:
    """The client of the streaming core sends what it is given; this one records it."""
    public = {name for name in dir(StreamingCommandClient) if not name.startswith("_")}
    methods = {name for cls in registry.values() for name in (cls.method, f"{cls.method}_sync")}
    assert public == methods | {"hand_over", "execute"}


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
        ack = asyncio.run(client.ping_client_sync(sequence=1))
        assert ack.success
        assert courier.cache_info().currsize == 0, "a call was made to a server"
        assert CommandLog.objects.get(pk=UUID(ack.command_id)).state == State.SUCCEEDED
