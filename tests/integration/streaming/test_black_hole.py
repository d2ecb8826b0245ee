"""A connection that is gone without a word."""

import asyncio
import time

from crypto.grpc.streaming import Courier, CourierConfig, Order, OutcomeKind, StreamingConfig
from tests.bots.bot import connected_bot
from tests.bots.grpc.services.wire import BotControlProtocol
from tests.bots.server import BotServer, bot_server
from tests.bots.wire.bots_pb2 import BotCommand, Start, Stop

from .hole import hole_to
from .waiting import until


async def test_a_write_into_a_black_hole_drops_the_session() -> None:
    config = StreamingConfig(write_timeout=0.3, client_disconnect_grace=0)
    async with (
        bot_server(config) as server,
        hole_to(server.address) as hole,
        connected_bot(hole.address, "b1"),
    ):
        await until(lambda: server.streams.is_client_connected("b1"))
        hole.swallow()
        orders = []
        for n in range(12):
            command = BotCommand(command_id=f"c{n}", stop=Stop(reason="x" * 1_000_000))
            orders.append(Order("b1", command.command_id, command, 30.0))
        began = time.monotonic()
        outcomes = await asyncio.gather(*(server.streams.perform(order) for order in orders))
        assert time.monotonic() - began < 3
        assert {o.kind for o in outcomes} == {OutcomeKind.CONNECTION_LOST, OutcomeKind.NOT_HANDED_OVER}
        assert not server.streams.is_client_connected("b1")
        await until(lambda: server.streams.events == ["connected b1", "disconnected b1: stuck"])


async def test_silence_drops_the_session_and_the_client_may_come_back() -> None:
    config = StreamingConfig(heartbeat_interval=0.1, heartbeat_timeout=0.4, client_disconnect_grace=5)
    async with (
        bot_server(config) as server,
        hole_to(server.address) as hole,
        connected_bot(hole.address, "b1"),
    ):
        await until(lambda: server.streams.is_client_connected("b1"))
        hole.swallow()
        await until(lambda: not server.streams.is_client_connected("b1"))
        async with connected_bot(server.address, "b1"):
            await until(lambda: server.streams.is_client_connected("b1"))
            assert server.streams.events == ["connected b1", "resumed b1"]


async def test_a_courier_in_a_black_hole_answers_every_order_in_time(server: BotServer) -> None:
    config = CourierConfig(margin=0.2, connect_timeout=0.5)
    carrier = Courier(BotControlProtocol(), config=config)

    async def go(command_id: str) -> OutcomeKind:
        command = BotCommand(command_id=command_id, start=Start())
        return (await carrier.call(hole.address, Order("b1", command_id, command, 0.3))).kind

    async with hole_to(server.address) as hole, connected_bot(server.address, "b1"):
        await until(lambda: server.streams.is_client_connected("b1"))
        assert await go("c1") is OutcomeKind.ACKED
        hole.swallow()
        began = time.monotonic()
        assert await asyncio.gather(*(go(f"d{n}") for n in range(20))) == [OutcomeKind.TIMED_OUT] * 20
        assert time.monotonic() - began < 2
    await asyncio.to_thread(carrier.close)


async def test_a_node_that_never_answers_has_got_nothing(server: BotServer) -> None:
    carrier = Courier(BotControlProtocol(), config=CourierConfig(connect_timeout=0.3))
    async with hole_to(server.address) as hole:
        hole.swallow()
        order = Order("b1", "c1", BotCommand(command_id="c1", start=Start()), 5.0)
        assert (
            await asyncio.wait_for(carrier.call(hole.address, order), 3)
        ).kind is OutcomeKind.NOT_HANDED_OVER
    await asyncio.to_thread(carrier.close)
