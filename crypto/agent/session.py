"""One registered stream: what is said first, what comes in, and the heartbeat."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from crypto.agent.dispatcher import Dispatcher
from crypto.agent.identity import Identity
from crypto.agent.journal import Journal
from crypto.agent.outbox import Outbox
from crypto.agent.stats import Stats
from crypto.agent.stream import Stream
from crypto.wire.crypto_streaming_pb2 import ClientMessage, HeartbeatUpdate

SETTLED, SETTLED_UNTOLD = 2.0, 15.0
"""Seconds without an answer after which a client counts as connected. A client of the first contract gets no answer to
its registration; any other gets one at once, except from a server that knows the first contract only."""

SOONEST = 0.1
"""Least number of seconds to wait when the server asks the client to connect again."""


class Session:
    """Ends when the server ends the stream, when it is cut, or when the time of a reconnect hint is over."""

    __slots__ = (
        "_backlog", "_connected", "_dispatcher", "_heartbeat", "_identity", "_journal",
        "_outbox", "_stats", "_tasks", "_timers", "again_at", "stream",
    )  # fmt: skip

    def __init__(
        self,
        stream: Stream,
        identity: Identity,
        journal: Journal,
        outbox: Outbox,
        dispatcher: Dispatcher,
        stats: Stats,
        *,
        heartbeat: float,
        connected: Callable[[], None],
    ) -> None:
        """`connected` is called once, when the server has accepted the stream."""
        self.stream = stream
        self._identity, self._journal, self._outbox, self._dispatcher = identity, journal, outbox, dispatcher
        self._stats, self._heartbeat, self._connected = stats, heartbeat, connected
        self._backlog: list[ClientMessage] = []
        """Reports sent on an earlier stream, sent again once this server has acknowledged anything."""
        self.again_at: float | None = None
        """Loop time at which the server wants the client back; None if it did not say."""
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def greet(self, registration: ClientMessage) -> None:
        """Registers, presents the journal, then sends everything else, beginning with unsent reports."""
        unsent, self._backlog = self._outbox.start_stream()
        await self.stream.send_first(registration)
        if not self._identity.first_contract:
            digest = ClientMessage(journal_digest=await self._journal.digest())
            await self.stream.send_first(self._identity.envelope(digest))
        for message in unsent:
            await self.stream.send(message)
        silence = SETTLED if self._identity.first_contract else SETTLED_UNTOLD
        self._timers["settled"] = asyncio.get_running_loop().call_later(silence, self._settled)
        self._plan_beat(self._heartbeat * random.uniform(0.5, 1.0))
        await self.stream.open()

    async def serve(self) -> None:
        """Reads until the stream ends. Raises AioRpcError if it ends badly."""
        while (message := await self.stream.read()) is not None:
            self._settled()
            match message.WhichOneof("command"):
                case "message_ack":
                    self._stats.acknowledged += self._outbox.remove(list(message.message_ack.message_ids))
                    await self._resend()
                case "journal_ack":
                    self._journal.settle(list(message.journal_ack.command_ids))
                    await self._resend()
                case "reconnect":
                    self._leave_after(message.reconnect.after_ms / 1000)
                case _:
                    await self._dispatcher.deliver(message)

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self.stream.cut()

    def _settled(self) -> None:
        if timer := self._timers.pop("settled", None):
            timer.cancel()
            self._connected()

    async def _resend(self) -> None:
        backlog, self._backlog = self._backlog, []
        for message in backlog:
            if message in self._outbox:
                await self.stream.send(message)

    def _leave_after(self, seconds: float) -> None:
        seconds = max(seconds, SOONEST) * random.uniform(0.5, 1.5)
        loop = asyncio.get_running_loop()
        self.again_at = loop.time() + seconds
        self._timers["leave"] = loop.call_later(seconds, self.stream.cut)

    def _plan_beat(self, seconds: float) -> None:
        self._timers["beat"] = asyncio.get_running_loop().call_later(seconds, self._beat)

    def _beat(self) -> None:
        self._plan_beat(self._heartbeat)
        self._spawn(self.stream.send(self._identity.envelope(ClientMessage(heartbeat=HeartbeatUpdate()))))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
