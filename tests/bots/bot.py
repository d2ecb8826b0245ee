"""A bot: the other end of a stream, for tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc

from tests.bots.wire.bots_pb2 import BotCommand, BotMessage, CommandAck, Hello, Report
from tests.bots.wire.bots_pb2_grpc import BotStreamingStub


class Bot:
    """Answers every command unless told to be silent; keeps what it was told."""

    def __init__(self, bot_id: str, channel: grpc.aio.Channel) -> None:
        self.bot_id = bot_id
        self.commands: list[BotCommand] = []
        self.silent = False
        self.call: Any = BotStreamingStub(channel).Connect()
        self._news = asyncio.Condition()
        self._reader: asyncio.Task[None] | None = None

    async def hello(self) -> None:
        with suppress(grpc.RpcError, asyncio.InvalidStateError):  # it may be refused before it is said
            await self.say(BotMessage(bot_id=self.bot_id, hello=Hello(strategy="grid")))
        self._reader = asyncio.create_task(self._read())

    async def say(self, message: BotMessage) -> None:
        await self.call.write(message)

    async def report(self, profit: float) -> None:
        await self.say(BotMessage(bot_id=self.bot_id, report=Report(profit=profit)))

    async def ack(self, command_id: str, success: bool = True) -> None:
        ack = CommandAck(command_id=command_id, success=success, message=f"by {self.bot_id}")
        await self.say(BotMessage(bot_id=self.bot_id, ack=ack))

    async def received(self, count: int) -> list[BotCommand]:
        """Wait until so many commands have come."""
        async with asyncio.timeout(30), self._news:
            await self._news.wait_for(lambda: len(self.commands) >= count)
        return self.commands

    async def ended(self) -> tuple[grpc.StatusCode, str]:
        """Wait for the end of the stream and say how it ended."""
        async with asyncio.timeout(30):
            return await self.call.code(), await self.call.details()

    async def leave(self) -> None:
        self.call.cancel()
        if self._reader is not None:
            await asyncio.wait({self._reader})

    async def _read(self) -> None:
        try:
            while (command := await self.call.read()) is not grpc.aio.EOF:
                async with self._news:
                    self.commands.append(command)
                    self._news.notify_all()
                if not self.silent and command.WhichOneof("command") != "goodbye":
                    await self.ack(command.command_id)
        except (grpc.RpcError, asyncio.InvalidStateError, asyncio.CancelledError):
            return


@asynccontextmanager
async def connected_bot(address: str, bot_id: str, *, silent: bool = False) -> AsyncIterator[Bot]:
    """A bot with a connection of its own, whose hello is on its way."""
    async with grpc.aio.insecure_channel(address) as channel:
        bot = Bot(bot_id, channel)
        bot.silent = silent
        await bot.hello()
        try:
            yield bot
        finally:
            await bot.leave()
