"""The server's end of a courier's control call."""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import Any

import grpc

from .close_reasons import CloseReason
from .messages import Order, Outcome
from .service import BidirectionalStreamingService

REPLY_OUTCOMES = 1_000
REPLY_BYTES = 1024 * 1024


class ControlStream:
    """Reads batches, executes them, writes outcomes; one per call.

    Each reply carries every outcome that arrived while the last one was being written. Once the
    caller is gone, outcomes go to `on_undelivered`, so that no ack is lost.
    """

    def __init__(
        self,
        service: BidirectionalStreamingService[Any, Any, Any],
        context: Any,
        unpack: Callable[[Any], Iterable[Order[Any] | Outcome]],
        pack: Callable[[list[Outcome]], Any],
        on_undelivered: Callable[[list[Outcome]], Awaitable[None]],
    ) -> None:
        """`unpack` yields an `Outcome` in place of an order that is malformed."""
        self._service = service
        self._context = context
        self._unpack = unpack
        self._pack = pack
        self._on_undelivered = on_undelivered
        self._outcomes: deque[Outcome] = deque()
        self._open = 0
        self._gone = False
        self._room = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._task = asyncio.current_task()
        self._reading = True
        self._close_reason: CloseReason | None = None

    async def serve(self, batches: AsyncIterable[Any]) -> None:
        """Returns once the caller has ended its side, or the node drains, and every outcome has been told."""
        await self._context.send_initial_metadata(())
        self._service.controls.add(self)
        try:
            await self._read(batches)
            await self._until_below(1)
            while self._writer is not None:
                await asyncio.shield(self._writer)
        finally:
            self._service.controls.discard(self)
            self._gone = True
            self._flush()
        if self._close_reason is not None:
            await self._context.abort(self._close_reason.code, self._close_reason.text)

    def close(self, reason: CloseReason) -> None:
        """Read no further batch; outcomes of open orders are still told."""
        self._close_reason = reason
        if self._reading and self._task is not None:
            self._task.cancel()

    async def _read(self, batches: AsyncIterable[Any]) -> None:
        try:
            async for batch in batches:
                self._take(batch)
                await self._until_below(self._service.config.control_limit)
        except asyncio.CancelledError:
            if self._close_reason is None or self._task is None:
                raise
            self._task.uncancel()
        finally:
            self._reading = False

    def _take(self, batch: Any) -> None:
        orders = []
        for order in self._unpack(batch):
            self._open += 1
            if isinstance(order, Outcome):
                self._add_outcome(order)
            else:
                orders.append(order)
        self._service.execute(orders, self._add_outcome)

    async def _until_below(self, limit: int) -> None:
        while self._open >= limit:
            self._room.clear()
            await self._room.wait()

    def _add_outcome(self, outcome: Outcome) -> None:
        self._open -= 1
        self._room.set()
        self._outcomes.append(outcome)
        self._flush()

    def _flush(self) -> None:
        if self._writer is None and self._outcomes:
            self._writer = asyncio.get_running_loop().create_task(self._write_out())

    async def _write_out(self) -> None:
        try:
            while self._outcomes:
                if self._open:
                    await asyncio.sleep(0)  # more are open: what this turn of the loop brings goes along
                reply = self._next_reply()
                try:
                    if self._gone:
                        await self._on_undelivered(reply)
                    else:
                        await self._context.write(self._pack(reply))
                except grpc.aio.BaseError:
                    self._gone = True
                    await self._on_undelivered(reply)
        finally:
            self._writer = None

    def _next_reply(self) -> list[Outcome]:
        reply: list[Outcome] = []
        room = REPLY_BYTES
        while self._outcomes and len(reply) < REPLY_OUTCOMES and room > 0:
            outcome = self._outcomes.popleft()
            if outcome.ack is not None:
                room -= outcome.ack.ByteSize()
            reply.append(outcome)
        return reply
