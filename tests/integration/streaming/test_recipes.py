"""What pages about the streaming core show, pasted: a service of plain functions, whose servicer yields."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import grpc
import pytest

from crypto.grpc.streaming import (
    BidirectionalStreamingService,
    ClientNotConnectedError,
    CommandError,
    InvalidMessage,
    StreamingCommandClient,
    StreamingConfig,
    server_options,
)
from tests.bots.bot import Bot, connected_bot
from tests.bots.wire.bots_pb2 import (
    BotCommand,
    BotMessage,
    CommandAck,
    Goodbye,
    Hello,
    Ping,
    Report,
    SendCommandRequest,
    SendCommandResponse,
    Start,
    Stop,
)
from tests.bots.wire.bots_pb2_grpc import (
    BotStreamingServicer,
    BotStreamingStub,
    add_BotStreamingServicer_to_server,
)

from .test_commands import DEAF
from .waiting import until

pytestmark = pytest.mark.parametrize("yields", [True, False], ids=["yields", "awaits"])


class BotConfig(StreamingConfig):
    service_name = "bots"
    heartbeat_interval = 20
    heartbeat_timeout = 60
    client_disconnect_grace = 0


def extract_bot_id(message: BotMessage) -> str | None:
    return message.bot_id or None


def extract_ack(message: BotMessage) -> CommandAck | None:
    return message.ack if message.HasField("ack") else None


def extract_report(message: BotMessage) -> Report | None:
    return message.report if message.HasField("report") else None


def create_ping(sequence: list[int]) -> BotCommand:
    sequence.append(len(sequence))
    return BotCommand(command_id=f"ping-{len(sequence)}", ping=Ping())


async def process(
    client_id: str, message: BotMessage, output_queue: Any, seen: list[Any], streaming_service: Any = None
) -> None:
    connected = streaming_service.is_client_connected(client_id)
    seen.append((client_id, message.WhichOneof("payload"), connected))
    if message.hello.strategy == "refuse me":
        raise InvalidMessage("no such strategy")
    await output_queue.put(BotCommand(command_id="welcome", stop=Stop(reason=message.hello.strategy)))


def handle_report(client_id: str, heartbeat: Report, metadata: dict[str, Any], beats: list[Any]) -> None:
    beats.append((client_id, heartbeat.profit, metadata.get("version")))


class Servicer(BotStreamingServicer):
    """Its `Connect` awaits the stream; see Yielding."""

    def __init__(self, config: Any = BotConfig) -> None:
        self.seen: list[Any] = []
        self.beats: list[Any] = []
        self.pings: list[int] = []
        self.service: BidirectionalStreamingService[Any, Any, Any] = BidirectionalStreamingService(
            config=config,
            message_processor=partial(process, seen=self.seen),
            client_id_extractor=extract_bot_id,
            ping_message_creator=partial(create_ping, self.pings),
            command_ack_extractor=extract_ack,
            heartbeat_extractor=extract_report,
            heartbeat_callback=partial(handle_report, beats=self.beats),
        )
        self.logger = self.service.logger

    async def SendCommand(self, request: SendCommandRequest, context: Any) -> SendCommandResponse:
        sent = await self.service.send_to_client(client_id=request.bot_id, command=request.command)
        return SendCommandResponse(success=sent)

    async def ExecuteCommand(self, request: SendCommandRequest, context: Any) -> CommandAck:
        try:
            ack: CommandAck = await self.service.send_command_and_wait(
                client_id=request.bot_id, command=request.command, timeout=5.0
            )
        except CommandError as error:
            return CommandAck(command_id=request.command.command_id, error=type(error).__name__)
        return ack

    async def Connect(self, request_iterator: Any, context: Any) -> Any:  # type: ignore[override]
        await self.service.handle_stream(request_iterator, context)

    async def Control(self, request_iterator: Any, context: Any) -> Any:  # type: ignore[override]
        raise NotImplementedError


class Yielding(Servicer):
    async def Connect(  # type: ignore[override]
        self, request_iterator: Any, context: Any
    ) -> AsyncIterator[BotCommand]:
        async for command in self.service.handle_stream(request_iterator, context):
            yield command


class Impatient(Servicer):
    async def Connect(  # type: ignore[override]
        self, request_iterator: Any, context: Any
    ) -> AsyncIterator[BotCommand]:
        async for command in self.service.handle_stream(request_iterator, context):
            yield command
            return


class BotCommandClient(StreamingCommandClient[BotCommand]):
    stub_class = BotStreamingStub
    request_class = SendCommandRequest
    rpc_method_name = "SendCommand"
    client_id_field = "bot_id"


@asynccontextmanager
async def serving(
    yields: bool, config: Any = BotConfig, kind: type[Servicer] | None = None
) -> AsyncIterator[tuple[Servicer, str]]:
    servicer = (kind or (Yielding if yields else Servicer))(config)
    server = grpc.aio.server(options=server_options(servicer.service.config))
    add_BotStreamingServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield servicer, f"127.0.0.1:{port}"
    finally:
        await server.stop(1.0)


def start() -> BotCommand:
    return BotCommand(command_id=uuid4().hex, start=Start())


async def test_messages_heartbeats_acks_and_answers(yields: bool) -> None:
    async with serving(yields) as (servicer, address), connected_bot(address, "b1", silent=True) as bot:
        (welcome,) = await bot.received(1)
        assert welcome.stop.reason == "grid"
        assert servicer.seen == [("b1", "hello", True)]
        command = start()
        waiting = asyncio.create_task(servicer.service.send_command_and_wait("b1", command, 10.0))
        await bot.received(2)
        await bot.ack(command.command_id)
        assert (await waiting).message == "by b1"
        assert await servicer.service.send_to_client("b1", command)
        await bot.ack(command.command_id)  # nobody waits for it
        await bot.report(7)
        await until(lambda: servicer.beats == [("b1", 7, None)])
        await bot.say(BotMessage(report=Report(profit=8)))  # names nobody: it is the stream's own client
        await until(lambda: len(servicer.beats) == 2)
        await bot.received(3)
        assert servicer.seen == [("b1", "hello", True)]
        assert servicer.service.get_active_clients() == ["b1"]
        assert servicer.logger.name.endswith(".bots")


async def test_a_thin_adapter_sends_and_waits_from_anywhere(yields: bool) -> None:
    async with serving(yields) as (servicer, address), connected_bot(address, "b1"):
        await until(lambda: servicer.service.is_client_connected("b1"))
        host, port = address.split(":")
        clients = [
            BotCommandClient(client_id="b1", grpc_host=host, grpc_port=int(port)),
            BotCommandClient(client_id="b1", streaming_service=servicer.service, grpc_port=1),
        ]
        for client in clients:
            assert await client.send(start())
            assert (await client.send_and_wait(start(), 10.0)).message == "by b1"
            assert (await client.send_command_and_wait(start(), timeout=10.0)).success
        nobody = BotCommandClient(client_id="b2", grpc_port=int(port))
        assert not await nobody.send(start())
        with pytest.raises(ClientNotConnectedError):
            await nobody.send_and_wait(start(), 10.0)


async def test_a_refused_first_message_does_not_end_the_stream(yields: bool) -> None:
    async with serving(yields) as (servicer, address), grpc.aio.insecure_channel(address) as channel:
        bot = Bot("b1", channel)
        await bot.say(BotMessage(bot_id="b1", hello=Hello(strategy="refuse me")))
        await bot.report(1)
        await until(lambda: len(servicer.beats) == 1)
        assert servicer.service.invalid_messages == 1
        await bot.leave()


async def test_a_first_message_that_names_nobody_is_refused(yields: bool) -> None:
    async with serving(yields) as (_, address), grpc.aio.insecure_channel(address) as channel:
        bot = Bot("b1", channel)
        await bot.say(BotMessage(hello=Hello()))
        code, sentence = await bot.ended()
        assert (code, "name" in sentence) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_what_a_client_calls_with_is_the_metadata_of_its_heartbeats(yields: bool) -> None:
    async with serving(yields) as (servicer, address), grpc.aio.insecure_channel(address) as channel:
        call: Any = BotStreamingStub(channel).Connect(metadata=(("version", "1.2"),))
        for _ in range(2):  # the first message may be one
            await call.write(BotMessage(bot_id="b1", report=Report(profit=3)))
        await until(lambda: servicer.beats == [("b1", 3, "1.2")] * 2)
        assert servicer.seen == []
        call.cancel()


async def test_pings_are_made_and_their_acks_are_life(yields: bool) -> None:
    config = StreamingConfig(heartbeat_interval=0.3, heartbeat_timeout=0.8, ping_interval=0.2)
    async with serving(yields, config) as (servicer, address), connected_bot(address, "b1") as bot:
        await bot.received(8)
        assert len(servicer.pings) >= 7
        assert servicer.service.is_client_connected("b1")
        assert len(servicer.seen) == 1


async def test_a_ping_that_cannot_be_made_ends_its_own_stream_only(yields: bool) -> None:
    config = StreamingConfig(ping_interval=0.2, client_disconnect_grace=0)
    async with serving(yields, config) as (servicer, address), connected_bot(address, "b1") as bot:
        servicer.service._create_ping = lambda: 1 // 0
        assert await bot.ended() == (grpc.StatusCode.INTERNAL, "internal error")
        servicer.service._create_ping = None
        async with connected_bot(address, "b2", silent=True):
            await until(lambda: servicer.service.is_client_connected("b2"))
            # Deadlines go on.
            with pytest.raises(CommandError, match="no ack"):
                await servicer.service.send_command_and_wait("b2", start(), 0.2)


async def test_a_processor_that_fails_ends_the_stream(yields: bool) -> None:
    async def fail(client_id: str, message: BotMessage, output_queue: Any) -> None:
        raise LookupError("secret detail")

    async with serving(yields) as (servicer, address):
        BidirectionalStreamingService.__init__(
            servicer.service, message_processor=fail, client_id_extractor=extract_bot_id
        )
        async with connected_bot(address, "b1") as bot:
            assert await bot.ended() == (grpc.StatusCode.INTERNAL, "internal error")
        assert servicer.service.get_active_clients() == []


async def test_the_newest_connection_wins_and_a_drain_ends_all(yields: bool) -> None:
    async with serving(yields) as (servicer, address), connected_bot(address, "b1") as old:
        await old.received(1)
        async with connected_bot(address, "b1") as new:
            assert (await old.ended())[0] is grpc.StatusCode.ABORTED
            await new.received(1)
            assert (await servicer.service.send_command_and_wait("b1", start(), 10.0)).success
            await servicer.service.drain()
            assert (await new.ended())[0] is grpc.StatusCode.UNAVAILABLE
        async with connected_bot(address, "b1") as late:
            assert (await late.ended())[0] is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("way", ["cancels", "ends its side", "closes the channel"])
async def test_a_client_that_leaves_is_gone(yields: bool, way: str) -> None:
    async with serving(yields) as (servicer, address):
        channel = grpc.aio.insecure_channel(address)
        bot = Bot("b1", channel)
        await bot.hello()
        await bot.received(1)
        if way == "cancels":
            bot.call.cancel()
        elif way == "ends its side":
            await bot.call.done_writing()
            assert (await bot.ended())[0] is grpc.StatusCode.OK
        else:
            await channel.close()
        await until(lambda: not servicer.service.is_client_connected("b1"))
        await until(lambda: not servicer.service._open)
        await channel.close()


async def test_a_client_that_does_not_read_is_dropped(yields: bool) -> None:
    config = StreamingConfig(write_timeout=0.4, outbox_limit=4, client_disconnect_grace=0)
    written = 0

    async def flood(client_id: str, message: BotMessage, output_queue: Any) -> None:
        nonlocal written
        while written < 100:
            await output_queue.put(BotCommand(command_id="flood", stop=Stop(reason="x" * 1_000_000)))
            written += 1

    async with (
        serving(yields, config) as (servicer, address),
        grpc.aio.insecure_channel(address, options=DEAF) as channel,
    ):
        BidirectionalStreamingService.__init__(
            servicer.service, config, message_processor=flood, client_id_extractor=extract_bot_id
        )
        bot = Bot("b1", channel)
        await bot.say(BotMessage(bot_id="b1", hello=Hello()))
        await until(lambda: servicer.service.is_client_connected("b1"))
        await until(lambda: 4 < written < 20)  # then the processor waits for room
        await until(lambda: not servicer.service._open)
        assert written == 100  # what is put in after the end goes nowhere, and nobody waits


async def test_the_output_queue_says_what_it_does_not_take(yields: bool) -> None:
    told: list[Any] = []

    async def check(client_id: str, message: BotMessage, output_queue: Any) -> None:
        told.append((output_queue.empty(), output_queue.qsize(), output_queue.full()))
        with pytest.raises(ValueError, match="too large"):
            await output_queue.put(BotCommand(command_id="1", stop=Stop(reason="x" * 5_000_000)))
        output_queue.put_nowait(BotCommand(command_id="2", goodbye=Goodbye()))
        told.append((output_queue.empty(), output_queue.qsize(), output_queue.full()))
        with pytest.raises(asyncio.QueueFull):
            output_queue.put_nowait(BotCommand(command_id="3", goodbye=Goodbye()))

    config = StreamingConfig(outbox_limit=1)
    async with serving(yields, config) as (servicer, address):
        BidirectionalStreamingService.__init__(
            servicer.service, config, message_processor=check, client_id_extractor=extract_bot_id
        )
        async with connected_bot(address, "b1", silent=True) as bot:
            assert [command.command_id for command in await bot.received(1)] == ["2"]
    assert told == [(True, 0, False), (False, 1, True)]


async def test_commands_without_an_id_are_all_handed_over(yields: bool) -> None:
    async with serving(yields) as (servicer, address), connected_bot(address, "b1", silent=True) as bot:
        await bot.received(1)
        sent = [servicer.service.send_to_client("b1", BotCommand(goodbye=Goodbye())) for _ in range(5)]
        assert await asyncio.gather(*sent) == [True] * 5
        assert len(await bot.received(6)) == 6
        with pytest.raises(CommandError, match="command_id"):
            await servicer.service.send_command_and_wait("b1", BotCommand(start=Start()), 10.0)


async def test_a_servicer_may_stop_before_the_stream_is_over(yields: bool) -> None:
    async with (
        serving(yields, kind=Impatient if yields else Servicer) as (servicer, address),
        connected_bot(address, "b1") as bot,
    ):
        await bot.received(1)
        if yields:
            assert (await bot.ended())[0] is grpc.StatusCode.OK
        else:
            await bot.leave()
        await until(lambda: not servicer.service._open)
        assert servicer.service.get_active_clients() == []


async def test_without_grpc_at_all(yields: bool) -> None:
    """Any asynchronous iterator of messages will do, and what is yielded can be collected."""

    class Context:
        def __init__(self) -> None:
            self.written: list[BotCommand] = []

        async def write(self, command: BotCommand) -> None:
            self.written.append(command)

    go_on = asyncio.Event()

    async def messages() -> AsyncIterator[BotMessage]:
        yield BotMessage(bot_id="b1", hello=Hello(strategy="grid"))
        await go_on.wait()

    servicer, context = Servicer(), Context()
    call = servicer.service.handle_stream(messages(), context)
    if yields:
        async for command in call:
            context.written.append(command)
            go_on.set()
    else:
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        await call
    assert [command.command_id for command in context.written] == ["welcome"]
    assert servicer.service.get_active_clients() == []
