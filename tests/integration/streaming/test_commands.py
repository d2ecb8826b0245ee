"""Commands to streams and their acks."""

import asyncio
import time
from uuid import uuid4

import grpc
import pytest

from crypto.grpc.streaming import (
    ClientNotConnectedError,
    CommandTimeoutError,
    Order,
    Outcome,
    OutcomeKind,
    StreamingConfig,
)
from tests.bots.bot import Bot, connected_bot
from tests.bots.server import BotServer, bot_server
from tests.bots.wire.bots_pb2 import (
    BotCommand,
    BotMessage,
    Hello,
    SendCommandRequest,
    Start,
    Stop,
    UpdateConfig,
)
from tests.bots.wire.bots_pb2_grpc import BotStreamingStub

from .waiting import until


def start(command_id: str = "") -> BotCommand:
    return BotCommand(command_id=command_id or uuid4().hex, start=Start())


def order(
    bot_id: str, command: BotCommand, timeout: float = 5.0, conflict_class: str = ""
) -> Order[BotCommand]:
    return Order(bot_id, command.command_id, command, timeout, conflict_class)


async def perform(server: BotServer, *orders: Order[BotCommand]) -> list[Outcome]:
    return await asyncio.gather(*(server.streams.perform(order) for order in orders))


async def ready(server: BotServer, *bot_ids: str) -> None:
    await until(lambda: all(server.streams.is_client_connected(bot_id) for bot_id in bot_ids))


async def test_absent_means_not_connected(server: BotServer) -> None:
    assert not await server.streams.send_to_client("b1", start())
    with pytest.raises(ClientNotConnectedError):
        await server.streams.send_command_and_wait("b1", start(), 1.0)


async def test_handing_over_does_not_wait_and_the_ack_is_not_lost(server: BotServer) -> None:
    async with connected_bot(server.address, "b1"):
        await ready(server, "b1")
        assert await server.streams.send_to_client("b1", start("c1"))
        await until(lambda: server.streams.orphans == ["c1"])


async def test_the_wait_times_out_and_a_late_ack_is_handed_on(server: BotServer) -> None:
    async with connected_bot(server.address, "b1", silent=True) as bot:
        await ready(server, "b1")
        began = time.monotonic()
        with pytest.raises(CommandTimeoutError):
            await server.streams.send_command_and_wait("b1", start("c1"), 0.3)
        assert 0.3 <= time.monotonic() - began < 1.0
        await bot.ack("c1")
        await until(lambda: server.streams.orphans == ["c1"])
        await bot.ack("c1")
        await until(lambda: server.streams.orphans == ["c1", "c1"])


async def test_no_client_can_ack_for_another(server: BotServer) -> None:
    async with (
        connected_bot(server.address, "b1", silent=True) as bot,
        connected_bot(server.address, "b2") as other,
    ):
        await ready(server, "b1", "b2")
        waiting = asyncio.create_task(server.streams.send_command_and_wait("b1", start("c1"), 5.0))
        await bot.received(1)
        await other.ack("c1")
        await until(lambda: server.streams.orphans == ["c1"])
        assert not waiting.done()
        await bot.ack("c1")
        assert (await waiting).message == "by b1"


async def test_an_id_that_is_a_uuid_may_come_back_in_another_spelling(server: BotServer) -> None:
    async with connected_bot(server.address, "b1", silent=True) as bot:
        await ready(server, "b1")
        command_id = uuid4()
        waiting = asyncio.create_task(
            perform(server, order("b1", start(str(command_id))), order("b1", start(command_id.hex)))
        )
        await bot.received(1)
        await bot.ack(str(command_id).upper())
        outcomes = await waiting
        assert [outcome.kind for outcome in outcomes] == [OutcomeKind.ACKED] * 2
        assert [outcome.command_id for outcome in outcomes] == [str(command_id), command_id.hex]
        assert len(bot.commands) == 1


