"""A courier's connection to one node: one control call, opened when there is something to say."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import grpc

from .channels import channel_for
from .config import CourierConfig
from .control_protocol import ControlCall, ControlProtocol
from .deadlines import Deadlines
from .delivery import Stage
from .mailbox import Mailbox
from .messages import OnOutcomes, Order, Outcome, OutcomeKind
from .window import Window

logger = logging.getLogger(__name__)

BROKEN = (grpc.RpcError, grpc.aio.BaseError, asyncio.InvalidStateError, TimeoutError, ConnectionError)
"""What reads and writes raise when the call cannot go on."""


class PendingOrder:
    """One order on its way to the node and back, until its last caller has an outcome."""

    __slots__ = ("callbacks", "node", "order", "slot", "stage")

    def __init__(self, node: "NodeConnection", order: Order[Any], on_outcomes: OnOutcomes) -> None:
        self.node = node
        self.order = order
        self.slot = 0
        self.stage = Stage.QUEUED
        self.callbacks = [on_outcomes]

    def attach(self, on_outcomes: OnOutcomes) -> None:
        """Another caller with the same order."""
        self.callbacks.append(on_outcomes)

    def abandon(self, reason: str) -> Outcome:
        """The connection is gone."""
        seen = self.stage is Stage.SENT
        return self.order.ended(OutcomeKind.CONNECTION_LOST if seen else OutcomeKind.NOT_HANDED_OVER, reason)

    def expire(self) -> None:
        if self.stage is Stage.SENT:
            outcome = self.order.ended(OutcomeKind.TIMED_OUT, "no word from the node")
        else:
            outcome = self.order.ended(OutcomeKind.NOT_HANDED_OVER, "the node takes nothing")
        self.node.finish([(self, outcome)])


class NodeConnection:
    """All but `submit` belongs to the courier's event loop."""

    def __init__(
        self,
        address: str,
        protocol: ControlProtocol[Any],
        config: CourierConfig,
        window: Window,
        deadlines: Deadlines,
    ) -> None:
        self._address = address
        self._protocol = protocol
        self._config = config
        self._window = window
        self._deadlines = deadlines
        self._loop = deadlines.loop
        self._submitted: Mailbox[tuple[Sequence[Order[Any]], OnOutcomes]] = Mailbox(self._loop, self._take)
        self._unwritten: deque[PendingOrder] = deque()
        self._pending: dict[tuple[str, str], PendingOrder] = {}
        self._call: ControlCall = None
        self._writer: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None

    def submit(self, orders: Sequence[Order[Any]], on_outcomes: OnOutcomes) -> None:
        """From any thread. Their places in the window are taken already."""
        self._submitted.put((orders, on_outcomes))

    @property
    def idle(self) -> bool:
        return not self._pending and self._submitted.empty

    async def close(self) -> None:
        """Cut the call; what is in flight is answered."""
        if self._call is not None:
            self._call.cancel()
        self._broken("the courier was closed")
        tasks = [task for task in (self._writer, self._reader) if task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    def finish(self, ended: list[tuple[PendingOrder, Outcome]]) -> None:
        """These orders are done: each callback is called once, with all outcomes that are for it."""
        outcomes: dict[OnOutcomes, list[Outcome]] = {}
        places = 0
        for pending, outcome in ended:
            pending.stage = Stage.DONE
            self._pending.pop((pending.order.client_id, pending.order.command_id), None)
            self._deadlines.discard(pending)
            places += len(pending.callbacks)
            for callback in pending.callbacks:
                outcomes.setdefault(callback, []).append(outcome)
        self._window.release(places)
        for callback, its in outcomes.items():
            callback(its)

    def _take(self, submitted: list[tuple[Sequence[Order[Any]], OnOutcomes]]) -> None:
        now, config = self._loop.time(), self._config
        for orders, on_outcomes in submitted:
            for order in orders:
                due = now + (order.timeout or config.handover_timeout) + config.margin
                self._add(order, on_outcomes, due)
        if self._unwritten and self._writer is None:
            self._writer = self._loop.create_task(self._write_out())

    def _add(self, order: Order[Any], on_outcomes: OnOutcomes, due: float) -> None:
        key = (order.client_id, order.command_id)
        known = self._pending.get(key)
        if known is not None:
            known.attach(on_outcomes)
            return
        pending = self._pending[key] = PendingOrder(self, order, on_outcomes)
        if order.command.ByteSize() > self._config.max_command_bytes:
            self.finish([(pending, order.ended(OutcomeKind.NOT_HANDED_OVER, "the command is too large"))])
            return
        self._deadlines.add(pending, due)
        self._unwritten.append(pending)

    async def _write_out(self) -> None:
        try:
            while self._unwritten:
                call = await self._connected()
                batch = self._next_batch()
                if batch:
                    await call.write(self._protocol.pack(batch))
        except BROKEN as error:
            self._broken(_reason(error))
        except asyncio.CancelledError:
            # Raised by a write on a call that was cancelled under it, too.
            self._broken("the control call was cancelled")
        finally:
            self._writer = None

    async def _connected(self) -> ControlCall:
        if self._call is None:
            call = self._protocol.open(channel_for(self._address))
            # Nothing is written before the server has spoken: what fails until then never left.
            await self._until_accepted(call)
            self._call = call
            self._reader = self._loop.create_task(self._read(call))
        return self._call

    async def _until_accepted(self, call: ControlCall) -> None:
        try:
            async with asyncio.timeout(self._config.connect_timeout):
                await call.initial_metadata()
        except TimeoutError:
            call.cancel()
            raise TimeoutError("the node does not answer") from None
        if call.done():
            raise ConnectionError(f"{(await call.code()).name}: {await call.details()}")

    def _next_batch(self) -> list[Order[Any]]:
        batch: list[Order[Any]] = []
        room = self._config.batch_bytes
        while self._unwritten and len(batch) < self._config.batch_orders and room > 0:
            pending = self._unwritten.popleft()
            if pending.stage is Stage.DONE:
                continue  # it expired while it waited
            room -= pending.order.command.ByteSize()
            if batch and room < 0:
                self._unwritten.appendleft(pending)
                break
            pending.stage = Stage.SENT
            batch.append(pending.order)
        return batch

    async def _read(self, call: ControlCall) -> None:
        try:
            while (reply := await call.read()) is not grpc.aio.EOF:
                self._match(self._protocol.unpack(reply))
            reason = f"the node ended the control call: {(await call.code()).name} {await call.details()}"
        except grpc.RpcError as error:
            reason = _reason(error)
        except asyncio.CancelledError:
            reason = "the control call was cancelled"
        if self._call is call:
            self._broken(reason)

    def _match(self, outcomes: Iterable[Outcome]) -> None:
        claimed, unclaimed = [], []
        for outcome in outcomes:
            pending = self._pending.get((outcome.client_id, outcome.command_id))
            if pending is None:
                unclaimed.append(outcome)
            else:
                claimed.append((pending, outcome))
        self.finish(claimed)
        if unclaimed:
            self._protocol.on_unclaimed(unclaimed)

    def _broken(self, reason: str) -> None:
        """Answer everything; the next order opens a new call."""
        if self._pending:
            logger.warning("control call to %s: %s", self._address, reason)
        self._call = None
        self._unwritten.clear()
        self.finish([(pending, pending.abandon(reason)) for pending in list(self._pending.values())])


def _reason(error: BaseException) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return str(error) or type(error).__name__
