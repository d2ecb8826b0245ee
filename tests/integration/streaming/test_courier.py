"""The courier against nodes that work, break, freeze and come back."""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import grpc
import pytest

from crypto.grpc.streaming import Courier, CourierConfig, Order, Outcome, OutcomeKind
from tests.bots.bot import Bot, connected_bot
from tests.bots.grpc.services.wire import BotControlProtocol
from tests.bots.server import BotServer
from tests.bots.wire.bots_pb2 import BotCommand, Start, UpdateConfig

from .node import node
from .waiting import until

NOWHERE = "127.0.0.1:1"


def courier(config: CourierConfig | None = None) -> Courier[BotCommand]:
    return Courier(BotControlProtocol(), config=config)


def order(bot_id: str = "b1", timeout: float = 5.0, command_id: str = "") -> Order[BotCommand]:
    command = BotCommand(command_id=command_id or uuid4().hex, start=Start())
    return Order(bot_id, command.command_id, command, timeout)


async def until_reached(carrier: Courier[BotCommand], address: str, bot_id: str) -> None:
    """Until the node knows the bot."""
    async with asyncio.timeout(10):
        while (await carrier.call(address, order(bot_id))).kind is not OutcomeKind.ACKED:
            await asyncio.sleep(0.05)


async def test_coroutines_and_threads_share_one_control_call(server: BotServer) -> None:
    carrier = courier()
    async with connected_bot(server.address, "b1"):
        await until(lambda: server.streams.is_client_connected("b1"))
        by_coroutine = [carrier.call(server.address, order()) for _ in range(50)]

        def from_a_thread() -> list[Outcome]:
            return [carrier.execute(server.address, [order(), order()]).result(5)[0] for _ in range(5)]

        with ThreadPoolExecutor(40) as threads:
            by_thread = [asyncio.wrap_future(threads.submit(from_a_thread)) for _ in range(40)]
            outcomes = await asyncio.gather(*by_coroutine)
            for each in await asyncio.gather(*by_thread):
                outcomes += each
        assert len(outcomes) == 250
        assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACKED}
        assert len(server.streams.controls) == 1
    await asyncio.to_thread(carrier.close)


async def test_what_one_reply_carried_comes_in_one_piece(server: BotServer) -> None:
    carrier, pieces, done = courier(), [], threading.Event()

    def take(outcomes: list[Outcome]) -> None:
        pieces.append(outcomes)
        if sum(map(len, pieces)) == 300:
            done.set()

    await asyncio.to_thread(carrier.submit, server.address, [order("absent") for _ in range(300)], take)
    assert await asyncio.to_thread(done.wait, 5)
    assert len(pieces) < 10
    await asyncio.to_thread(carrier.close)


async def test_handing_over_through_the_courier(server: BotServer) -> None:
    carrier = courier()
    async with connected_bot(server.address, "b1", silent=True) as bot:
        await until(lambda: server.streams.is_client_connected("b1"))
        assert (await carrier.call(server.address, order(timeout=0))).kind is OutcomeKind.HANDED_OVER
        await bot.received(1)
    await asyncio.to_thread(carrier.close)


async def test_an_unreachable_node_means_it_never_left() -> None:
    carrier = courier()
    outcome = await asyncio.wait_for(carrier.call(NOWHERE, order()), 6)
    assert outcome.kind is OutcomeKind.NOT_HANDED_OVER
    assert "UNAVAILABLE" in outcome.reason
    await asyncio.to_thread(carrier.close)


async def test_a_command_too_large_is_refused_and_the_control_call_lives(server: BotServer) -> None:
    carrier = courier()
    huge = BotCommand(command_id="big", update_config=UpdateConfig(values={"x": "y" * 5_000_000}))
    async with connected_bot(server.address, "b1"):
        await until(lambda: server.streams.is_client_connected("b1"))
        small, refused = order(), Order("b1", "big", huge, 5.0)
        outcomes = await asyncio.wrap_future(carrier.execute(server.address, [small, refused]))
        kinds = {outcome.command_id: outcome.kind for outcome in outcomes}
        assert kinds == {small.command_id: OutcomeKind.ACKED, "big": OutcomeKind.NOT_HANDED_OVER}
    await asyncio.to_thread(carrier.close)


