"""The bots service end to end: the core needs nothing but their adapter."""

import asyncio

import pytest

from crypto.grpc.streaming import (
    ClientNotConnectedError,
    CommandClientConfig,
    Courier,
    OutcomeKind,
    clear_registry,
    register_streaming_service,
)
from tests.bots.bot import connected_bot
from tests.bots.grpc.services.commands import BotCommandClient, start_all, stop_all
from tests.bots.grpc.services.handlers import Servicer, grpc_handlers
from tests.bots.grpc.services.wire import BotControlProtocol
from tests.bots.server import BotServer
from tests.bots.wire.bots_pb2_grpc import add_BotStreamingServicer_to_server

from .waiting import until


def client(server: BotServer, bot_id: str) -> BotCommandClient:
    return BotCommandClient(bot_id, CommandClientConfig(address=server.address))


def test_the_hook_names_the_servicer_without_a_server() -> None:
    assert grpc_handlers(None) == [(Servicer, add_BotStreamingServicer_to_server)]


async def test_a_command_from_elsewhere_comes_back_as_ack(server: BotServer) -> None:
    async with connected_bot(server.address, "b1") as bot:
        await until(lambda: server.streams.is_client_connected("b1"))
        ack = await client(server, "b1").update_config({"risk": "low"})
        assert (ack.success, ack.message) == (True, "by b1")
        assert dict(bot.commands[0].update_config.values) == {"risk": "low"}


async def test_restart_is_stop_then_start(server: BotServer) -> None:
    async with connected_bot(server.address, "b1") as bot:
        await until(lambda: server.streams.is_client_connected("b1"))
        assert (await client(server, "b1").restart()).success
        assert [command.WhichOneof("command") for command in bot.commands] == ["stop", "start"]


async def test_in_the_process_of_the_streams_no_call_is_made(server: BotServer) -> None:
    register_streaming_service("bots", server.streams)
    try:
        async with connected_bot(server.address, "b1"):
            await until(lambda: server.streams.is_client_connected("b1"))
            nowhere = BotCommandClient("b1", CommandClientConfig(address="127.0.0.1:1"))
            assert (await nowhere.start()).success
    finally:
        clear_registry()


async def test_an_absent_bot_is_a_typed_error(server: BotServer) -> None:
    with pytest.raises(ClientNotConnectedError):
        await client(server, "nobody").start()


async def test_batches_go_through_the_courier(server: BotServer) -> None:
    names = ["b1", "b2", "b3"]
    async with connected_bot(server.address, "b1"), connected_bot(server.address, "b2"):
        await until(lambda: len(server.streams.get_active_clients()) == 2)
        courier = Courier(BotControlProtocol())
        started = await asyncio.to_thread(start_all, courier, server.address, names)
        stopped = await asyncio.to_thread(stop_all, courier, server.address, names)
        await asyncio.to_thread(courier.close)
    for outcomes in (started, stopped):
        kinds = {outcome.client_id: outcome.kind for outcome in outcomes}
        assert kinds == {
            "b1": OutcomeKind.ACKED,
            "b2": OutcomeKind.ACKED,
            "b3": OutcomeKind.NOT_CONNECTED,
        }
