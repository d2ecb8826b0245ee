"""The event loop, in a daemon thread, on which a process makes its gRPC calls, whatever loops it has itself."""

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import Callable

from .channels import close_channels

new_event_loop: Callable[[], asyncio.AbstractEventLoop]
try:
    from uvloop import new_event_loop
except ImportError:  # only the server's requirements bring it
    from asyncio import new_event_loop

AFTER_FORK = "forked after the parent had made gRPC calls; fork first, call later"


class BackgroundLoop:
    """Started when first asked for, so that a process may fork before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lost_by_fork = False

    def get(self) -> asyncio.AbstractEventLoop:
        """Raises RuntimeError in a child forked after the parent's loop ran: gRPC does not survive that."""
        return self._loop or self._start()

    def close(self) -> None:
        if self._loop is None or self._thread is None:
            return
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(_wind_up(), self._loop).result(2.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(2.0)
        self._loop = None

    def forget_in_child(self) -> None:
        """The thread was not forked with the process, and the lock may have been taken."""
        self._lost_by_fork = self._lost_by_fork or self._loop is not None
        self._lock = threading.Lock()
        self._loop = self._thread = None

    def _start(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is not None:
                return self._loop
            if self._lost_by_fork:
                raise RuntimeError(AFTER_FORK)
            loop = new_event_loop()
            self._thread = threading.Thread(target=loop.run_forever, name="grpc-calls", daemon=True)
            self._thread.start()
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
os.register_at_fork(after_in_child=background.forget_in_child)
