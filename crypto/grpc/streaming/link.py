"""A courier's way to one node: one control call, opened when there is something to say."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import grpc

from .channels import channel_for
from .courier_config import CourierConfig
from .deadlines import Deadlines
from .order import Order
from .outcome import Outcome, OutcomeKind
from .window import Window

logger = logging.getLogger(__name__)

Outcomes = Callable[[list[Outcome]], None]
BROKEN = (grpc.RpcError, grpc.aio.BaseError, asyncio.InvalidStateError, TimeoutError, ConnectionError)
"""What reads and writes of a call that cannot go on raise."""
ControlCall = Any
"""A grpc.aio.StreamStreamCall of batches and replies."""


class Entry:
    """One order under way."""

    __slots__ = ("link", "order", "places", "sinks", "slot", "written")

    def __init__(self, link: "Link", order: Order[Any], sink: Outcomes) -> None:
        self.link = link
        self.order = order
        self.sinks = [sink]
        self.places = 1
        self.slot = 0
        self.written = False

    def expire(self) -> None:
        if self.written:
            self.link.end([self], OutcomeKind.TIMED_OUT, "no word from the node")
        else:
            self.link.end([self], OutcomeKind.NOT_HANDED_OVER, "the node takes nothing")


class Link:
    """All but `hand_in` belongs to the courier's event loop."""

    def __init__(
        self,
        address: str,
        loop: asyncio.AbstractEventLoop,
        deadlines: Deadlines,
        window: Window,
        config: CourierConfig,
        open_call: Callable[[grpc.aio.Channel], ControlCall],
        pack: Callable[[list[Order[Any]]], Any],
        unpack: Callable[[Any], Iterable[Outcome]],
        on_unclaimed: Outcomes,
    ) -> None:
        self._address = address
        self._loop = loop
        self._deadlines = deadlines
        self._window = window
        self._config = config
        self._open_call = open_call
        self._pack = pack
        self._unpack = unpack
        self._on_unclaimed = on_unclaimed
        self._inbox: deque[tuple[Sequence[Order[Any]], Outcomes]] = deque()
        self._woken = False
        self._waiting: deque[Entry] = deque()
        self._entries: dict[tuple[str, str], Entry] = {}
        self._call: ControlCall = None
        self._pump_task: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None

    def hand_in(self, orders: Sequence[Order[Any]], sink: Outcomes) -> None:
        """From any thread. Their places in the window are taken already."""
        self._inbox.append((orders, sink))
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._wake)

    @property
    def idle(self) -> bool:
        return not self._entries and not self._inbox

    async def close(self) -> None:
        """Cut the call; what is under way is answered."""
        if self._call is not None:
            self._call.cancel()
        self._broken("the courier was closed")
        tasks = [task for task in (self._pump_task, self._reader) if task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    def end(self, entries: Iterable[Entry], kind: OutcomeKind, reason: str) -> None:
        self._tell([(entry, entry.order.ended(kind, reason)) for entry in entries])

    def _wake(self) -> None:
        self._woken = False
        now, config = self._loop.time(), self._config
        while self._inbox:
            orders, sink = self._inbox.popleft()
            for order in orders:
                self._enter(order, sink, now + (order.timeout or config.handover_timeout) + config.margin)
        if self._waiting and self._pump_task is None:
            self._pump_task = self._loop.create_task(self._pump())

    def _enter(self, order: Order[Any], sink: Outcomes, due: float) -> None:
        key = (order.client_id, order.command_id)
        known = self._entries.get(key)
        if known is not None:
            known.sinks.append(sink)
            known.places += 1
            return
        entry = self._entries[key] = Entry(self, order, sink)
        if order.command.ByteSize() > self._config.max_command_bytes:
            self.end([entry], OutcomeKind.NOT_HANDED_OVER, "the command is too large")
            return
        self._deadlines.add(entry, due)
        self._waiting.append(entry)

    async def _pump(self) -> None:
        try:
            while self._waiting:
                call = await self._connected()
                batch = self._next_batch()
                if batch:
                    await call.write(self._pack(batch))
        except BROKEN as error:
            self._broken(_reason(error))
        except asyncio.CancelledError:
            # Raised by a write on a call that was cancelled under it, too.
            self._broken("the control call was cancelled")
        finally:
            self._pump_task = None

    async def _connected(self) -> ControlCall:
        if self._call is None:
            call = self._open_call(channel_for(self._address))
            # Nothing is written before the server has spoken: what fails until then never left.
            await self._greeted(call)
            self._call = call
            self._reader = self._loop.create_task(self._read(call))
        return self._call

    async def _greeted(self, call: ControlCall) -> None:
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
        while self._waiting and len(batch) < self._config.batch_orders and room > 0:
            entry = self._waiting.popleft()
            if self._entries.get((entry.order.client_id, entry.order.command_id)) is not entry:
                continue  # expired while it waited
            room -= entry.order.command.ByteSize()
            if batch and room < 0:
                self._waiting.appendleft(entry)
                break
            entry.written = True
            batch.append(entry.order)
        return batch

    async def _read(self, call: ControlCall) -> None:
        try:
            while (reply := await call.read()) is not grpc.aio.EOF:
                self._arrived(self._unpack(reply))
            reason = f"the node ended the control call: {(await call.code()).name} {await call.details()}"
        except grpc.RpcError as error:
            reason = _reason(error)
        except asyncio.CancelledError:
            reason = "the control call was cancelled"
        if self._call is call:
            self._broken(reason)

    def _arrived(self, outcomes: Iterable[Outcome]) -> None:
        told, unclaimed = [], []
        for outcome in outcomes:
            entry = self._entries.get((outcome.client_id, outcome.command_id))
            if entry is None:
                unclaimed.append(outcome)
            else:
                told.append((entry, outcome))
        self._tell(told)
        if unclaimed:
            self._on_unclaimed(unclaimed)

    def _broken(self, reason: str) -> None:
        """The next order opens a new call."""
        if self._entries:
            logger.warning("control call to %s: %s", self._address, reason)
        self._call = None
        entries = list(self._entries.values())
        self._waiting.clear()
        self.end([entry for entry in entries if entry.written], OutcomeKind.CONNECTION_LOST, reason)
        self.end([entry for entry in entries if not entry.written], OutcomeKind.NOT_HANDED_OVER, reason)

    def _tell(self, pairs: list[tuple[Entry, Outcome]]) -> None:
        """One call per sink with everything for it."""
        groups: dict[Outcomes, list[Outcome]] = {}
        places = 0
        for entry, outcome in pairs:
            self._entries.pop((outcome.client_id, outcome.command_id), None)
            self._deadlines.discard(entry)
            places += entry.places
            for sink in entry.sinks:
                groups.setdefault(sink, []).append(outcome)
        self._window.release(places)
        for sink, outcomes in groups.items():
            sink(outcomes)


def _reason(error: BaseException) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return str(error) or type(error).__name__
