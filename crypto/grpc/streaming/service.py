"""A gRPC service whose clients hold one bidirectional stream each."""

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable
from typing import Any, Protocol

import grpc

from crypto.exceptions import InvalidMessage

from .config import StreamingConfig
from .deadlines import Deadlines
from .delivery import Coalesced, Sink
from .ending import CANCELLED, DRAINED, FAILED, FINISHED, LOST, ProtocolViolation, StreamEnd
from .hooks import StreamHooks, TAck, TCommand, TMessage
from .liveness import Liveness
from .order import Order
from .outcome import Outcome, OutcomeKind
from .roster import Roster
from .session import Session

logger = logging.getLogger(__name__)


class Closing(Protocol):
    def close(self, end: StreamEnd) -> None: ...


class BidirectionalStreamingService(StreamHooks[TMessage, TCommand, TAck]):
    """Subclass it, say in the hooks what the messages mean, and call `handle_stream` from the servicer.

    It belongs to the event loop that serves its first stream. `execute` must be called there; the
    other public methods may be called from any thread and any loop.
    """

    deadlines: Deadlines

    def __init__(self, config: StreamingConfig | None = None) -> None:
        self.config = config or StreamingConfig()
        self.invalid_messages = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._roster = Roster(self)
        self._open: set[Session] = set()
        self._background: set[asyncio.Task[None]] = set()
        self.controls: set[Closing] = set()
        """Control streams served beside the clients'; a drain ends them last."""
        self.draining = False

    # ---- for callers ----

    async def send_to_client(self, client_id: str, command: TCommand) -> bool:
        """Hand over without waiting for the ack. True: it is on the client's stream."""
        order = Order(client_id, self.command_id_of(command), command)
        return (await self.perform(order)).kind is OutcomeKind.HANDED_OVER

    async def send_command_and_wait(self, client_id: str, command: TCommand, timeout: float = 15.0) -> TAck:
        """The client's ack. Raises ClientNotConnectedError, CommandTimeoutError or CommandError."""
        order = Order(client_id, self.command_id_of(command), command, timeout)
        ack: TAck = (await self.perform(order)).ack_or_raise()
        return ack

    async def perform(self, order: Order[TCommand]) -> Outcome:
        """One order, from any event loop."""
        loop = self._loop
        if loop is None:
            return order.ended(OutcomeKind.NOT_CONNECTED)
        if loop is asyncio.get_running_loop():
            return await self._perform(order)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._perform(order), loop))

    def execute(self, orders: Iterable[Order[TCommand]], sink: Sink) -> None:
        """Each order gets exactly one outcome, told to `sink` on this loop, perhaps before this returns.

        `sink` must not raise.
        """
        sessions = self._roster.sessions
        for order in orders:
            session = sessions.get(order.client_id)
            if session is None or not session.ready:
                sink(order.ended(OutcomeKind.NOT_CONNECTED))
            elif self.draining:
                sink(order.ended(OutcomeKind.NOT_HANDED_OVER, DRAINED.text))
            else:
                session.submit(order, sink)

    def execute_soon(
        self, orders: list[Order[TCommand]], on_outcomes: Callable[[list[Outcome]], None]
    ) -> None:
        """`execute` from another thread; outcomes come in batches, on the service's loop."""
        if self._loop is None:
            on_outcomes([order.ended(OutcomeKind.NOT_CONNECTED) for order in orders])
            return
        self._loop.call_soon_threadsafe(self.execute, orders, Coalesced(self._loop, on_outcomes))

    def get_active_clients(self) -> list[str]:
        return list(self.get_active_connections())

    def get_active_connections(self) -> dict[str, Session]:
        """A snapshot by client id. Touch the sessions on the service's loop only."""
        return {
            client_id: session for client_id, session in self._roster.sessions.copy().items() if session.ready
        }

    def is_client_connected(self, client_id: str) -> bool:
        session = self._roster.sessions.get(client_id)
        return session is not None and session.ready

    # ---- for the server ----

    async def handle_stream(self, request_iterator: AsyncIterable[TMessage], context: Any) -> None:
        """One stream from its first message to its end; returns when it is over."""
        self.bind()
        if self.draining:
            await context.abort(DRAINED.code, DRAINED.text)
        session = Session(self.config, self.deadlines, context, self._roster.leave)
        liveness = Liveness(session, self.config, self.deadlines, self._ping)
        self._open.add(session)
        end = CANCELLED
        try:
            end = await self._run(session, request_iterator)
        finally:
            session.busy = True
            session.close(end)
            liveness.stop()
            self._open.discard(session)
            self._roster.leave(session)
        if end not in (FINISHED, LOST):
            await context.abort(end.code, end.text)

    def bind(self) -> asyncio.AbstractEventLoop:
        """Make the running loop the owner, if there is none yet."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self.deadlines = Deadlines(self._loop)
        return self._loop

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run beside the streams; a drain waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._spawned)

    async def drain(self) -> None:
        """Take no new streams or orders, let acks come in, end every stream. Bounded by `drain_timeout`."""
        self.bind()
        self.draining = True
        for session in self.get_active_connections().values():
            self.on_drain(session)
        try:
            async with asyncio.timeout(self.config.drain_timeout):
                await self._quiet()
        except TimeoutError:
            logger.warning("drain: not all acks came within %.1f s", self.config.drain_timeout)
        for stream in (*self._open, *self.controls):
            stream.close(DRAINED)
        self._roster.end_grace()
        if self._background:
            await asyncio.wait(self._background, timeout=self.config.drain_timeout)

    # ---- inside ----

    async def _perform(self, order: Order[TCommand]) -> Outcome:
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def resolve(outcome: Outcome) -> None:
            if not future.done():
                future.set_result(outcome)

        self.execute((order,), resolve)
        return await future

    async def _run(self, session: Session, requests: AsyncIterable[TMessage]) -> StreamEnd:
        try:
            await self._converse(session, aiter(requests))
            return session.end or FINISHED
        except ProtocolViolation as violation:
            return violation.as_end()
        except InvalidMessage as error:
            return ProtocolViolation(grpc.StatusCode.INVALID_ARGUMENT, str(error)).as_end()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if session.end is None or task is None:
                raise
            task.uncancel()
            return session.end
        except grpc.aio.BaseError:
            return session.end or LOST
        except Exception:
            # The outermost loop of this stream: a failing hook must not leave it open and deaf.
            logger.exception("stream of client %s failed", session.client_id or "unknown")
            return FAILED

    async def _converse(self, session: Session, messages: AsyncIterator[TMessage]) -> None:
        hello = await anext(messages, None)
        if hello is None:
            return
        if not await self._admit(session, hello):
            return
        clock = session.loop.time
        async for message in messages:
            session.last_seen = clock()
            try:
                if self.client_id_of(message) != session.client_id:
                    raise _another_client()
                ack = self.ack_of(message)
                if ack is None:
                    await self._occupied(session, self.on_message(session, message))
                elif session.acknowledge(*ack):
                    self.on_acked(session, ack[0])
                else:
                    await self._occupied(session, self.on_orphan_ack(session, ack[1]))
            except InvalidMessage as error:
                self.invalid_messages += 1
                await self._occupied(session, self.on_invalid(session, message, error))
            if session.has_ended():
                return

    async def _admit(self, session: Session, hello: TMessage) -> bool:
        """False if the session was ended meanwhile."""
        client_id = self.client_id_of(hello)
        self.check_hello(hello)
        session.busy = True
        session.last_seen = session.loop.time()
        if await self._roster.enter(session, client_id):
            await self._announce(session, hello)
        session.busy = False
        session.ready = session.end is None and not session.held
        return session.end is None

    async def _announce(self, session: Session, hello: TMessage) -> None:
        async def announce() -> None:
            await self.on_connected(session, hello)
            session.announced = True
            session.predecessor = None

        task = session.connecting = session.loop.create_task(announce())
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            # The client is gone already. The hook must finish what it has begun: its undoing comes after.
            await asyncio.wait({task})
            raise
        finally:
            session.connecting = None

    async def _occupied(self, session: Session, work: Coroutine[Any, Any, None]) -> None:
        session.busy = True
        try:
            await work
        finally:
            session.busy = False

    def _ping(self, session: Session) -> None:
        command = self.make_ping(session) if session.ready else None
        if command is not None and session.post(command):
            session.ping_id = self.command_id_of(command)

    def _spawned(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("background work of the streaming service failed", exc_info=task.exception())

    async def _quiet(self) -> None:
        for session in list(self._open):
            while session.end is None and not session.quiet:
                await asyncio.sleep(0.02)


def _another_client() -> ProtocolViolation:
    return ProtocolViolation(grpc.StatusCode.INVALID_ARGUMENT, "the client id changed in mid-stream")
