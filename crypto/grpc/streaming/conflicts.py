"""Commands of one client that must not run at the same time."""

from collections import deque

from .delivery import Delivery, Stage


class ConflictQueues:
    """One queue per conflict class; only the first of each is sent."""

    __slots__ = ("_queues",)

    def __init__(self) -> None:
        self._queues: dict[str, deque[Delivery]] = {}

    def join(self, delivery: Delivery) -> bool:
        """True: it may be sent at once. Else it is blocked until `leave` returns it."""
        name = delivery.order.conflict_class
        if not name:
            return True
        queue = self._queues.get(name)
        if queue is None:
            self._queues[name] = deque((delivery,))
            return True
        delivery.stage = Stage.BLOCKED
        queue.append(delivery)
        return False

    def leave(self, delivery: Delivery) -> Delivery | None:
        """A delivery is done. Returns the one that may be sent now, if this one was blocking it."""
        name = delivery.order.conflict_class
        if not name:
            return None
        queue = self._queues[name]
        while queue and queue[0].stage is Stage.DONE:
            queue.popleft()
        if not queue:
            del self._queues[name]
        elif queue[0].stage is Stage.BLOCKED:
            queue[0].stage = Stage.QUEUED
            return queue[0]
        return None
