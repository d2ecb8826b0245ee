"""One registered stream: what is said first, what comes in, and the heartbeat."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from crypto.agent.dispatcher import Dispatcher
from crypto.agent.identity import Identity
from crypto.agent.journal import Journal
from crypto.agent.link import Link
from crypto.agent.outbox import Outbox
from crypto.agent.stats import Stats
from crypto.wire.crypto_streaming_pb2 import ClientMessage, HeartbeatUpdate

SETTLED, SETTLED_UNTOLD = 2.0, 15.0
"""Seconds of silence after which a client takes itself for connected: one of the first contract, whom nobody tells, and
one that is told by every server which knows more than that."""

SOONEST = 0.1
"""Seconds to stay away at least when the server asks to connect again."""


class Session:
    """Ends when the server ends the stream, when it is cut, or after a reconnect hint ran out."""

    __slots__ = (
        "_backlog", "_connected", "_dispatcher", "_heartbeat", "_identity", "_journal",
        "_outbox", "_stats", "_tasks", "_timers", "again_at", "link",
    )  # fmt: skip

    def __init__(
        self,
        link: Link,
        identity: Identity,
        journal: Journal,
        outbox: Outbox,
        dispatcher: Dispatcher,
        stats: Stats,
        *,
        heartbeat: float,
        connected: Callable[[], None],
    ) -> None:
        """`connected` is called once, when the server has shown that it keeps the stream."""
        self.link = link
        self._identity, self._journal, self._outbox, self._dispatcher = identity, journal, outbox, dispatcher
        self._stats, self._heartbeat, self._connected = stats, heartbeat, connected
        self._backlog: list[ClientMessage] = []
        """Reports that an earlier stream carried, sent again once this server shows that it acknowledges."""
        self.again_at: float | None = None
        """Loop time at which the server wants the client back; None if it did not say."""
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def greet(self, registration: ClientMessage) -> None:
        """Registers, presents the journal, then lets out everything else, unsent reports first."""
        unsent, self._backlog = self._outbox.start_stream()
        await self.link.greet(registration)
        if not self._identity.first_contract:
            digest = ClientMessage(journal_digest=await self._journal.digest())
            await self.link.greet(self._identity.envelope(digest))
        for message in unsent:
            await self.link.send(message)
        silence = SETTLED if self._identity.first_contract else SETTLED_UNTOLD
        self._timers["settled"] = asyncio.get_running_loop().call_later(silence, self._settled)
        self._plan_beat(self._heartbeat * random.uniform(0.5, 1.0))
        await self.link.open()

    async def serve(self) -> None:
        """Reads until the stream ends. Raises AioRpcError if it ends badly."""
        while (message := await self.link.read()) is not None:
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
        self.link.cut()

    def _settled(self) -> None:
        if timer := self._timers.pop("settled", None):
            timer.cancel()
            self._connected()

    async def _resend(self) -> None:
        backlog, self._backlog = self._backlog, []
        for message in backlog:
            if message in self._outbox:
                await self.link.send(message)

    def _leave_after(self, seconds: float) -> None:
        seconds = max(seconds, SOONEST) * random.uniform(0.5, 1.5)
        loop = asyncio.get_running_loop()
        self.again_at = loop.time() + seconds
        self._timers["leave"] = loop.call_later(seconds, self.link.cut)

    def _plan_beat(self, seconds: float) -> None:
        self._timers["beat"] = asyncio.get_running_loop().call_later(seconds, self._beat)

    def _beat(self) -> None:
        self._plan_beat(self._heartbeat)
        self._spawn(self.link.send(self._identity.envelope(ClientMessage(heartbeat=HeartbeatUpdate()))))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
