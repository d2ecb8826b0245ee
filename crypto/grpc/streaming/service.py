"""A gRPC service whose clients hold one bidirectional stream each."""

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable
from functools import partial
from typing import Any, Protocol

import grpc

from crypto.exceptions import CommandError, InvalidMessage

from .callbacks import CallbackHooks, Function
from .close_reasons import CANCELLED, DRAINED, FAILED, FINISHED, LOST, CloseReason, ProtocolViolation
from .config import StreamingConfig
from .deadlines import Deadlines
from .hooks import TAck, TCommand, TMessage
from .liveness import Liveness
from .mailbox import Mailbox
from .messages import OnOutcome, OnOutcomes, Order, Outcome, OutcomeKind
from .session import Session, Write
from .session_registry import SessionRegistry
from .stream_call import StreamCall


class Closable(Protocol):
    def close(self, reason: CloseReason) -> None: ...


class BidirectionalStreamingService(CallbackHooks[TMessage, TCommand, TAck]):
    """Say what the messages mean, and call `handle_stream` from the servicer.

    There are two ways to say it: subclass it and override the hooks (`StreamHooks`), or give it plain functions
    (`CallbackHooks`).

    It belongs to the event loop that serves its first stream. `execute` must be called there; the
    other public methods may be called from any thread and any loop.
    """

    deadlines: Deadlines

    def __init__(
        self,
        config: StreamingConfig | type[StreamingConfig] | None = None,
        *,
        message_processor: Function | None = None,
        client_id_extractor: Callable[[TMessage], Any] | None = None,
        ping_message_creator: Callable[[], TCommand | None] | None = None,
        command_ack_extractor: Callable[[TMessage], TAck | None] | None = None,
        heartbeat_extractor: Callable[[TMessage], Any] | None = None,
        heartbeat_callback: Function | None = None,
    ) -> None:
        """`config`: an instance, or a subclass whose class attributes say what differs from the defaults."""
        super().__init__(
            message_processor=message_processor,
            client_id_extractor=client_id_extractor,
            ping_message_creator=ping_message_creator,
            command_ack_extractor=command_ack_extractor,
            heartbeat_extractor=heartbeat_extractor,
            heartbeat_callback=heartbeat_callback,
        )
        self.config = StreamingConfig.made_from(config)
        self.logger = logging.getLogger(".".join(filter(None, (__package__, self.config.service_name))))
        self.invalid_messages = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._registry = SessionRegistry(self)
        self._open: set[Session] = set()
        self._background: set[asyncio.Task[None]] = set()
        self.controls: set[Closable] = set()
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
        if not order.command_id:
            raise CommandError("the command has no command_id: its ack could not be told from others")
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

    def execute(self, orders: Iterable[Order[TCommand]], on_outcome: OnOutcome) -> None:
        """Each order gets exactly one outcome, told to `on_outcome` on this loop, perhaps before this returns."""
        find = self._registry.find
        for order in orders:
            session = find(order.client_id)
            if session is None or not session.ready:
                on_outcome(order.ended(OutcomeKind.NOT_CONNECTED))
            elif self.draining:
                on_outcome(order.ended(OutcomeKind.NOT_HANDED_OVER, DRAINED.text))
            else:
                session.submit(order, on_outcome)

    def execute_soon(self, orders: list[Order[TCommand]], on_outcomes: OnOutcomes) -> None:
        """`execute` from another thread; outcomes come in batches, on the service's loop."""
        if self._loop is None:
            on_outcomes([order.ended(OutcomeKind.NOT_CONNECTED) for order in orders])
            return
        self._loop.call_soon_threadsafe(self.execute, orders, Mailbox(self._loop, on_outcomes).put)

    def get_active_clients(self) -> list[str]:
        return list(self.get_active_connections())

    def get_active_connections(self) -> dict[str, Session]:
        """A snapshot by client id. Touch the sessions on the service's loop only."""
        return {
            client_id: session
            for client_id, session in self._registry.sessions.copy().items()
            if session.ready
        }

    def is_client_connected(self, client_id: str) -> bool:
        session = self._registry.find(client_id)
        return session is not None and session.ready

    # ---- for the server ----

    def handle_stream(self, request_iterator: AsyncIterable[TMessage], context: Any) -> StreamCall[TCommand]:
        """One stream from its first message to its end: await it, or iterate over what goes to the client."""
        return StreamCall(partial(self._serve, request_iterator, context), context)

    async def _serve(self, requests: AsyncIterable[TMessage], context: Any, write: Write) -> None:
        self.bind()
        if self.draining:
            await context.abort(DRAINED.code, DRAINED.text)
        session = Session(self.config, self.deadlines, context, self._registry.leave, write)
        liveness = Liveness(session, self.config, self.deadlines, self._ping)
        self._open.add(session)
        reason = CANCELLED
        try:
            reason = await self._run(session, requests)
        finally:
            session.handler_returns(reason)
            liveness.stop()
            self._open.discard(session)
            self._registry.leave(session)
        if reason not in (FINISHED, LOST):
            await context.abort(reason.code, reason.text)

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
            self.logger.warning("drain: not all acks came within %.1f s", self.config.drain_timeout)
        for stream in (*self._open, *self.controls):
            stream.close(DRAINED)
        self._registry.end_graces()
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

    async def _run(self, session: Session, requests: AsyncIterable[TMessage]) -> CloseReason:
        try:
            await self._converse(session, aiter(requests))
            return session.close_reason or FINISHED
        except ProtocolViolation as violation:
            return violation.as_close_reason()
        except InvalidMessage as error:
            return ProtocolViolation(grpc.StatusCode.INVALID_ARGUMENT, str(error)).as_close_reason()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if session.close_reason is None or task is None:
                raise
            task.uncancel()
            return session.close_reason
        except grpc.aio.BaseError:
            return session.close_reason or LOST
        except Exception:
            # The outermost loop of this stream: a failing hook must not leave it open and deaf.
            self.logger.exception("stream of client %s failed", session.client_id or "unknown")
            return FAILED

    async def _converse(self, session: Session, messages: AsyncIterator[TMessage]) -> None:
        registration = await anext(messages, None)
        if registration is None:
            return
        await session.run_hook(self._admit(session, registration))
        if self.takes_registration and not session.has_ended():
            await self._take(session, registration)
        if session.has_ended():
            return
        async for message in messages:
            session.heard()
            await self._take(session, message)
            if session.has_ended():
                return

    async def _admit(self, session: Session, registration: TMessage) -> None:
        client_id = self.client_id_of(registration)
        self.check_registration(registration)
        if not client_id:
            raise ProtocolViolation(
                grpc.StatusCode.INVALID_ARGUMENT, "the first message does not name its client"
            )
        await self._registry.enter(session, client_id, registration)

    async def _take(self, session: Session, message: TMessage) -> None:
        try:
            await self._pass_on(session, message)
        except InvalidMessage as error:
            self.invalid_messages += 1
            await session.run_hook(self.on_invalid(session, message, error))

    async def _pass_on(self, session: Session, message: TMessage) -> None:
        if not session.is_of(self.client_id_of(message)):
            raise ProtocolViolation(
                grpc.StatusCode.INVALID_ARGUMENT, "the client id changed in the middle of the stream"
            )
        ack = self.ack_of(message)
        if ack is None:
            await session.run_hook(self.on_message(session, message))
        elif session.acknowledge(*ack):
            self.on_acked(session, ack[0])
        else:
            await session.run_hook(self.on_orphan_ack(session, ack[1]))

    def _ping(self, session: Session) -> None:
        if not session.ready:
            return
        try:
            command = self.make_ping(session)
            if command is not None:
                session.ping(self.command_id_of(command), command)
        except Exception:
            # Called by the timer of all streams: one that fails must not stop it.
            self.logger.exception("no ping for client %s", session.client_id)
            session.close(FAILED)

    def _spawned(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.logger.error("background work of the streaming service failed", exc_info=task.exception())

    async def _quiet(self) -> None:
        for session in list(self._open):
            while not session.has_ended() and not session.quiet:
                await asyncio.sleep(0.02)