async def test_a_client_whose_id_is_a_uuid_is_found_in_any_spelling(server: BotServer) -> None:
    bot_id = uuid4()
    async with connected_bot(server.address, str(bot_id).upper()) as bot:
        await ready(server, str(bot_id), bot_id.hex)
        assert (await server.streams.send_command_and_wait(f"{{{bot_id}}}", start(), 5.0)).success
        bot.bot_id = bot_id.hex
        await bot.report(7)
        await until(lambda: server.streams.profits == {str(bot_id): 7})
        assert server.streams.get_active_clients() == [str(bot_id)]


async def test_the_same_id_twice_is_one_delivery_with_two_waiters(server: BotServer) -> None:
    async with connected_bot(server.address, "b1", silent=True) as bot:
        await ready(server, "b1")
        waiting = asyncio.create_task(perform(server, order("b1", start("c1")), order("b1", start("c1"))))
        await bot.received(1)
        assert await server.streams.send_to_client("b1", start("c1"))
        await server.streams.send_to_client("b1", start("c2"))
        await bot.received(2)
        await bot.ack("c1")
        assert [outcome.kind for outcome in await waiting] == [OutcomeKind.ACKED] * 2
        assert [command.command_id for command in bot.commands] == ["c1", "c2"]


async def test_commands_of_one_conflict_class_run_one_after_the_other(server: BotServer) -> None:
    async with connected_bot(server.address, "b1", silent=True) as bot:
        await ready(server, "b1")
        orders = [order("b1", start(name), 5.0, "run") for name in ("c1", "c2", "c3")]
        other = order("b1", start("d1"), 5.0, "config")
        waiting = asyncio.create_task(perform(server, *orders, other))
        assert [command.command_id for command in await bot.received(2)] == ["c1", "d1"]
        await bot.ack("c1")
        assert (await bot.received(3))[2].command_id == "c2"
        await bot.ack("d1")
        await bot.ack("c2")
        assert (await bot.received(4))[3].command_id == "c3"
        await bot.ack("c3")
        assert {outcome.kind for outcome in await waiting} == {OutcomeKind.ACKED}


async def test_a_held_command_whose_time_is_up_is_never_handed_over(server: BotServer) -> None:
    async with connected_bot(server.address, "b1", silent=True) as bot:
        await ready(server, "b1")
        orders = [
            order("b1", start("c1"), 0.6, "run"),
            order("b1", start("c2"), 0.2, "run"),
            order("b1", start("c3"), 2.0, "run"),
        ]
        waiting = asyncio.create_task(perform(server, *orders))
        # c1 is never acked: c3 goes once its deadline has passed.
        assert [command.command_id for command in await bot.received(2)] == ["c1", "c3"]
        await bot.ack("c3")
        kinds = [outcome.kind for outcome in await waiting]
        assert kinds == [OutcomeKind.TIMED_OUT, OutcomeKind.NOT_HANDED_OVER, OutcomeKind.ACKED]


async def test_a_command_over_the_limit_is_refused_and_the_stream_lives(server: BotServer) -> None:
    huge = BotCommand(command_id="big", update_config=UpdateConfig(values={"x": "y" * 5_000_000}))
    async with connected_bot(server.address, "b1"):
        await ready(server, "b1")
        (refused,) = await perform(server, order("b1", huge))
        assert (refused.kind, refused.reason) == (OutcomeKind.NOT_HANDED_OVER, "the message is too large")
        assert (await server.streams.send_command_and_wait("b1", start(), 2.0)).success


# The default would let a client that reads nothing take in megabytes.
DEAF = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536)]


async def deaf_bot(server: BotServer, bot_id: str, channel: grpc.aio.Channel) -> Bot:
    """Says hello and never reads."""
    bot = Bot(bot_id, channel)
    await bot.say(BotMessage(bot_id=bot_id, hello=Hello()))
    await ready(server, bot_id)
    return bot


def bulky(command_id: str) -> BotCommand:
    return BotCommand(command_id=command_id, stop=Stop(reason="x" * 1_000_000))


