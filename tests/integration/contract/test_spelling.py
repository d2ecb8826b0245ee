"""Ids as other languages print them: one id inside, answered in the spelling that was sent."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from crypto.grpc.services.commands import StreamingCommandClient
from crypto.models import Client, CommandLog, State
from crypto.wire.common_pb2 import CommandAck
from crypto.wire.crypto_streaming_pb2 import (
    CommandBatch,
    CommandOrder,
    DjangoCommand,
    HeartbeatUpdate,
    JournalDigest,
    Outcome,
    PingCommand,
    SendCommandRequest,
)
from tests.fakes.contract_client import ContractClient, stay_silent
from tests.integration.contract.test_payloads import barrier
from tests.integration.contract.test_unary import ready
from tests.support.live import StreamingServer
from tests.support.processes import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("here")]

Spelling = Callable[[UUID], str]

SPELLINGS: dict[str, Spelling] = {
    "capitals": lambda id: str(id).upper(),
    "no dashes": lambda id: id.hex,
    "braces": lambda id: f"{{{id}}}".upper(),
}


@pytest.fixture(params=SPELLINGS)
def spell(request: pytest.FixtureRequest) -> Spelling:
    return SPELLINGS[request.param]


def client_that_spells(server: StreamingServer, spell: Spelling) -> ContractClient:
    """One that prints every id in its own way, its own and those of commands."""

    def answer(command: DjangoCommand) -> CommandAck:
        return CommandAck(command_id=spell(UUID(command.command_id)), success=True, message="done")

    return ContractClient(server.address, client_id=spell(uuid4()), answer=answer)


def ping(command_id: str) -> DjangoCommand:
    return DjangoCommand(command_id=command_id, ping=PingCommand())


def test_an_ack_is_recognized_however_its_id_is_spelled(server: StreamingServer, spell: Spelling) -> None:
    with client_that_spells(server, spell) as client:
        ready(client)
        asked = ping(str(uuid4()))
        ack = client.stub.ExecuteCommandSync(
            SendCommandRequest(client_id=client.client_id, command=asked), timeout=20
        )
        assert (ack.success, ack.message, ack.command_id) == (True, "done", asked.command_id)
        caller = StreamingCommandClient(client_id=client.client_id)
        assert asyncio.run(caller.ping_client_sync(timeout=20)).success
        assert asyncio.run(caller.ping_client())
        wait_until(
            lambda: set(CommandLog.objects.values_list("state", flat=True)) == {State.SUCCEEDED},
            30,
            "all acks",
        )
        assert CommandLog.objects.count() == 3


def test_a_client_may_change_its_spelling_but_not_its_id(server: StreamingServer, spell: Spelling) -> None:
    id = uuid4()
    with ContractClient(server.address, client_id=str(id)) as client:
        client.register()
        client.say(client_id=spell(id), heartbeat=HeartbeatUpdate())
        barrier(client)
        assert Client.objects.get().pk == id
        client.say(client_id=spell(uuid4()), heartbeat=HeartbeatUpdate())
        assert client.end()[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_the_newest_connection_wins_in_any_spelling(server: StreamingServer, spell: Spelling) -> None:
    id = uuid4()
    with ContractClient(server.address, client_id=str(id)) as old:
        ready(old)
        with ContractClient(server.address, client_id=spell(id)) as new:
            new.register()
            assert old.end()[0] is grpc.StatusCode.ABORTED
            barrier(new)
            assert Client.objects.get().session_epoch == 2


def test_a_repeated_command_runs_once_and_is_answered_in_each_spelling(
    server: StreamingServer, spell: Spelling
) -> None:
    with ContractClient(server.address) as client:
        ready(client)
        command_id = uuid4()
        for client_id in (client.client_id, spell(UUID(client.client_id))):
            for spelled in (spell(command_id), str(command_id)):
                request = SendCommandRequest(client_id=client_id, command=ping(spelled))
                ack = client.stub.ExecuteCommandSync(request, timeout=20)
                assert (ack.success, ack.command_id) == (True, spelled)
                assert client.stub.SendCommandToClient(request, timeout=20).success
        assert UUID(client.next_command().command_id) == command_id
        assert client.commands.empty()
        assert CommandLog.objects.get().pk == command_id


def test_the_control_call_answers_in_the_spelling_of_the_order(
    server: StreamingServer, spell: Spelling
) -> None:
    with ContractClient(server.address) as client:
        ready(client)
        id = UUID(client.client_id)
        order = CommandOrder(client_id=spell(id), command=ping(spell(uuid4())), timeout_ms=20_000)
        replies = client.stub.ExecuteCommands(iter([CommandBatch(orders=[order])]), timeout=30)
        (outcome,) = [outcome for reply in replies for outcome in reply.outcomes]
        assert (outcome.client_id, outcome.command_id) == (order.client_id, order.command.command_id)
        assert outcome.outcome == Outcome.OUTCOME_ACKED


def test_a_journal_in_any_spelling_is_settled_and_acknowledged_as_it_was_written(
    server: StreamingServer, spell: Spelling
) -> None:
    def timed_out(client: ContractClient) -> UUID:
        request = SendCommandRequest(client_id=client.client_id, command=ping(str(uuid4())))
        assert client.stub.ExecuteCommandSync(request, timeout=1).error == "CommandTimeoutError"
        return UUID(client.next_command().command_id)

    with ContractClient(server.address, answer=stay_silent) as client:
        ready(client)
        finished, unknown = timed_out(client), timed_out(client)
    journal: dict[str, Any] = {"capabilities": ["journal"]}
    with ContractClient(server.address, client_id=spell(UUID(client.client_id))) as back:
        back.register(**journal)
        acks = [CommandAck(command_id=spell(finished), success=True)]
        back.say(journal_digest=JournalDigest(finished=acks, unknown=[spell(unknown)]))
        settled = back.next_command()
        assert list(settled.journal_ack.command_ids) == [spell(finished), spell(unknown)]
        assert CommandLog.objects.get(pk=finished).state == State.SUCCEEDED
        assert CommandLog.objects.get(pk=unknown).state == State.TIMED_OUT
