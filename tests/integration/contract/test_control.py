"""The control call, as the courier of another process makes it."""

from uuid import uuid4

import pytest

from crypto.wire.crypto_streaming_pb2 import (
    CommandBatch,
    CommandOrder,
    CommandOutcome,
    DjangoCommand,
    Outcome,
    PingCommand,
)
from tests.fakes.contract_client import ContractClient
from tests.integration.contract.test_unary import ready
from tests.support.live import StreamingServer

pytestmark = pytest.mark.django_db(transaction=True)


def order(client: ContractClient, command: DjangoCommand) -> CommandOrder:
    return CommandOrder(client_id=client.client_id, command=command, timeout_ms=20_000)


def execute(client: ContractClient, *orders: CommandOrder) -> list[CommandOutcome]:
    """One batch on a control call of its own, which then ends; every outcome that came back."""
    replies = client.stub.ExecuteCommands(iter([CommandBatch(orders=orders)]), timeout=30)
    return [outcome for reply in replies for outcome in reply.outcomes]


def test_a_malformed_order_is_answered_and_never_sent(server: StreamingServer) -> None:
    with ContractClient(server.address) as client:
        ready(client)
        good = DjangoCommand(command_id=str(uuid4()), ping=PingCommand())
        outcomes = execute(
            client,
            order(client, DjangoCommand(ping=PingCommand())),
            order(client, DjangoCommand(command_id="without a command")),
            CommandOrder(client_id=client.client_id),
            order(client, good),
        )
        assert sorted((o.command_id, o.outcome) for o in outcomes) == sorted(
            [
                ("", Outcome.OUTCOME_INVALID),
                ("", Outcome.OUTCOME_INVALID),
                ("without a command", Outcome.OUTCOME_INVALID),
                (good.command_id, Outcome.OUTCOME_ACKED),
            ]
        )
        assert client.next_command().command_id == good.command_id
        assert client.commands.empty()
