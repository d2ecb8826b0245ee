"""A real server and a real agent: it is what it is meant to be from the moment it joins."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from crypto.models import Client, CommandLog, State
from crypto.services.delivery.dispatcher import dispatcher
from crypto.services.delivery.execute import execute_and_wait
from crypto.services.delivery.transport import courier
from crypto.services.desired.configurations import set_configuration
from crypto.services.desired.standing_orders import start
from crypto.services.ledger.issue import CommandRequest, command
from crypto.services.operations.start import OperationRequest
from tests.support.agents import Agents
from tests.support.live import StreamingServer
from tests.support.processes import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def server(transactional_db: None, tmp_path: Path) -> Iterator[StreamingServer]:
    with StreamingServer(tmp_path) as running:
        running.wait()
        yield running
        running.stop()
    dispatcher().close(5)
    courier().close()
    dispatcher.cache_clear()
    courier.cache_clear()


def test_who_joins_is_paused_and_configured_before_it_may_sync(
    server: StreamingServer, tmp_path: Path
) -> None:
    id = uuid4()
    made = set_configuration({"poll_seconds": 5})
    type(made).objects.update(due_at=None)  # as if it had been sent to whoever was there
    start(OperationRequest(command=command("pause"), reason="audit"))

    with Agents(server, tmp_path / "agent", "--id", str(id)) as agent:
        agent.wait_connected(id)
        joined = Client.objects.filter(pk=id)
        wait_until(
            lambda: joined.filter(status="PAUSED", config_version=made.version).exists(), 30, "its state"
        )
        refused = execute_and_wait(CommandRequest(client_id=id, command=command("sync_wallets")))
        assert (refused.state, refused.why) == (State.REJECTED, "a standing order keeps the client paused")

        start(OperationRequest(command=command("resume")))
        rows = CommandLog.objects.open().filter(command="resume")
        dispatcher().deliver(list(rows.values_list("pk", flat=True)))
        wait_until(lambda: joined.filter(status="ACTIVE").exists(), 30, "it to be resumed")
        assert (
            execute_and_wait(CommandRequest(client_id=id, command=command("sync_wallets"))).state
            == State.SUCCEEDED
        )
