"""Many deadlines, one timer."""

import asyncio
from heapq import heappop, heappush
from typing import Protocol


class Expiring(Protocol):
    """What can stand in `Deadlines`: hashed by identity, remembers its slot."""

    slot: int

    def expire(self) -> None:
        """Called once the deadline has passed; the item no longer stands in the deadlines."""


class Deadlines:
    """Items by the tick in which they fall due: O(1) to add and to take out, one timer for all.

    An item expires never early and at most about one tick late. Belongs to one event loop.
    """

    __slots__ = ("_buckets", "_slots", "_timer", "loop", "tick")

    def __init__(self, loop: asyncio.AbstractEventLoop, tick: float = 0.05) -> None:
        self.tick = tick
        self.loop = loop
        self._buckets: dict[int, set[Expiring]] = {}
        self._slots: list[int] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, item: Expiring, due: float) -> None:
        """`due` is in the loop's own time."""
        slot = int(due / self.tick) + 1
        bucket = self._buckets.get(slot)
        if bucket is None:
            bucket = self._buckets[slot] = set()
            heappush(self._slots, slot)
            if self._slots[0] == slot:
                self._arm()
        bucket.add(item)
        item.slot = slot

    def discard(self, item: Expiring) -> None:
        bucket = self._buckets.get(item.slot)
        if bucket is not None:
            bucket.discard(item)

    def close(self) -> None:
        """Forget everything; nothing expires any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._buckets.clear()
        self._slots.clear()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(self._slots[0] * self.tick, self._sweep) if self._slots else None

    def _sweep(self) -> None:
        current = int(self.loop.time() / self.tick + 0.001)
        while self._slots and self._slots[0] <= current:
            bucket = self._buckets.pop(heappop(self._slots))
            while bucket:
                bucket.pop().expire()
        self._arm()
