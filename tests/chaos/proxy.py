"""TCP proxies whose connections can be cut, also in the middle of what somebody says."""

import asyncio
import random
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
CHUNK = 64 * 1024


class Net:
    """An event loop on a thread of its own, for all proxies of a run."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="net", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def call(self, work: Callable[[], None]) -> None:
        self.loop.call_soon_threadsafe(work)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)


class Proxy:
    """Each connection goes to one of the targets, by lot, and to another one if that does not answer."""

    def __init__(self, net: Net, targets: list[int], seed: str) -> None:
        self._net, self._targets, self._lot = net, targets, random.Random(seed)
        self._open: set[asyncio.WriteTransport] = set()
        self._mid: str | None = None
        self._server = net.run(self._listen())
        self.port: int = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Resets every connection."""
        self._net.call(self._abort_all)

    def cut_within(self, direction: str) -> None:
        """Passes on half of the next chunk that goes "up" (to the target) or "down", then resets the connection."""

        def arm() -> None:
            self._mid = direction

        self._net.call(arm)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    def _abort_all(self) -> None:
        for transport in list(self._open):
            transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = await self._connect()
        if found is None:
            writer.transport.abort()
            return
        far_reader, far_writer = found
        ends = (writer.transport, far_writer.transport)
        self._open.update(ends)
        try:
            ways = (self._pass_on("up", reader, far_writer), self._pass_on("down", far_reader, writer))
            passing = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            for one in passing:
                one.cancel()
        finally:
            for transport in ends:
                self._open.discard(transport)
                transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for target in self._lot.sample(self._targets, len(self._targets)):
            try:
                return await asyncio.wait_for(asyncio.open_connection("127.0.0.1", target), 2)
            except (OSError, TimeoutError):
                continue
        return None

    async def _pass_on(self, way: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while chunk := await source.read(CHUNK):
                if self._mid == way and len(chunk) > 60:  # more than a ping or a window update
                    self._mid = None
                    sink.write(chunk[: len(chunk) // 2])
                    return
                sink.write(chunk)
                await sink.drain()
        except OSError:
            return
