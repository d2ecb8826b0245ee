"""How streams begin and end."""

import asyncio

import grpc
import pytest

from crypto.grpc.streaming import CommandTimeoutError, InvalidMessage, Session, StreamingConfig
from tests.bots.bot import Bot, connected_bot
from tests.bots.server import BotServer, bot_server
from tests.bots.wire.bots_pb2 import BotCommand, BotMessage, Hello, Report, Start

from .conftest import QUICK
from .waiting import until


async def first_message(server: BotServer, message: BotMessage) -> tuple[grpc.StatusCode, str]:
    async with grpc.aio.insecure_channel(server.address) as channel:
        bot = Bot("b1", channel)
        await bot.say(message)
        return await bot.ended()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (BotMessage(hello=Hello()), grpc.StatusCode.INVALID_ARGUMENT),
        (BotMessage(bot_id="b1", report=Report()), grpc.StatusCode.FAILED_PRECONDITION),
    ],
)
async def test_a_bad_first_message_ends_the_stream_with_a_sentence(
    server: BotServer, message: BotMessage, code: grpc.StatusCode
) -> None:
    ended_with, sentence = await first_message(server, message)
    assert ended_with is code
    assert sentence
    assert server.streams.get_active_clients() == []
    assert server.streams.events == []


async def test_another_id_in_mid_stream_ends_the_stream(server: BotServer) -> None:
    async with connected_bot(server.address, "b1") as bot:
        await bot.say(BotMessage(bot_id="b2", report=Report(profit=1)))
        code, sentence = await bot.ended()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "client id" in sentence
    assert server.streams.events == ["connected b1", "disconnected b1: violation"]


async def test_a_bad_message_is_counted_and_the_stream_lives(server: BotServer) -> None:
    async with connected_bot(server.address, "b1") as bot:
        await bot.report(-1)
        await bot.report(7)
        await until(lambda: server.streams.profits.get("b1") == 7)
    assert server.streams.invalid_messages == 1


