"""One stream to the server: writing in order, reading, and its end."""

import asyncio
import logging
from collections import deque
from typing import cast

import grpc
from grpc import aio

from crypto.wire.crypto_streaming_pb2 import ClientMessage, DjangoCommand

logger = logging.getLogger(__name__)

Call = aio.StreamStreamCall[ClientMessage, DjangoCommand]

FULL = 4_096
"""Messages waiting to be written beyond which reports stay in the outbox until the next stream."""


class Stream:
    """One call of `ConnectClient`. It has one writer at a time: whoever sends while nobody writes, writes until
    nothing waits."""

    __slots__ = ("_call", "_waiting", "_writing")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._waiting: deque[ClientMessage] = deque()
        self._writing = True

    @property
    def full(self) -> bool:
        return len(self._waiting) > FULL

    async def send_first(self, message: ClientMessage) -> None:
        """Writes at once, ahead of everything that `send` was given. Raises AioRpcError."""
        try:
            await self._call.write(message)
        except asyncio.InvalidStateError:
            logger.debug("The stream has ended already; reading will say why")
        except asyncio.CancelledError:
            if _cancelled():
                raise

    async def open(self) -> None:
        """Writes what `send` was given so far; from now on `send` writes by itself."""
        await self._drain()

    async def send(self, message: ClientMessage) -> None:
        """Returns when the message is written, or left to the task that writes now; an ended stream drops it."""
        self._waiting.append(message)
        if not self._writing:
            self._writing = True
            await self._drain()

    async def read(self) -> DjangoCommand | None:
        """The next message; None if the stream ended well or was cut. Raises AioRpcError if it broke."""
        try:
            message = await self._call.read()
        except asyncio.CancelledError:
            if _cancelled():
                raise
            return None
        return None if message is aio.EOF else cast(DjangoCommand, message)

    async def finish(self, seconds: float) -> None:
        """Ends our side and gives the server this long to end its own."""
        try:
            await self._call.done_writing()
            await asyncio.wait_for(self._call.code(), seconds)
        except (TimeoutError, asyncio.InvalidStateError, aio.AioRpcError, aio.UsageError):
            logger.debug("The stream did not end by itself")
        self.cut()

    def cut(self) -> None:
        self._call.cancel()

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._call.write(self._waiting.popleft())
        except (grpc.RpcError, asyncio.InvalidStateError, aio.UsageError) as error:
            logger.debug("The stream ended while writing: %s", error)
            self._waiting.clear()
            return
        except asyncio.CancelledError:
            # A cancelled write poisons the stream; so does a stream that was cut under the writer.
            self.cut()
            if _cancelled():
                raise
            return
        self._writing = False


def _cancelled() -> bool:
    """Whether the running task is being cancelled; a call that was cut raises CancelledError too."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
