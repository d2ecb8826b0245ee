"""One client: connects, registers, carries out commands and reports, until it is stopped."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import grpc
from grpc import aio

from crypto.agent.agent import Agent
from crypto.agent.connection import Backoff
from crypto.agent.dispatcher import Dispatcher
from crypto.agent.identity import Identity
from crypto.agent.journal import Journal
from crypto.agent.outbox import Outbox
from crypto.agent.session import Session
from crypto.agent.state import State
from crypto.agent.stats import Stats
from crypto.agent.store import Store, StoreFailed
from crypto.agent.stream import Stream
from crypto.wire.common_pb2 import CLIENT_STATUS_STOPPED, ClientStatus, CommandAck
from crypto.wire.crypto_streaming_pb2 import ClientMessage, StatusUpdate
from crypto.wire.crypto_streaming_pb2_grpc import CryptoStreamingServiceStub

logger = logging.getLogger(__name__)

LASTING = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
"""Answers that trying again does not change until somebody mends the client or the server: it waits longest."""

STEADY = 5.0
"""Seconds a stream must have lived for the next failure to count as the first."""

GRACE = 5.0
"""Seconds that running handlers get to end on stop and restart."""

FAREWELL = 1.0
"""Seconds the server gets to end the stream when the client leaves."""


class Client:
    """Runs one agent. Everything here belongs to the event loop that runs `run`."""

    def __init__(
        self,
        agent: Agent,
        identity: Identity,
        channel: aio.Channel,
        store: Store,
        *,
        heartbeat: float = 30.0,
        outbox_limit: int = 10_000,
        gate: asyncio.Semaphore | None = None,
        backoff: Backoff | None = None,
        on_change: Callable[["Client"], None] | None = None,
    ) -> None:
        """`heartbeat` is in seconds, `gate` bounds how many clients connect at once, `on_change` is called whenever
        `connected` has changed."""
        agent.host = self
        self.client_id = identity.client_id
        self.agent, self.identity, self.stats = agent, identity, Stats()
        self.state = State(store, identity.client_id)
        self.connected = False
        self._channel, self._heartbeat, self._on_change = channel, heartbeat, on_change
        self._gate = gate or asyncio.Semaphore()
        self._journal = Journal(store, identity.client_id)
        self._outbox = Outbox(store, identity.client_id, outbox_limit)
        self._dispatcher = Dispatcher(agent, self._journal, self.stats, self._answer)
        self._backoff = backoff or Backoff()
        self._session: Session | None = None
        self._restarting = False
        self._stopping = asyncio.Event()
        self._leaving: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Returns after `stop`, when handlers have ended and the stream is closed."""
        await self._load()
        while not self._stopping.is_set():
            delay = await self._connect_once()
            if self._restarting:
                await self._load()
            else:
                await self._wait(delay)
        await self._dispatcher.drain(GRACE)
        await self.agent.close()

    def stop(self) -> None:
        if not self._stopping.is_set():
            self._stopping.set()
            self._leave(StatusUpdate(status=CLIENT_STATUS_STOPPED))

    def restart(self) -> None:
        """Closes the stream and starts over as a new process would, from what the store holds."""
        if not self._restarting:
            self._restarting = True
            self._leave(None)

    async def report(self, message: ClientMessage) -> None:
        """Sends a report, and keeps it until the server says that it is committed."""
        self.identity.envelope(message)
        self.stats.reports += 1
        stream = self._session.stream if self._session and not self._session.stream.full else None
        if not self.identity.first_contract:
            self._outbox.put(message, sent=stream is not None)
            self.stats.dropped = self._outbox.dropped
        if stream:
            await stream.send(message)

    async def set_status(self, status: "ClientStatus.ValueType", details: str) -> None:
        self.state.set_status(status)
        await self._send(ClientMessage(status=StatusUpdate(status=status, details=details)))

    async def _load(self) -> None:
        await self._dispatcher.drain(0)
        await self._journal.recover()
        await self.state.load()
        await self._outbox.load()
        self._restarting = False

    async def _connect_once(self) -> float:
        """Serves one stream until it ends; returns the seconds to wait before the next."""
        loop = asyncio.get_running_loop()
        began, session = loop.time(), self._open_session()
        try:
            await self._serve(session)
        except grpc.RpcError as error:
            logger.warning("%s: %s: %s", self.identity.client_id, error.code().name, error.details())
            if error.code() in LASTING:
                return self._backoff.longest()
        except StoreFailed:
            logger.exception("%s: cannot connect without the journal", self.identity.client_id)
        if loop.time() - began >= STEADY or session.again_at:
            self._backoff.reset()
        return session.again_at - loop.time() if session.again_at else self._backoff.delay()

    def _open_session(self) -> Session:
        call = CryptoStreamingServiceStub(self._channel).ConnectClient(metadata=self.identity.metadata)
        return Session(
            Stream(call), self.identity, self._journal, self._outbox, self._dispatcher, self.stats,
            heartbeat=self._heartbeat, connected=self._connected,
        )  # fmt: skip

    async def _serve(self, session: Session) -> None:
        self._session = session
        try:
            async with self._gate:
                await session.greet(self.identity.registration(self.agent.capabilities(), self.state))
            await self._send(ClientMessage(status=StatusUpdate(status=self.state.status)))
            await session.serve()
        finally:
            self._session = None
            session.close()
            self._change(False)

    def _connected(self) -> None:
        self.stats.connects += 1
        self._change(True)

    def _change(self, connected: bool) -> None:
        if connected != self.connected:
            self.connected = connected
            logger.debug("%s: %s", self.identity.client_id, "connected" if connected else "disconnected")
            if self._on_change:
                self._on_change(self)

    async def _answer(self, ack: CommandAck) -> None:
        if self._session:
            self.stats.acks += 1
        await self._send(ClientMessage(command_ack=ack))

    async def _send(self, message: ClientMessage) -> None:
        if self._session:
            await self._session.stream.send(self.identity.envelope(message))

    def _leave(self, farewell: StatusUpdate | None) -> None:
        self._leaving = asyncio.get_running_loop().create_task(self._end_session(farewell))

    async def _end_session(self, farewell: StatusUpdate | None) -> None:
        await self._dispatcher.drain(GRACE)
        if farewell:
            await self._send(ClientMessage(status=farewell))
        if self._session:
            await self._session.stream.finish(FAREWELL)

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), max(seconds, 0.0))