async def test_a_message_over_the_limit_is_resource_exhausted(server: BotServer) -> None:
    huge = BotMessage(bot_id="b1", hello=Hello(strategy="x" * 5_000_000))
    code, _ = await first_message(server, huge)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_failing_hook_ends_the_stream_and_cleans_up(
    server: BotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(session: Session, message: BotMessage) -> None:
        raise LookupError("secret detail")

    monkeypatch.setattr(server.streams, "on_message", fail)
    async with connected_bot(server.address, "b1") as bot:
        await bot.report(1)
        assert await bot.ended() == (grpc.StatusCode.INTERNAL, "internal error")
    assert server.streams.events == ["connected b1", "disconnected b1: failed"]


async def test_a_client_refused_on_connect_was_never_there(
    server: BotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(session: Session, message: BotMessage) -> None:
        raise LookupError

    monkeypatch.setattr(server.streams, "on_connected", fail)
    async with connected_bot(server.address, "b1") as bot:
        assert (await bot.ended())[0] is grpc.StatusCode.INTERNAL
    assert server.streams.events == []
    assert not server.streams.is_client_connected("b1")


async def test_a_registration_found_invalid_by_a_hook_ends_the_stream(
    server: BotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(session: Session, message: BotMessage) -> None:
        raise InvalidMessage("no such strategy")

    monkeypatch.setattr(server.streams, "on_connected", refuse)
    async with connected_bot(server.address, "b1") as bot:
        assert await bot.ended() == (grpc.StatusCode.INVALID_ARGUMENT, "no such strategy")


async def test_connect_hooks_of_one_client_never_overlap(
    server: BotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work: list[Session] = []
    begun, go_on = asyncio.Event(), asyncio.Event()
    plain = server.streams.on_connected

    async def slowly(session: Session, message: BotMessage) -> None:
        at_work.append(session)
        begun.set()
        assert len(at_work) == 1
        await go_on.wait()
        at_work.remove(session)
        await plain(session, message)

    monkeypatch.setattr(server.streams, "on_connected", slowly)
    async with (
        connected_bot(server.address, "b1"),
        connected_bot(server.address, "b1"),
        connected_bot(server.address, "b1"),
    ):
        await begun.wait()
        await until(lambda: server.streams.seen == 3)
        go_on.set()
        await until(lambda: server.streams.is_client_connected("b1"))
        assert server.streams.events == ["connected b1", "resumed b1"]


async def test_a_connection_without_a_first_message_is_closed(quick_server: BotServer) -> None:
    async with grpc.aio.insecure_channel(quick_server.address) as channel:
        assert (await Bot("b1", channel).ended())[0] is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_client_that_falls_silent_is_gone(quick_server: BotServer) -> None:
    async with connected_bot(quick_server.address, "b1") as bot:
        await until(lambda: quick_server.streams.is_client_connected("b1"))
        assert (await bot.ended())[0] is grpc.StatusCode.DEADLINE_EXCEEDED
        assert not quick_server.streams.is_client_connected("b1")


async def test_any_message_is_a_sign_of_life(quick_server: BotServer) -> None:
    async with connected_bot(quick_server.address, "b1") as bot:
        for _ in range(8):
            await bot.report(1)
            await asyncio.sleep(0.2)
        assert quick_server.streams.is_client_connected("b1")


async def test_the_server_pings_and_the_answer_is_life() -> None:
    config = StreamingConfig(
        heartbeat_interval=0.3, heartbeat_timeout=0.8, ping_interval=0.2, client_disconnect_grace=0
    )
    async with bot_server(config) as server, connected_bot(server.address, "b1") as bot:
        await bot.received(8)
        assert server.streams.is_client_connected("b1")
        assert {command.WhichOneof("command") for command in bot.commands} == {"ping"}
        assert server.streams.orphans == []


async def test_half_close_ends_the_stream(server: BotServer) -> None:
    async with connected_bot(server.address, "b1") as bot:
        await until(lambda: server.streams.is_client_connected("b1"))
        await bot.call.done_writing()
        assert (await bot.ended())[0] is grpc.StatusCode.OK
        assert server.streams.events == ["connected b1", "disconnected b1: finished"]


async def test_a_client_that_dies_is_gone(server: BotServer) -> None:
    async with connected_bot(server.address, "b1", silent=True) as bot:
        await until(lambda: server.streams.is_client_connected("b1"))
        command = BotCommand(command_id="c1", start=Start())
        waiting = asyncio.create_task(server.streams.send_command_and_wait("b1", command, 30.0))
        await bot.received(1)
        await bot.leave()
        with pytest.raises(CommandTimeoutError, match=r"the client|the stream"):
            await asyncio.wait_for(waiting, 2.0)
        await until(lambda: len(server.streams.events) == 2)
    assert server.streams.get_active_connections() == {}


async def test_the_newest_connection_wins(server: BotServer) -> None:
    streams = server.streams
    async with connected_bot(server.address, "b1", silent=True) as old:
        await until(lambda: streams.is_client_connected("b1"))
        command = BotCommand(command_id="c1", start=Start())
        waiting = asyncio.create_task(streams.send_command_and_wait("b1", command, 30.0))
        await old.received(1)
        async with connected_bot(server.address, "b1") as new:
            assert (await old.ended())[0] is grpc.StatusCode.ABORTED
            with pytest.raises(CommandTimeoutError, match="newer connection"):
                await asyncio.wait_for(waiting, 2.0)
            await until(lambda: streams.is_client_connected("b1"))
            ack = await streams.send_command_and_wait("b1", BotCommand(command_id="c2", start=Start()), 2.0)
            assert ack.success
            assert [command.command_id for command in new.commands] == ["c2"]
            assert streams.events == ["connected b1", "resumed b1"]
    await until(lambda: len(streams.events) == 3)


async def test_many_connections_of_one_client_leave_the_last(server: BotServer) -> None:
    async with grpc.aio.insecure_channel(server.address) as channel:
        bots = [Bot("b1", channel) for _ in range(30)]
        await asyncio.gather(*(bot.hello() for bot in bots))
        ended = [bot for bot in bots if await has_ended(bot)]
        assert len(ended) == 29
        await until(lambda: server.streams.is_client_connected("b1"))
        ack = await server.streams.send_command_and_wait("b1", BotCommand(command_id="c", start=Start()), 2.0)
        assert ack.success
        for bot in bots:
            await bot.leave()
        await until(lambda: any(event.startswith("disconnected") for event in server.streams.events))
    assert server.streams.events.count("connected b1") == 1
    assert sum(event.startswith("disconnected") for event in server.streams.events) == 1


async def has_ended(bot: Bot) -> bool:
    done, _ = await asyncio.wait({asyncio.ensure_future(bot.call.code())}, timeout=1.0)
    return bool(done)


async def test_back_within_the_grace_is_no_news(quick_server: BotServer) -> None:
    streams = quick_server.streams
    async with connected_bot(quick_server.address, "b1"):
        await until(lambda: streams.is_client_connected("b1"))
    await until(lambda: not streams.is_client_connected("b1"))
    async with connected_bot(quick_server.address, "b1"):
        await until(lambda: streams.is_client_connected("b1"))
        assert streams.events == ["connected b1", "resumed b1"]
    await until(lambda: len(streams.events) == 3)
    assert streams.events[2].startswith("disconnected b1")


async def test_a_hook_cut_short_by_a_disconnect_still_finishes(
    server: BotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    plain = server.streams.on_connected

    async def slowly(session: Session, message: BotMessage) -> None:
        begun.set()
        await go_on.wait()
        await plain(session, message)

    monkeypatch.setattr(server.streams, "on_connected", slowly)
    async with connected_bot(server.address, "b1") as bot:
        await begun.wait()
        await bot.leave()
        await asyncio.sleep(0.1)
        go_on.set()
        await until(lambda: len(server.streams.events) == 2)
    assert server.streams.events[0] == "connected b1"
    assert server.streams.events[1].startswith("disconnected b1")


async def test_a_drain_says_goodbye_waits_for_acks_and_ends_every_stream(server: BotServer) -> None:
    streams = server.streams
    async with connected_bot(server.address, "b1", silent=True) as bot, connected_bot(server.address, "b2"):
        await until(lambda: len(streams.get_active_clients()) == 2)
        command = BotCommand(command_id="c1", start=Start())
        waiting = asyncio.create_task(streams.send_command_and_wait("b1", command, 30.0))
        await bot.received(1)
        draining = asyncio.create_task(streams.drain())
        assert [c.WhichOneof("command") for c in await bot.received(2)] == ["start", "goodbye"]
        assert not await streams.send_to_client("b2", BotCommand(command_id="c2", start=Start()))
        async with connected_bot(server.address, "b3") as late:
            assert (await late.ended())[0] is grpc.StatusCode.UNAVAILABLE
        await bot.ack("c1")
        assert (await waiting).success
        await asyncio.wait_for(draining, 2.0)
        assert (await bot.ended())[0] is grpc.StatusCode.UNAVAILABLE
    assert sorted(streams.events[2:]) == ["disconnected b1: drained", "disconnected b2: drained"]


async def test_a_drain_is_bounded(quick_server: BotServer) -> None:
    streams = quick_server.streams
    async with connected_bot(quick_server.address, "b1", silent=True) as bot:
        await until(lambda: streams.is_client_connected("b1"))
        command = BotCommand(command_id="c1", start=Start())
        waiting = asyncio.create_task(streams.send_command_and_wait("b1", command, 30.0))
        await bot.received(1)
        await asyncio.wait_for(streams.drain(), QUICK.drain_timeout + 1.0)
        with pytest.raises(CommandTimeoutError):
            await waiting
