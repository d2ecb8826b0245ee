"""What a client answers to each command, over a real stream."""

import asyncio
from decimal import Decimal
from typing import Any

from crypto.agent.agent import Agent
from crypto.agent.reply import Reply
from crypto.commands.pause import Pause
from crypto.commands.sync_wallets import SyncWallets
from crypto.wire.common_pb2 import CLIENT_STATUS_ACTIVE, CLIENT_STATUS_PAUSED, CLIENT_STATUS_STOPPED
from crypto.wire.crypto_streaming_pb2 import (
    DjangoCommand,
    GetWalletsCommand,
    PauseClientCommand,
    PingCommand,
    RequestStatusCommand,
    RestartCommand,
    ResumeClientCommand,
    SyncWalletsCommand,
    UpdateConfigCommand,
)
from tests.fakes.contract_server import ContractServer, data
from tests.integration.agent.clients import running

PING = DjangoCommand(ping=PingCommand(sequence=1))
PAUSE = DjangoCommand(pause=PauseClientCommand(reason="audit"))
SYNC = DjangoCommand(sync_wallets=SyncWalletsCommand())


def config(document: str, version: int) -> DjangoCommand:
    return DjangoCommand(update_config=UpdateConfigCommand(document=document, version=version))


async def test_registration_comes_first_and_says_what_the_client_understands(server: ContractServer) -> None:
    async with running(server.address, name="Vault", type="cold", version="2.1"):
        stream = await server.stream()
        await stream.payloads("heartbeat", 2)
    first, second, third = stream.messages[:3]
    assert (first.register.client_name, first.register.client_type, first.register.version) == (
        "Vault",
        "cold",
        "2.1",
    )
    assert {"message_ack", "journal", "get_wallets"} <= set(first.register.capabilities)
    assert second.WhichOneof("payload") == "journal_digest"
    assert third.status.status == CLIENT_STATUS_ACTIVE
    assert stream.messages[-1].status.status == CLIENT_STATUS_STOPPED
    assert len({message.message_id for message in stream.messages}) == len(stream.messages)


async def test_a_client_of_the_first_contract_sends_no_addition(server: ContractServer) -> None:
    async with running(server.address, first_contract=True):
        stream = await server.stream()
        assert (await stream.execute(PING)).success
    assert not stream.messages[0].register.capabilities
    assert "journal_digest" not in {message.WhichOneof("payload") for message in stream.messages}


async def test_ping_repeats_the_sequence(server: ContractServer) -> None:
    async with running(server.address):
        ack = await (await server.stream()).execute(DjangoCommand(ping=PingCommand(sequence=41)))
    assert (ack.success, data(ack)) == (True, {"sequence": 41})
    assert ack.HasField("timestamp")


async def test_balances_are_reported_before_the_ack_and_returned_on_request(server: ContractServer) -> None:
    async with running(server.address):
        stream = await server.stream()
        ack = await stream.execute(SYNC)
        assert (ack.success, data(ack)) == (True, {"wallets": 3, "symbols": ["BTC", "ETH", "USDT"]})
        reports = [message.wallet_update for message in stream.messages if message.HasField("wallet_update")]
        assert {report.symbol for report in reports} == {"BTC", "ETH", "USDT"}
        assert all(Decimal(report.balance_available) >= 0 for report in reports)
        ack = await stream.execute(DjangoCommand(get_wallets=GetWalletsCommand(symbols=["ETH"])))
        wallets: Any = data(ack)["wallets"]
        assert [wallet["symbol"] for wallet in wallets] == ["ETH"]


async def test_a_paused_client_refuses_to_sync_until_it_is_resumed(server: ContractServer) -> None:
    async with running(server.address):
        stream = await server.stream()
        ack = await stream.execute(PAUSE)
        assert (ack.success, ack.current_status) == (True, CLIENT_STATUS_PAUSED)
        said = (await stream.payloads("status", 2))[-1].status
        assert (said.status, said.details) == (CLIENT_STATUS_PAUSED, "audit")
        ack = await stream.execute(SYNC)
        assert (ack.success, ack.error, ack.message) == (False, "Rejected", "paused")
        assert (await stream.execute(PING)).current_status == CLIENT_STATUS_PAUSED
        ack = await stream.execute(DjangoCommand(resume=ResumeClientCommand(message="done")))
        assert (ack.success, ack.current_status) == (True, CLIENT_STATUS_ACTIVE)
        assert (await stream.execute(SYNC)).success


async def test_status_comes_with_counts_if_asked(server: ContractServer) -> None:
    async with running(server.address):
        stream = await server.stream()
        await stream.execute(PING)
        plain = data(await stream.execute(DjangoCommand(request_status=RequestStatusCommand())))
        assert plain == {"status": "CLIENT_STATUS_ACTIVE", "config_version": 0}
        full = data(
            await stream.execute(DjangoCommand(request_status=RequestStatusCommand(include_stats=True)))
        )
    stats = full["stats"]
    assert isinstance(stats, dict)
    assert stats["verbs"] == {"ping": 1, "request_status": 2}


