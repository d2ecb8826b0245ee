"""The one event loop in a daemon thread on which a process without its own makes its gRPC calls."""

import asyncio
import atexit
import contextlib
import os
import threading

import uvloop

from .channels import close_channels

AFTER_FORK = "forked after the parent had made gRPC calls; fork first, call later"


class BackgroundLoop:
    """Started when first asked for, so that a process may fork before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0

    def get(self) -> asyncio.AbstractEventLoop:
        """Raises RuntimeError in a child forked after the parent's loop ran: gRPC does not survive that."""
        loop = self._loop
        if loop is None or self._pid != os.getpid():
            with self._lock:
                loop = self._loop if self._pid == os.getpid() else None
                loop = loop or self._start()
        return loop

    def close(self) -> None:
        if self._loop is None or self._thread is None or self._pid != os.getpid():
            return
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(_wind_up(), self._loop).result(2.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(2.0)
        self._loop = None

    def _start(self) -> asyncio.AbstractEventLoop:
        if self._loop is not None:
            raise RuntimeError(AFTER_FORK)
        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=loop.run_forever, name="grpc-calls", daemon=True)
        self._thread.start()
        self._pid = os.getpid()
        self._loop = loop
        atexit.register(self.close)
        return loop


async def _wind_up() -> None:
    await close_channels()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


background = BackgroundLoop()
