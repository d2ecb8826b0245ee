"""One client's stream, from its first message to its end."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum
from typing import Any

import grpc

from crypto.ids import canonical_id

from .close_reasons import LOST, CloseReason
from .config import StreamingConfig
from .conflicts import ConflictQueues
from .deadlines import Deadlines
from .delivery import Delivery, Stage
from .messages import OnOutcome, Order, OutcomeKind

Write = Callable[[Any], Awaitable[None]]
"""Sends one message to the client; returns when the transport has taken it."""


class Phase(Enum):
    """A session goes from one to the next (HELD may be left out), and from any of them to ENDED."""

    GREETING = "greeting"
    """The client has not said anything yet."""
    CONNECTING = "connecting"
    """It has said who it is; the hook `on_connected` has not returned yet."""
    HELD = "held"
    """The service keeps commands back until it calls `release`."""
    READY = "ready"
    """Takes commands."""
    ENDED = "ended"
    """`close_reason` says why."""


class Session:
    """Hooks receive it. Everything here belongs to the event loop of the service; `ready` may be read anywhere.

    Messages leave through one writer: whoever appends starts it if none runs, and it writes until
    the outbox is empty. A write is never cancelled (that would poison the stream): a stuck one
    ends the session.
    """

    __slots__ = (
        "_busy", "_config", "_conflicts", "_context", "_deadlines", "_last_heard", "_on_close", "_outbox",
        "_pending", "_ping_id", "_reader", "_room", "_unnamed", "_write", "_writer", "_writing_since",
        "client_id", "close_reason", "epoch", "loop", "phase", "resumed", "state",
    )  # fmt: skip

    def __init__(
        self,
        config: StreamingConfig,
        deadlines: Deadlines,
        context: Any,
        on_close: Callable[["Session"], None],
        write: Write,
    ) -> None:
        """Made by the stream's handler, in its own task."""
        self.client_id = ""
        self.phase = Phase.GREETING
        self.close_reason: CloseReason | None = None
        self.epoch = 0
        """Set by `on_connected`; what is stored for this session is guarded by it."""
        self.state: Any = None
        """The service's own: whatever its hooks keep per stream."""
        self.resumed = False
        """The client was never gone: it came back within the grace, or replaced its own stream."""
        self.loop = asyncio.get_running_loop()
        self._config = config
        self._deadlines = deadlines
        self._context = context
        self._write = write
        self._on_close = on_close
        self._reader = asyncio.current_task()
        self._busy = False
        self._last_heard = self.loop.time()
        self._ping_id = ""
        self._writer: asyncio.Task[None] | None = None
        self._writing_since = 0.0
        self._outbox: deque[Any] = deque()
        self._room: asyncio.Event | None = None
        self._pending: dict[str, Delivery] = {}
        self._unnamed = 0
        self._conflicts = ConflictQueues()

    # ---- its phase ----

    @property
    def ready(self) -> bool:
        """It takes commands."""
        return self.phase is Phase.READY

    def has_ended(self) -> bool:
        return self.phase is Phase.ENDED

    def register(self, client_id: str) -> None:
        """The first message has come, from this client, however it spells its id."""
        self.client_id = canonical_id(client_id)
        self.phase = Phase.CONNECTING
        self.heard()

    def is_of(self, client_id: str | None) -> bool:
        """Whether a message that names this client is its client's. One that names nobody is."""
        return client_id in (None, self.client_id) or canonical_id(client_id or "") == self.client_id

    def hold(self) -> None:
        """For `on_connected`, where the client has more to say before it takes commands."""
        if self.phase is Phase.CONNECTING:
            self.phase = Phase.HELD

    def connected(self) -> None:
        """`on_connected` has returned."""
        if self.phase is Phase.CONNECTING:
            self.phase = Phase.READY

    def release(self) -> None:
        """The held session takes commands from now on."""
        if self.phase is Phase.HELD:
            self.phase = Phase.READY

    def close(self, reason: CloseReason) -> None:
        """End the stream; everything still open is answered at once. The first reason stays.

        The handler stops reading now; if a hook is at work, as soon as that returns.
        """
        if self.has_ended():
            return
        self.phase = Phase.ENDED
        self.close_reason = reason
        self._on_close(self)
        self._outbox.clear()
        self._make_room()
        for delivery in list(self._pending.values()):
            delivery.abandon(reason.text)
        if self._reader is not None and not self._busy:
            self._reader.cancel()

    def handler_returns(self, reason: CloseReason) -> None:
        """The stream's handler reads no further; `reason` counts unless the session was closed before."""
        self._reader = None
        self.close(reason)

    # ---- its signs of life ----

    def heard(self) -> None:
        """The client has said something."""
        self._last_heard = self.loop.time()

    def silent_for(self, now: float) -> float:
        """Seconds since the client was heard; 0 while a hook is at work, because the stream is not read then."""
        return 0.0 if self._busy else now - self._last_heard

    def stuck_for(self, now: float) -> float:
        """Seconds that the present write has taken; 0 if there is none."""
        return now - self._writing_since if self._writing_since else 0.0

    async def run_hook(self, hook: Coroutine[Any, Any, None]) -> None:
        """Let a hook work on what the client said. The stream is not read meanwhile: that is the back-pressure."""
        self._busy = True
        try:
            await hook
        finally:
            self._busy = False
            self.heard()

    # ---- what goes to the client ----

    @property
    def context(self) -> Any:
        """The stream's grpc.aio.ServicerContext; never write to it past the outbox."""
        return self._context

    @property
    def pending(self) -> int:
        """Commands whose ack may still come."""
        return len(self._pending)

    @property
    def quiet(self) -> bool:
        """Nobody waits for an ack and nothing waits to be written."""
        return self._writer is None and not any(delivery.waiters for delivery in self._pending.values())

    @property
    def unwritten(self) -> int:
        """Messages that wait to be written."""
        return len(self._outbox)

    def metadata(self) -> dict[str, Any]:
        """What the client sent with its call, beside the messages."""
        return dict(self._context.invocation_metadata() or ())

    def has_room(self) -> bool:
        """The outbox takes another message."""
        return len(self._outbox) < self._config.outbox_limit

    async def until_room(self) -> None:
        """Returns once there is room, or the session has ended."""
        while not self.has_room() and not self.has_ended():
            self._room = self._room or asyncio.Event()
            self._room.clear()
            await self._room.wait()

    def submit(self, order: Order[Any], on_outcome: OnOutcome) -> None:
        """Take an order; `on_outcome` is called exactly once, perhaps before this returns."""
        due = self.loop.time() + (order.timeout or self._config.handover_timeout)
        key = canonical_id(order.command_id) or self._unnamed_key()
        known = self._pending.get(key)
        if known is not None:
            self._join(known, order, on_outcome, due)
            return
        refusal = self._refusal(order.command)
        if not refusal and len(self._pending) >= self._config.pending_limit:
            refusal = "too many commands without ack"
        if refusal:
            on_outcome(order.ended(OutcomeKind.NOT_HANDED_OVER, refusal))
            return
        delivery = Delivery(self, key, order, on_outcome, due)
        self._pending[key] = delivery
        self._deadlines.add(delivery, due)
        if self._conflicts.join(delivery):
            self._put(delivery)

    def post(self, message: Any) -> bool:
        """Send what is not a command (an answer, a hint); False if the outbox does not take it."""
        if self._refusal(message):
            return False
        self._put(message)
        return True

    def ping(self, command_id: str, command: Any) -> None:
        """Send a command of which only the ack's arrival counts."""
        if self.post(command):
            self._ping_id = canonical_id(command_id)

    def acknowledge(self, command_id: str, ack: Any) -> bool:
        """False if nobody waits for this ack. Only this client's own commands can be meant.

        The ack of an earlier attempt ends a command that is still queued: it is not sent again.
        """
        key = canonical_id(command_id)
        delivery = self._pending.get(key)
        if delivery is None:
            return key == self._ping_id
        return delivery.finish(OutcomeKind.ACKED, ack)

    def forget(self, delivery: Delivery) -> None:
        """A delivery has ended: the next of its conflict class may be sent."""
        self._pending.pop(delivery.key, None)
        self._deadlines.discard(delivery)
        following = self._conflicts.leave(delivery)
        if following is not None and not self.has_ended():
            self._put(following)

    def _refusal(self, message: Any) -> str:
        if self.close_reason is not None:
            return self.close_reason.text
        if not self.has_room():
            return "the outbox is full"
        if message.ByteSize() > self._config.max_message_bytes:
            return "the message is too large"
        return ""

    def _join(self, known: Delivery, order: Order[Any], on_outcome: OnOutcome, due: float) -> None:
        known.attach(order, on_outcome)
        if due > known.due:
            self._deadlines.discard(known)
            known.due = due
            self._deadlines.add(known, due)

    def _put(self, item: Any) -> None:
        self._outbox.append(item)
        if self._writer is None:
            self._writer = self.loop.create_task(self._write_out())

    async def _write_out(self) -> None:
        outbox = self._outbox
        try:
            while outbox:
                item = outbox.popleft()
                self._make_room()
                if type(item) is not Delivery:
                    await self._write_one(item)
                elif item.stage is Stage.QUEUED:
                    item.stage = Stage.SENT
                    await self._write_one(item.order.command)
                    item.written()
        except grpc.aio.BaseError:
            self.close(LOST)
        finally:
            self._writing_since = 0.0
            self._writer = None

    async def _write_one(self, message: Any) -> None:
        self._writing_since = self.loop.time()
        await self._write(message)

    def _make_room(self) -> None:
        if self._room is not None:
            self._room.set()

    def _unnamed_key(self) -> str:
        """For a command without an id: nobody can share it, and no ack can name it."""
        self._unnamed += 1
        return f"\x00{self._unnamed}"
