"""One call of `handle_stream`, which a servicer may await or iterate over."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any, Generic

import grpc

from .hooks import TCommand
from .session import Write


class StreamCall(Generic[TCommand]):
    """Nothing happens before it is awaited or iterated.

        await service.handle_stream(request_iterator, context)

        async for command in service.handle_stream(request_iterator, context):
            yield command

    Awaited, it writes to the context itself. Iterated, it hands what goes to the client to the servicer, one message
    at a time: the next one follows when the servicer comes back for it, that is when the last one has been written.
    Both return when the stream is over.
    """

    def __init__(self, serve: Callable[[Write], Coroutine[Any, Any, None]], context: Any) -> None:
        self._serve = serve
        self._context = context

    def __await__(self) -> Generator[Any, None, None]:
        return self._serve(self._context.write).__await__()

    async def __aiter__(self) -> AsyncIterator[TCommand]:
        loop = asyncio.get_running_loop()
        offers: asyncio.Queue[TCommand | None] = asyncio.Queue()
        taken: asyncio.Future[None] = loop.create_future()
        """Of the last offer: there is never more than one, for a session has one writer."""
        taken.set_result(None)

        async def offer(message: TCommand) -> None:
            nonlocal taken
            taken = loop.create_future()
            offers.put_nowait(message)
            await taken

        serving = loop.create_task(self._serve(offer))
        serving.add_done_callback(lambda _: offers.put_nowait(None))
        try:
            while (message := await offers.get()) is not None:
                yield message
                taken.set_result(None)
        finally:
            serving.cancel()  # it is done, unless the servicer goes away before the stream is over
            await asyncio.wait({serving})
            if not taken.done():
                taken.set_exception(grpc.aio.UsageError("the stream is over"))
            if not serving.cancelled():
                serving.exception()
        await serving