async def test_large_commands_are_split_over_batches(server: BotServer) -> None:
    carrier = courier()
    orders = []
    for n in range(6):
        config = UpdateConfig(values={"x": "y" * 900_000})
        orders.append(Order("b1", f"c{n}", BotCommand(command_id=f"c{n}", update_config=config), 10.0))
    async with connected_bot(server.address, "b1"):
        await until(lambda: server.streams.is_client_connected("b1"))
        outcomes = await asyncio.wrap_future(carrier.execute(server.address, orders))
        assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACKED}
    await asyncio.to_thread(carrier.close)


async def test_the_same_order_twice_is_one_delivery(server: BotServer) -> None:
    carrier = courier()
    async with connected_bot(server.address, "b1") as bot:
        await until(lambda: server.streams.is_client_connected("b1"))
        twice = [order(command_id="c1"), order(command_id="c1")]
        outcomes = await asyncio.wrap_future(carrier.execute(server.address, twice))
        assert [outcome.kind for outcome in outcomes] == [OutcomeKind.ACKED] * 2
        assert len(bot.commands) == 1
    await asyncio.to_thread(carrier.close)


async def test_a_node_killed_in_mid_flight_then_back() -> None:
    carrier = courier()
    with node() as running:
        async with connected_bot(running.address, "b1", silent=True) as bot:
            waiting = asyncio.create_task(carrier.call(running.address, order(timeout=30.0)))
            while (await asyncio.wait({waiting}, timeout=0.05))[0]:
                waiting = asyncio.create_task(carrier.call(running.address, order(timeout=30.0)))
            await bot.received(1)
            running.kill()
            outcome = await asyncio.wait_for(waiting, 5)
            assert outcome.kind is OutcomeKind.CONNECTION_LOST
            refused = await asyncio.wait_for(carrier.call(running.address, order()), 6)
            assert refused.kind is OutcomeKind.NOT_HANDED_OVER
        await asyncio.to_thread(running.start)
        async with connected_bot(running.address, "b1"):
            await until_reached(carrier, running.address, "b1")
    await asyncio.to_thread(carrier.close)


async def test_a_frozen_node_times_out_and_its_late_word_is_not_lost() -> None:
    protocol = BotControlProtocol()
    carrier = Courier(protocol, config=CourierConfig(margin=0.3))
    with node() as running:
        async with connected_bot(running.address, "b1") as bot:
            await until_reached(carrier, running.address, "b1")
            bot.silent = True
            waiting = asyncio.create_task(
                carrier.call(running.address, order(timeout=1.0, command_id="late"))
            )
            while bot.commands[-1].command_id != "late":
                await bot.received(len(bot.commands) + 1)
            running.freeze()
            await bot.ack("late")
            assert (await asyncio.wait_for(waiting, 3)).kind is OutcomeKind.TIMED_OUT
            running.thaw()
            await until(lambda: len(protocol.unclaimed) == 1)
            assert protocol.unclaimed[0].command_id == "late"
    await asyncio.to_thread(carrier.close)


async def test_acks_for_a_caller_that_is_gone_are_kept_by_the_node(server: BotServer) -> None:
    async with connected_bot(server.address, "b1", silent=True) as bot:
        await until(lambda: server.streams.is_client_connected("b1"))
        async with grpc.aio.insecure_channel(server.address) as channel:
            call = BotControlProtocol().open(channel)
            await call.write(
                BotControlProtocol().pack([order(command_id="c1"), order(command_id="c2", timeout=0.3)])
            )
            await bot.received(2)
            call.cancel()
        await bot.ack("c1")
        await until(lambda: len(server.servicer.undelivered) == 2)
    kinds = {outcome.command_id: outcome.kind for outcome in server.servicer.undelivered}
    assert kinds == {"c1": OutcomeKind.ACKED, "c2": OutcomeKind.TIMED_OUT}


async def test_a_caller_that_half_closes_still_gets_every_outcome(server: BotServer) -> None:
    async with connected_bot(server.address, "b1", silent=True) as bot:
        await until(lambda: server.streams.is_client_connected("b1"))
        async with grpc.aio.insecure_channel(server.address) as channel:
            call = BotControlProtocol().open(channel)
            await call.write(BotControlProtocol().pack([order(command_id="c1")]))
            await call.done_writing()
            await bot.received(1)
            await bot.ack("c1")
            reply = await call.read()
            assert [outcome.command_id for outcome in reply.outcomes] == ["c1"]
            assert await call.read() is grpc.aio.EOF
            assert await call.code() is grpc.StatusCode.OK


