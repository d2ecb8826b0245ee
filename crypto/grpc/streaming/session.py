"""One client's stream."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import grpc

from .config import StreamingConfig
from .conflicts import ConflictLines
from .deadlines import Deadlines
from .delivery import Delivery, Sink, Stage
from .ending import LOST, StreamEnd
from .order import Order
from .outcome import OutcomeKind


class Session:
    """Hooks receive it. Everything here belongs to the event loop of the service.

    Messages leave through one writer: whoever appends starts it if none runs, and it writes until
    the outbox is empty. A write is never cancelled (that would poison the stream): a stuck one
    ends the session.
    """

    __slots__ = (
        "_config", "_context", "_deadlines", "_leave", "_lines", "_outbox", "_pending", "_task", "_writer",
        "announced", "busy", "client_id", "connecting", "departed", "end", "epoch", "held", "last_seen",
        "loop", "ping_id", "predecessor", "ready", "resumed", "state", "writing_since",
    )  # fmt: skip

    def __init__(
        self,
        config: StreamingConfig,
        deadlines: Deadlines,
        context: Any,
        leave: Callable[["Session"], None],
    ) -> None:
        """Made by the stream's handler, in its own task."""
        self.client_id = ""
        self.epoch = 0
        """Set by `on_connected`; what is stored for this session is guarded by it."""
        self.state: Any = None
        """The service's own: whatever its hooks keep per stream."""
        self.end: StreamEnd | None = None
        self.ready = False
        """Takes commands: greeted, announced to the hooks and not ended."""
        self.held = False
        """Set by `on_connected` where the client has more to say before it takes commands; see `release`."""
        self.resumed = False
        """The client was never gone: it came back within the grace, or replaced its own stream."""
        self.announced = False
        self.busy = False
        """A hook is working on what this stream said; meanwhile the stream is not read."""
        self.departed = False
        self.predecessor: Session | None = None
        """Whom this one follows, until it is announced itself."""
        self.connecting: asyncio.Task[None] | None = None
        self.loop = asyncio.get_running_loop()
        self.last_seen = self.loop.time()
        self.ping_id = ""
        """Command id of the last ping."""
        self.writing_since = 0.0
        self._config = config
        self._deadlines = deadlines
        self._leave = leave
        self._context = context
        self._task = asyncio.current_task()
        self._writer: asyncio.Task[None] | None = None
        self._outbox: deque[Any] = deque()
        self._pending: dict[str, Delivery] = {}
        self._lines = ConflictLines()

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

    def has_ended(self) -> bool:
        return self.end is not None

    def release(self) -> None:
        """The held session takes commands from now on."""
        self.held = False
        self.ready = self.end is None

    def submit(self, order: Order[Any], sink: Sink) -> None:
        """Take an order; `sink` gets exactly one outcome, perhaps before this returns."""
        due = self.loop.time() + (order.timeout or self._config.handover_timeout)
        known = self._pending.get(order.command_id)
        if known is not None:
            self._join(known, order, sink, due)
            return
        refusal = self._refusal(order.command)
        if not refusal and len(self._pending) >= self._config.pending_limit:
            refusal = "too many commands without ack"
        if refusal:
            sink(order.ended(OutcomeKind.NOT_HANDED_OVER, refusal))
            return
        delivery = Delivery(self, order, sink, due)
        self._pending[order.command_id] = delivery
        self._deadlines.add(delivery, due)
        if self._lines.join(delivery):
            self._put(delivery)

    def post(self, message: Any) -> bool:
        """Send what is not a command (an answer, a hint); False if the outbox does not take it."""
        if self._refusal(message):
            return False
        self._put(message)
        return True

    def acknowledge(self, command_id: str, ack: Any) -> bool:
        """False if nobody waits for this ack. Only this client's own commands can be meant.

        The ack of an earlier attempt ends a command that still stands in line: it is not sent again.
        """
        delivery = self._pending.get(command_id)
        if delivery is None:
            return command_id == self.ping_id
        return delivery.finish(OutcomeKind.ACKED, ack)

    def close(self, end: StreamEnd) -> None:
        """End the stream; everything still open is answered at once. The first reason stays.

        The handler stops reading now; if a hook is at work, as soon as that returns.
        """
        if self.end is not None:
            return
        self.end = end
        self.ready = False
        self._leave(self)
        self._outbox.clear()
        for delivery in list(self._pending.values()):
            delivery.abandon(end.text)
        if self._task is not None and not self.busy:
            self._task.cancel()

    def forget(self, delivery: Delivery) -> None:
        """A delivery has ended: the next of its conflict class may go."""
        self._pending.pop(delivery.order.command_id, None)
        self._deadlines.discard(delivery)
        following = self._lines.leave(delivery)
        if following is not None and self.end is None:
            self._put(following)

    def _refusal(self, message: Any) -> str:
        if self.end is not None:
            return self.end.text
        if len(self._outbox) >= self._config.outbox_limit:
            return "the outbox is full"
        if message.ByteSize() > self._config.max_message_bytes:
            return "the message is too large"
        return ""

    def _join(self, known: Delivery, order: Order[Any], sink: Sink, due: float) -> None:
        known.attach(order, sink)
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
                if type(item) is not Delivery:
                    await self._write(item)
                elif item.stage is Stage.QUEUED:
                    item.stage = Stage.SENT
                    await self._write(item.order.command)
                    item.written()
        except grpc.aio.BaseError:
            self.close(LOST)
        finally:
            self.writing_since = 0.0
            self._writer = None

    async def _write(self, message: Any) -> None:
        self.writing_since = self.loop.time()
        await self._context.write(message)
