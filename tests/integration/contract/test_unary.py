"""The unary calls, as a caller that we do not control makes them."""

from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from crypto.models import Client, CommandLog, Source, State
from crypto.wire.common_pb2 import CommandAck
from crypto.wire.crypto_streaming_pb2 import (
    DjangoCommand,
    PauseClientCommand,
    PingCommand,
    RequestStatusCommand,
    ResumeClientCommand,
    SendCommandRequest,
    SyncWalletsCommand,
)
from tests.fakes.contract_client import ContractClient, stay_silent
from tests.integration.contract.test_payloads import connected
from tests.support.live import StreamingServer
from tests.support.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

COMMANDS: list[dict[str, Any]] = [
    {"ping": PingCommand(sequence=3)},
    {"pause": PauseClientCommand(reason="r")},
    {"resume": ResumeClientCommand(message="m")},
    {"sync_wallets": SyncWalletsCommand(symbols=["BTC", "ETH"])},
    {"request_status": RequestStatusCommand(include_stats=True)},
]


def request(client: ContractClient, command_id: str | None = None, **command: Any) -> SendCommandRequest:
    wire = DjangoCommand(command_id=command_id or str(uuid4()), **(command or COMMANDS[0]))
    return SendCommandRequest(client_id=client.client_id, command=wire)


def ready(client: ContractClient) -> ContractClient:
    client.register()
    wait_until(lambda: connected(client), 30, "the client to be connected")
    return client


def test_every_command_reaches_the_client_and_its_ack_comes_back(server: StreamingServer) -> None:
    with ContractClient(server.address) as client:
        ready(client)
        for command in COMMANDS:
            asked = request(client, **command)
            ack = client.stub.ExecuteCommandSync(asked, timeout=20)
            got = client.next_command()
            assert (ack.success, ack.message, ack.command_id) == (True, "done", asked.command.command_id)
            assert (got.command_id, got.WhichOneof("command")) == (
                asked.command.command_id,
                next(iter(command)),
            )
            assert getattr(got, next(iter(command))) == next(iter(command.values()))
    assert {log.state for log in CommandLog.objects.all()} == {State.SUCCEEDED}
    assert {log.source for log in CommandLog.objects.all()} == {Source.GRPC}


def test_an_id_that_is_no_uuid_is_kept_on_the_wire_and_has_a_row(server: StreamingServer) -> None:
    with ContractClient(server.address) as client:
        ready(client)
        assert (
            client.stub.ExecuteCommandSync(request(client, "order-66"), timeout=20).command_id == "order-66"
        )
        assert client.next_command().command_id == "order-66"
    assert CommandLog.objects.get().state == State.SUCCEEDED


def test_a_repeated_id_runs_once(server: StreamingServer) -> None:
    with ContractClient(server.address) as client:
        ready(client)
        first = client.stub.ExecuteCommandSync(request(client, "same"), timeout=20)
        again = client.stub.ExecuteCommandSync(request(client, "same"), timeout=20)
        assert (first.success, again.success) == (True, True)
        client.next_command()
        assert client.commands.empty()
    assert CommandLog.objects.count() == 1


def test_send_hands_over_and_the_ack_is_stored_when_it_comes(server: StreamingServer) -> None:
    with ContractClient(server.address, answer=stay_silent) as client:
        ready(client)
        answer = client.stub.SendCommandToClient(request(client), timeout=20)
        assert (answer.success, answer.error) == (True, "")
        command = client.next_command()
        assert CommandLog.objects.get().state == State.SENT
        client.say(command_ack=CommandAck(command_id=command.command_id, success=True, message="later"))
        wait_until(lambda: CommandLog.objects.get().state == State.SUCCEEDED, 30, "the ack to land")


def test_an_absent_client_is_an_answer(server: StreamingServer) -> None:
    with ContractClient(server.address) as client:
        ready(client)
    wait_until(lambda: not connected(client), 30, "the client to be gone")
    with ContractClient(server.address) as caller:
        for asked in (request(client), request(caller)):
            ack = caller.stub.ExecuteCommandSync(asked, timeout=20)
            assert (ack.success, ack.error) == (False, "ClientNotConnectedError")
            assert ack.command_id == asked.command.command_id
            sent = caller.stub.SendCommandToClient(asked, timeout=20)
            assert not sent.success
            assert sent.error


def test_a_silent_client_is_an_answer_and_a_late_ack_lands(server: StreamingServer) -> None:
    with ContractClient(server.address, answer=stay_silent) as client:
        ready(client)
        ack = client.stub.ExecuteCommandSync(request(client), timeout=2)
        assert (ack.success, ack.error) == (False, "CommandTimeoutError")
        assert CommandLog.objects.get().state == State.TIMED_OUT
        client.say(command_ack=CommandAck(command_id=client.next_command().command_id, success=True))
        wait_until(lambda: CommandLog.objects.get().state == State.SUCCEEDED, 30, "the late ack to land")
        assert CommandLog.objects.get().late


def test_an_ack_for_another_clients_command_changes_nothing(server: StreamingServer) -> None:
    with (
        ContractClient(server.address, answer=stay_silent) as victim,
        ContractClient(server.address) as liar,
    ):
        ready(victim)
        ready(liar)
        call = victim.stub.ExecuteCommandSync.future(request(victim), timeout=20)
        command = victim.next_command()
        liar.say(command_ack=CommandAck(command_id=command.command_id, success=False, message="lie"))
        # The liar's next answer comes after its lie was dealt with.
        liar.stub.ExecuteCommandSync(request(liar), timeout=20)
        assert not call.done()
        victim.say(command_ack=CommandAck(command_id=command.command_id, success=True, message="truth"))
        assert call.result(20).message == "truth"
    assert CommandLog.objects.get(pk=UUID(command.command_id)).ack_message == "truth"


@pytest.mark.parametrize(
    "bad",
    [
        SendCommandRequest(client_id="nobody", command=DjangoCommand(command_id="1", ping=PingCommand())),
        SendCommandRequest(client_id=str(uuid4()), command=DjangoCommand(command_id="1")),
        SendCommandRequest(client_id=str(uuid4()), command=DjangoCommand(ping=PingCommand())),
        SendCommandRequest(client_id=str(uuid4())),
        SendCommandRequest(
            client_id=str(uuid4()),
            command=DjangoCommand(command_id="1", sync_wallets=SyncWalletsCommand(symbols=["!"])),
        ),
    ],
)
def test_a_malformed_request_is_invalid_argument(server: StreamingServer, bad: SendCommandRequest) -> None:
    with ContractClient(server.address) as caller:
        for method in (caller.stub.ExecuteCommandSync, caller.stub.SendCommandToClient):
            with pytest.raises(grpc.RpcError) as refused:
                method(bad, timeout=20)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not CommandLog.objects.exists()
    assert not Client.objects.exists()