async def test_a_client_that_does_not_read_is_refused_then_dropped() -> None:
    config = StreamingConfig(write_timeout=0.4, outbox_limit=8, client_disconnect_grace=0)
    async with (
        bot_server(config) as server,
        grpc.aio.insecure_channel(server.address, options=DEAF) as channel,
    ):
        await deaf_bot(server, "b1", channel)
        outcomes = await perform(server, *(order("b1", bulky(f"c{n}"), 30.0) for n in range(20)))
        reasons = [o.reason for o in outcomes if o.kind is OutcomeKind.NOT_HANDED_OVER]
        assert reasons.count("the outbox is full") >= 20 - 8 - 4
        assert "the client does not read what is sent to it" in reasons
        lost = [o for o in outcomes if o.kind is OutcomeKind.CONNECTION_LOST]
        assert len(lost) + len(reasons) == 20
        assert not await server.streams.send_to_client("b1", start())
        await until(lambda: server.streams.events == ["connected b1", "disconnected b1: stuck"])


async def test_a_stuck_client_holds_up_nobody_else(server: BotServer) -> None:
    async with (
        grpc.aio.insecure_channel(server.address, options=DEAF) as channel,
        connected_bot(server.address, "b2"),
    ):
        await deaf_bot(server, "b1", channel)
        await ready(server, "b2")
        stuck = [
            asyncio.ensure_future(server.streams.perform(order("b1", bulky(f"c{n}"), 1.0))) for n in range(8)
        ]
        (ack,) = await perform(server, order("b2", start()))
        assert ack.kind is OutcomeKind.ACKED
        assert not any(waiting.done() for waiting in stuck)
        kinds = {outcome.kind for outcome in await asyncio.gather(*stuck)}
        assert kinds == {OutcomeKind.TIMED_OUT, OutcomeKind.NOT_HANDED_OVER}


async def test_another_thread_with_its_own_loop_sees_the_ack_at_once(server: BotServer) -> None:
    async with connected_bot(server.address, "b1"):
        await ready(server, "b1")
        began = time.monotonic()
        ack = await asyncio.to_thread(asyncio.run, server.streams.send_command_and_wait("b1", start(), 10.0))
        assert ack.success
        assert time.monotonic() - began < 2.0


async def test_two_hundred_commands_at_once_to_one_client_all_arrive_once(server: BotServer) -> None:
    async with connected_bot(server.address, "b1") as bot:
        await ready(server, "b1")
        outcomes = await perform(server, *(order("b1", start(f"c{n}")) for n in range(200)))
        assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACKED}
        assert [command.command_id for command in bot.commands] == [f"c{n}" for n in range(200)]


async def test_a_unary_caller_with_a_short_deadline_gets_an_answer(server: BotServer) -> None:
    async with (
        connected_bot(server.address, "b1", silent=True),
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        await ready(server, "b1")
        call = BotStreamingStub(channel).ExecuteCommand
        answer = await call(SendCommandRequest(bot_id="b1", command=start()), timeout=1.2)
        assert answer.error == "CommandTimeoutError"


async def test_the_late_ack_of_an_earlier_attempt_spares_the_client_the_next(server: BotServer) -> None:
    async with connected_bot(server.address, "b1", silent=True) as bot:
        await ready(server, "b1")
        assert (await perform(server, order("b1", start("c1"), 0.2)))[0].kind is OutcomeKind.TIMED_OUT
        blocking = asyncio.create_task(perform(server, order("b1", start("c2"), 5.0, "run")))
        again = asyncio.create_task(perform(server, order("b1", start("c1"), 5.0, "run")))
        await bot.received(2)
        await bot.ack("c1")
        assert (await again)[0].kind is OutcomeKind.ACKED
        await bot.ack("c2")
        assert (await blocking)[0].kind is OutcomeKind.ACKED
        await server.streams.send_to_client("b1", start("c3"))
        await bot.received(3)
        assert [command.command_id for command in bot.commands] == ["c1", "c2", "c3"]
