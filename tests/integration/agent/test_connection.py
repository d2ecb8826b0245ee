"""How a client gets to its server and back."""

import asyncio
import time

import grpc
import pytest

from crypto.agent.agent import Agent
from crypto.agent.connection import Backoff
from crypto.commands.sync_wallets import SyncWallets
from crypto.wire.crypto_streaming_pb2 import ClientMessage, DjangoCommand, PingCommand, SyncWalletsCommand
from tests.fakes.contract_server import ContractServer, contract_server
from tests.integration.agent.clients import running

PING = DjangoCommand(ping=PingCommand(sequence=1))
SYNC = DjangoCommand(sync_wallets=SyncWalletsCommand())


async def test_a_client_comes_back_when_its_stream_ends(server: ContractServer) -> None:
    async with running(server.address) as client:
        stream = await server.stream()
        await stream.execute(PING)
        stream.end()
        assert (await (await server.stream(2)).execute(PING)).success
        assert client.stats.connects == 2


async def test_a_client_waits_for_a_server_that_is_not_there_yet() -> None:
    async with contract_server() as gone:
        port = gone.port
    async with running(f"127.0.0.1:{port}"):
        await asyncio.sleep(0)
        async with contract_server(port) as server:
            assert (await (await server.stream()).execute(PING)).success


@pytest.mark.parametrize("ending", [(), (grpc.StatusCode.UNAVAILABLE, "the node is going away")])
async def test_a_reconnect_hint_is_followed_after_about_that_long(
    server: ContractServer, ending: tuple[object, ...]
) -> None:
    async with running(server.address):
        stream = await server.stream()
        assert "reconnect" in stream.messages[0].register.capabilities
        asked = time.monotonic()
        await stream.hint(after_ms=600)
        assert (await stream.execute(PING)).success, "it works on while the node drains"
        stream.end(*ending)
        await server.stream(2)
        assert 0.3 <= time.monotonic() - asked < 1.5


async def test_a_client_leaves_a_draining_node_that_does_not_close(server: ContractServer) -> None:
    async with running(server.address):
        stream = await server.stream()
        await stream.hint(after_ms=0)
        await server.stream(2)


async def test_a_refused_client_asks_seldom(server: ContractServer, caplog: pytest.LogCaptureFixture) -> None:
    server.refusal = (grpc.StatusCode.UNAUTHENTICATED, "no such token")
    backoff = Backoff(base=0.1, cap=4.0)
    async with running(server.address, backoff=backoff) as client, asyncio.timeout(120):
        # A refusal that comes while the client still writes is seen as a broken stream, and tried again soon.
        while "UNAUTHENTICATED" not in caplog.text:
            await asyncio.sleep(0.01)
        refused = server.refused
        # Longer than the first delay after a failure that waiting may mend.
        await asyncio.sleep(1.2)
        assert server.refused == refused
        assert not client.connected


async def test_the_token_is_sent(server: ContractServer) -> None:
    async with running(server.address, token="secret"):
        stream = await server.stream()
        assert ("authorization", "Bearer secret") in stream.metadata


def _presented(message: ClientMessage) -> list[str]:
    """Ids of the commands whose acks it carries."""
    live = [message.command_ack] if message.HasField("command_ack") else []
    return [ack.command_id for ack in [*message.journal_digest.finished, *live]]


class Interrupted(Agent):
    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.go_on = asyncio.Event()

    async def on_sync_wallets(self, command: SyncWallets) -> None:
        self.started.set()
        await self.go_on.wait()


async def test_a_handler_outlives_its_stream_and_its_ack_is_presented_on_the_next(
    server: ContractServer,
) -> None:
    agent = Interrupted()
    async with running(server.address, agent) as client:
        stream = await server.stream()
        command_id = await stream.send(SYNC)
        await agent.started.wait()
        stream.end()
        while client.connected:
            await asyncio.sleep(0.01)
        agent.go_on.set()
        again = await server.stream(2)
        # The journal that opens the stream may be written before the handler has come to its end.
        await again.wait(lambda message: command_id in _presented(message))
        assert [id for message in again.messages for id in _presented(message)] == [command_id]


async def test_acks_are_presented_until_the_server_has_settled_them(server: ContractServer) -> None:
    async with running(server.address):
        stream = await server.stream()
        one = (await stream.execute(PING)).command_id
        two = (await stream.execute(PING)).command_id
        stream.end()
        stream = await server.stream(2)
        (digest,) = await stream.payloads("journal_digest")
        assert [ack.command_id for ack in digest.journal_digest.finished] == [one, two]
        await stream.settle(one)
        await stream.execute(PING)
        stream.end()
        stream = await server.stream(3)
        (digest,) = await stream.payloads("journal_digest")
        assert one not in [ack.command_id for ack in digest.journal_digest.finished]
        repeat = DjangoCommand(command_id=one, ping=PingCommand(sequence=9))
        assert (await stream.execute(repeat)).data == '{"sequence": 1}', "settled, and still recognised"


async def test_reports_are_sent_again_under_the_same_id_until_they_are_acknowledged(
    server: ContractServer,
) -> None:
    async with running(server.address) as client:
        stream = await server.stream()
        await stream.execute(SYNC)
        sent = await stream.payloads("wallet_update", 3)
        await stream.acknowledge(sent[0].message_id)
        await stream.execute(PING)
        stream.end()
        stream = await server.stream(2)
        await stream.execute(PING)
        assert not [m for m in stream.messages if m.HasField("wallet_update")], (
            "this server may be an old one"
        )
        await stream.settle()
        again = await stream.payloads("wallet_update", 2)
        assert again == sent[1:]
        await stream.acknowledge(*(message.message_id for message in again))
        await stream.execute(PING)
        assert client.stats.acknowledged == 3


async def test_what_was_reported_offline_is_sent_on_connect_also_to_an_old_server() -> None:
    async with contract_server() as gone:
        port = gone.port
    async with running(f"127.0.0.1:{port}") as client:
        await client.agent.log("warning", "nobody there")
        async with contract_server(port) as server:
            (message,) = await (await server.stream()).payloads("log")
            assert message.log.message == "nobody there"
