"""A TCP relay that can swallow everything, as a network without route does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Hole:
    def __init__(self, target: str) -> None:
        self._host, port = target.split(":")
        self._port = int(port)
        self._open = asyncio.Event()
        self._open.set()
        self.address = ""

    def swallow(self) -> None:
        """From now on nothing passes and nothing is closed."""
        self._open.clear()

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(self._host, self._port)
        await asyncio.gather(self._pass_on(reader, there[1]), self._pass_on(there[0], writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def hole_to(target: str) -> AsyncIterator[Hole]:
    hole = Hole(target)
    server = await asyncio.start_server(hole.relay, "127.0.0.1", 0)
    hole.address = "{}:{}".format(*server.sockets[0].getsockname())
    try:
        yield hole
    finally:
        server.close()