async def test_a_drain_tells_all_before_it_ends_the_control_call(server: BotServer) -> None:
    carrier = courier()
    async with connected_bot(server.address, "b1", silent=True) as bot:
        await until(lambda: server.streams.is_client_connected("b1"))
        waiting = asyncio.create_task(carrier.call(server.address, order(command_id="c1")))
        await bot.received(1)
        draining = asyncio.create_task(server.streams.drain())
        await bot.received(2)
        await bot.ack("c1")
        assert (await waiting).kind is OutcomeKind.ACKED
        await asyncio.wait_for(draining, 3)
        await until(lambda: not server.streams.controls)
    await asyncio.to_thread(carrier.close)


async def test_a_full_window_makes_threads_and_coroutines_wait(server: BotServer) -> None:
    carrier = courier(CourierConfig(window=2))
    async with connected_bot(server.address, "b1", silent=True) as bot:
        await until(lambda: server.streams.is_client_connected("b1"))
        tasks = [asyncio.create_task(carrier.call(server.address, order())) for _ in range(2)]
        await bot.received(2)
        tasks.append(asyncio.create_task(carrier.call(server.address, order())))
        thread = asyncio.create_task(asyncio.to_thread(carrier.execute, server.address, [order()]))
        done, _ = await asyncio.wait({thread}, timeout=0.2)
        assert not done
        assert len(bot.commands) == 2
        bot.silent = False
        for command in bot.commands[:2]:
            await bot.ack(command.command_id)
        assert {outcome.kind for outcome in await asyncio.gather(*tasks)} == {OutcomeKind.ACKED}
        assert (await asyncio.wrap_future(await thread))[0].kind is OutcomeKind.ACKED
    await asyncio.to_thread(carrier.close)


async def test_closing_answers_what_is_under_way(server: BotServer) -> None:
    carrier = courier()
    async with connected_bot(server.address, "b1", silent=True) as bot:
        await until(lambda: server.streams.is_client_connected("b1"))
        waiting = asyncio.create_task(carrier.call(server.address, order(timeout=30)))
        await bot.received(1)
        await asyncio.to_thread(carrier.close, 0.1)
        assert (await asyncio.wait_for(waiting, 2)).kind is OutcomeKind.CONNECTION_LOST


async def test_a_courier_may_live_on_the_callers_loop(server: BotServer) -> None:
    carrier = Courier(BotControlProtocol(), loop=asyncio.get_running_loop())
    async with connected_bot(server.address, "b1"):
        await until(lambda: server.streams.is_client_connected("b1"))
        assert (await carrier.call(server.address, order())).kind is OutcomeKind.ACKED
        await carrier.aclose()


async def test_a_fork_after_use_is_refused_with_the_reason() -> None:
    carrier = courier()
    await carrier.call(NOWHERE, order())
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            carrier.submit(NOWHERE, [order()], lambda outcomes: None)
        except RuntimeError as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    assert b"fork" in os.read(read, 200)
    os.close(read)
    await asyncio.to_thread(carrier.close)


@pytest.mark.parametrize("silent", [False, True])
async def test_many_bots_one_batch(server: BotServer, silent: bool) -> None:
    carrier = courier()
    async with grpc.aio.insecure_channel(server.address) as channel:
        bots = [Bot(f"b{n}", channel) for n in range(60)]
        for bot in bots:
            bot.silent = silent and bot.bot_id.endswith("7")
            await bot.hello()
        await until(lambda: len(server.streams.get_active_clients()) == 60)
        orders = [order(bot.bot_id, timeout=0.5) for bot in bots]
        outcomes = await asyncio.wrap_future(carrier.execute(server.address, orders))
        timed_out = [o.client_id for o in outcomes if o.kind is OutcomeKind.TIMED_OUT]
        assert sorted(timed_out) == [f"b{n}" for n in (17, 27, 37, 47, 57, 7)] * silent
        assert len(outcomes) == 60
        for bot in bots:
            await bot.leave()
    await asyncio.to_thread(carrier.close)
