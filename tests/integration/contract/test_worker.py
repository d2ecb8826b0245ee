"""Commands from the actors of a site, in its worker processes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dramatiq import Message

from crypto.models import CommandLog, State
from tests.fakes.contract_client import ContractClient
from tests.integration.contract.test_unary import ready
from tests.support.live import StreamingServer, live_environment
from tests.support.processes import Process, wait_until
from tests.support.services import RedisServer
from workers.broker import RedisBroker

pytestmark = pytest.mark.django_db(transaction=True)

CALLS = 20


@pytest.fixture
def broker(own_redis: RedisServer) -> Iterator[RedisBroker]:
    broker = RedisBroker(url=own_redis.url)
    yield broker
    broker.close()


def test_async_actors_command_clients(
    server: StreamingServer, own_redis: RedisServer, broker: RedisBroker, tmp_path: Path
) -> None:
    environment = live_environment(
        tmp_path, REDIS_URL=own_redis.url, DJANGO_SETTINGS_MODULE="tests.integration.workshop.settings"
    )
    arguments = ["rundramatiq", "--processes", "1", "--threads", "4", "--queues", "default", "--skip-logging"]
    with (
        ContractClient(server.address) as client,
        Process.manage(*arguments, env=environment, output=tmp_path / "worker.log") as worker,
    ):
        ready(client)
        worker.wait_for_text("ready for action", 60)
        messages: list[Message[Any]] = [
            Message(
                queue_name="default",
                actor_name="command_client",
                args=(str(tmp_path), f"mark-{number}", client.client_id),
                kwargs={},
                options={},
            )
            for number in range(CALLS)
        ]
        broker.enqueue_many(messages)
        worker.wait_for(lambda: len(list(tmp_path.glob("mark-*"))) == CALLS, 60, "all actors")
        wait_until(
            lambda: set(CommandLog.objects.values_list("state", flat=True)) == {State.SUCCEEDED},
            30,
            "all acks",
        )
        assert CommandLog.objects.count() == 2 * CALLS
        assert worker.stop() == 0
