"""Hands items from any thread to an event loop, many of them for one wake-up."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Calls `receive` on its event loop with everything that was put in since the last call, in order."""

    __slots__ = ("_items", "_loop", "_notified", "_receive")

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Callable[[list[T]], None]) -> None:
        self._loop = loop
        self._receive = receive
        self._items: deque[T] = deque()
        self._notified = False

    def put(self, item: T) -> None:
        """From any thread. Raises RuntimeError if the loop is closed."""
        self._items.append(item)
        if not self._notified:
            self._notified = True
            self._loop.call_soon_threadsafe(self._deliver)

    @property
    def empty(self) -> bool:
        return not self._items

    def _deliver(self) -> None:
        # First: an item that is put in from now on is either taken below or brings us back here.
        self._notified = False
        items = [self._items.popleft() for _ in range(len(self._items))]
        if items:
            self._receive(items)
