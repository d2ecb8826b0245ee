"""A bound on what is in flight, for threads and coroutines alike."""

import threading
from collections import deque
from concurrent.futures import Future


class Window:
    """Places are given in the order they were asked for. Thread-safe."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._free = size
        self._lock = threading.Lock()
        self._waiters: deque[tuple[int, Future[None]]] = deque()

    def acquire(self, places: int) -> Future[None] | None:
        """Ask for at most `size` places. None: they are yours now. Else they are yours once the future is done."""
        with self._lock:
            if not self._waiters and self._free >= places:
                self._free -= places
                return None
            turn: Future[None] = Future()
            # Granted even if its waiter went away, or the places would be lost.
            turn.set_running_or_notify_cancel()
            self._waiters.append((places, turn))
            return turn

    def release(self, places: int) -> None:
        granted = []
        with self._lock:
            self._free += places
            while self._waiters and self._free >= self._waiters[0][0]:
                wanted, turn = self._waiters.popleft()
                self._free -= wanted
                granted.append(turn)
        for turn in granted:
            turn.set_result(None)
