"""Commands from inside a transaction: recorded with it, and nobody waits for a lock that he holds himself.

On SQLite the transaction holds the only write lock there is: who waited for it would wait for minutes.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from contextvars import Context
from functools import partial
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import dramatiq
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models.signals import post_save

from crypto.grpc.services.commands import StreamingCommandClient
from crypto.models import CommandLog, State
from crypto.services.delivery.dispatcher import dispatcher
from tests.fakes.contract_client import ContractClient
from tests.integration.contract.test_unary import ready
from tests.support import ledger
from tests.support.live import StreamingServer
from tests.support.processes import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("here")]

Call = Callable[[], Coroutine[Any, Any, Any]]
Way = Callable[[Call], Any]


def directly(call: Call) -> Any:
    if isinstance(call, partial):
        return async_to_sync(call.func)(*call.args)
    return async_to_sync(call)()


def nested(call: Call) -> Any:
    async def coroutine() -> Any:
        return await call()

    return async_to_sync(coroutine)()


def gathered(call: Call) -> Any:
    async def coroutine() -> Any:
        return (await asyncio.gather(call()))[0]

    return async_to_sync(coroutine)()


def without_context(call: Call) -> Any:
    async def coroutine() -> Any:
        return await asyncio.create_task(call(), context=Context())

    return async_to_sync(coroutine)()


def by_run(call: Call) -> Any:
    return asyncio.run(call())


def by_loop(call: Call) -> Any:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(call())
    finally:
        loop.close()


WAYS: dict[str, Way] = {
    "async_to_sync": directly,
    "inside a coroutine": nested,
    "inside a task": gathered,
    "inside a task that knows nothing": without_context,
    "asyncio.run": by_run,
    "a loop of its own": by_loop,
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    """How a caller that is no coroutine calls one."""
    return WAYS[request.param]


@pytest.fixture
def broker() -> Iterator[dramatiq.Broker]:
    broker = dramatiq.get_broker()
    broker.flush_all()
    yield broker
    broker.flush_all()


@pytest.fixture
def client(transactional_db: None) -> StreamingCommandClient:
    """Of a connected client, on a node that nobody listens for."""
    return StreamingCommandClient(client_id=ledger.client(ledger.node()).pk, principal="receiver")


def rung(broker: Any) -> list[UUID]:
    """The rows that a worker was told of."""
    messages = [dramatiq.Message.decode(each) for queue in broker.queues.values() for each in queue.queue]
    return [UUID(id) for message in messages for id in message.args[0]]


def test_it_is_recorded_with_the_transaction_and_leaves_on_commit(
    client: StreamingCommandClient, broker: dramatiq.Broker, way: Way
) -> None:
    with transaction.atomic():
        assert way(partial(client.update_config, {"interval": 7}, 3)) is True
        row = CommandLog.objects.get()
        assert (row.state, row.command, row.principal) == (State.QUEUED, "update_config", "receiver")
        assert row.params == {"document": '{"interval":7}', "version": 3}
        assert rung(broker) == []
    assert rung(broker) == [row.pk]


def test_what_is_rolled_back_never_was(
    client: StreamingCommandClient, broker: dramatiq.Broker, way: Way
) -> None:
    with transaction.atomic():
        assert way(client.ping_client) is True
        transaction.set_rollback(True)
    assert not CommandLog.objects.exists()
    assert rung(broker) == []


def test_a_sync_twin_raises_at_once_and_says_what_to_call(client: StreamingCommandClient, way: Way) -> None:
    with transaction.atomic():
        with pytest.raises(RuntimeError, match=r"call pause_client\(\).*commits"):
            way(partial(client.pause_client_sync, "Audit", 5.0))
        assert not CommandLog.objects.exists()
        assert way(client.pause_client) is True


def test_the_caller_of_an_absent_client_is_told(transactional_db: None, way: Way) -> None:
    nobody = StreamingCommandClient(client_id=uuid4())
    with transaction.atomic():
        assert way(nobody.ping_client) is False


def test_a_receiver_inside_a_transaction(client: StreamingCommandClient, broker: dramatiq.Broker) -> None:
    answers = []

    def on_save(sender: type[User], instance: User, **kwargs: Any) -> None:
        answers.append(async_to_sync(client.update_config)({"owner": instance.username}))

    post_save.connect(on_save, sender=User)
    try:
        with transaction.atomic():
            User.objects.create_user("ada")
    finally:
        post_save.disconnect(on_save, sender=User)
    assert answers == [True]
    assert rung(broker) == [CommandLog.objects.get(command="update_config").pk]


def test_a_view_on_a_thread_of_the_server(client: StreamingCommandClient) -> None:
    """As under ASGI: the transaction is on a thread that waits for the loop which runs the coroutine."""

    def view() -> bool:
        with closing(connection), transaction.atomic():
            with pytest.raises(RuntimeError, match="transaction"):
                async_to_sync(client.ping_client_sync)()
            done: bool = async_to_sync(client.ping_client)()
            return done and CommandLog.objects.count() == 1

    async def serve() -> bool:
        return await sync_to_async(view)()

    assert asyncio.run(serve())
    assert CommandLog.objects.get().state == State.QUEUED


def test_transactions_managed_by_hand(client: StreamingCommandClient, broker: dramatiq.Broker) -> None:
    transaction.set_autocommit(False)
    try:
        User.objects.create_user("ada")  # SQLite begins with the first thing that is written
        assert async_to_sync(client.ping_client)() is True
        with pytest.raises(RuntimeError, match="transaction"):
            async_to_sync(client.ping_client_sync)()
        transaction.rollback()
        assert not CommandLog.objects.exists()
        User.objects.create_user("ada")
        assert async_to_sync(client.ping_client)() is True
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    assert rung(broker) == [CommandLog.objects.get().pk]


def test_a_task_that_has_outlived_its_caller(client: StreamingCommandClient) -> None:
    """There is nobody any more whose transaction it could be."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    go_on = asyncio.Event()
    tasks = []

    async def later() -> bool:
        await go_on.wait()
        return await client.ping_client()  # type: ignore[no-any-return]

    async def begin() -> None:
        tasks.append(asyncio.create_task(later()))

    async def serve() -> bool:
        await sync_to_async(async_to_sync(begin))()
        go_on.set()
        return await tasks[0]

    try:
        assert asyncio.run_coroutine_threadsafe(serve(), loop).result(60) is False
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_after_the_commit_the_client_has_it(server: StreamingServer) -> None:
    with ContractClient(server.address) as remote:
        ready(remote)
        client = StreamingCommandClient(client_id=remote.client_id)
        with transaction.atomic():
            assert async_to_sync(client.pause_client)("Audit") is True
            transaction.on_commit(lambda: pings.append(async_to_sync(client.ping_client_sync)(1, 20.0)))
            pings: list[Any] = []
        assert pings[0].success
        assert remote.next_command().ping.sequence == 1
        row = CommandLog.objects.get(command="pause")
        dispatcher().deliver([row.pk])
        assert remote.next_command().pause.reason == "Audit"
        wait_until(lambda: CommandLog.objects.get(pk=row.pk).state == State.SUCCEEDED, 30, "the ack")


def test_outside_a_transaction_nothing_is_different(server: StreamingServer, way: Way) -> None:
    with ContractClient(server.address) as remote:
        ready(remote)
        client = StreamingCommandClient(client_id=remote.client_id)
        assert connection.in_atomic_block is False
        assert way(client.ping_client) is True
        assert way(partial(client.ping_client_sync, 2, 20.0)).success