async def test_an_older_configuration_is_refused(server: ContractServer) -> None:
    async with running(server.address) as client:
        stream = await server.stream()
        assert (await stream.execute(config('{"limit":5}', 3))).success
        ack = await stream.execute(config('{"limit":4}', 2))
        assert (ack.success, ack.error) == (False, "Rejected")
        ack = await stream.execute(config("[]", 4))
        assert (ack.success, ack.error) == (False, "Rejected")
        assert (client.state.config, client.state.config_version) == ({"limit": 5}, 3)


async def test_restart_acks_then_registers_anew_with_what_was_kept(server: ContractServer) -> None:
    async with running(server.address):
        stream = await server.stream()
        await stream.execute(config('{"limit":5}', 7))
        await stream.execute(PAUSE)
        assert (await stream.execute(DjangoCommand(restart=RestartCommand(reason="new")))).success
        again = await server.stream(2)
        assert again.messages[0].register.config_version == 7
        (status,) = await again.payloads("status")
        assert status.status.status == CLIENT_STATUS_PAUSED


async def test_what_the_client_does_not_know_is_ignored(server: ContractServer) -> None:
    async with running(server.address):
        stream = await server.stream()
        unknown = DjangoCommand(command_id="new")
        unknown.MergeFromString(b"\xba\x3e\x00")  # field 999, a message
        await stream.send(unknown)
        assert (await stream.execute(PING)).success
        assert [m.command_ack.command_id for m in stream.messages if m.HasField("command_ack")] != ["new"]


async def test_a_failing_handler_is_a_failed_command_and_an_error_report(server: ContractServer) -> None:
    class Broken(Agent):
        def on_sync_wallets(self, command: SyncWallets) -> Reply:
            raise ConnectionError("the exchange hung up")

    async with running(server.address, Broken()):
        stream = await server.stream()
        ack = await stream.execute(SYNC)
        assert (ack.success, ack.error, ack.message) == (False, "ConnectionError", "the exchange hung up")
        (report,) = await stream.payloads("error")
        assert "the exchange hung up" in report.error.traceback
        ack = await stream.execute(DjangoCommand(get_wallets=GetWalletsCommand()))
        assert (ack.success, ack.error) == (False, "Rejected")


class Slow(Agent):
    """Handlers that wait until the test lets them go on."""

    def __init__(self) -> None:
        self.started: asyncio.Queue[str] = asyncio.Queue()
        self.go_on = asyncio.Event()

    async def on_sync_wallets(self, command: SyncWallets) -> None:
        await self.started.put("sync")
        await self.go_on.wait()

    async def on_pause(self, command: Pause) -> None:
        await self.started.put(command.reason)
        await self.go_on.wait()


async def test_a_long_sync_delays_neither_ping_nor_pause(server: ContractServer) -> None:
    agent = Slow()
    async with running(server.address, agent):
        stream = await server.stream()
        sync = await stream.send(SYNC)
        assert await agent.started.get() == "sync"
        assert (await stream.execute(PING)).success
        pause = await stream.send(PAUSE)
        assert await agent.started.get() == "audit"
        agent.go_on.set()
        assert (await stream.ack(sync)).success
        assert (await stream.ack(pause)).success


async def test_commands_of_one_conflict_class_run_one_after_the_other(server: ContractServer) -> None:
    agent = Slow()
    async with running(server.address, agent):
        stream = await server.stream()
        ids = [
            await stream.send(DjangoCommand(pause=PauseClientCommand(reason=reason)))
            for reason in ("one", "two")
        ]
        assert await agent.started.get() == "one"
        # A ping is answered after both pauses have been read: had the second one run, it would have started.
        await stream.execute(PING)
        assert agent.started.empty()
        agent.go_on.set()
        assert await agent.started.get() == "two"
        for command_id in ids:
            assert (await stream.ack(command_id)).success


async def test_a_repeat_is_answered_from_the_journal_also_while_it_runs(server: ContractServer) -> None:
    agent = Slow()
    async with running(server.address, agent) as client:
        stream = await server.stream()
        sync = await stream.send(SYNC)
        await agent.started.get()
        repeat = DjangoCommand(command_id=sync, sync_wallets=SyncWalletsCommand())
        await stream.send(repeat)
        await stream.execute(PING)
        agent.go_on.set()
        first = await stream.ack(sync)
        await stream.send(repeat)
        assert await stream.ack(sync, nth=2) == first
        assert client.stats.verbs["sync_wallets"] == 1
