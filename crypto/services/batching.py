"""Group commit: many threads and coroutines hand in items, and one thread works on all of them at once."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from itertools import count
from typing import Generic, TypeVar

from django.db import InterfaceError, OperationalError, connections

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

RETRIES = 8
"""How often a batch is tried again after a temporary database error (lock, deadlock, restart)."""
MAX_DELAY = 0.03
"""Seconds that a batch waits for more items while the batcher is busy."""
PAUSE = 0.05
"""Seconds before the second try; doubled each time. Together the tries last about 12 s."""


class Batcher(Generic[T, R]):
    """Calls `work` with all items that wait, on a thread of its own, one batch after the other.

    `work` returns one result for each item, in order. It must be safe to repeat after a database error, so it does
    everything in one transaction. An item's future gets its result, or the exception that its batch ended with.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[list[T]], list[R]],
        limit: int = 500,
        *,
        retry_forever: bool = False,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        """`limit`: items in a batch, at most.

        `retry_forever`: items must not get lost; a batch is tried until the database accepts it or until `close`.

        `busy`: whether many more items are about to come and no caller waits for a single one. A batch then waits
        MAX_DELAY seconds for them, because a transaction costs as much as some dozen rows.
        """
        self._name = name
        self._retry_forever = retry_forever
        self._busy = busy
        self._work = work
        self._limit = limit
        self._waiting: deque[tuple[T, Future[R] | None]] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._closing = False
        self._thread: threading.Thread | None = None

    def put(self, item: T) -> Future[R]:
        """Hand in one item. Never blocks; safe from any thread. Canceling the future has no effect."""
        future: Future[R] = Future()
        future.set_running_or_notify_cancel()  # it cannot be canceled any more
        self._extend([(item, future)])
        return future

    def put_many(self, items: Iterable[T]) -> None:
        """Hand in items whose results are not needed; they are worked on in this order."""
        self._extend([(item, None) for item in items])

    def wait_for_room(self, places: int) -> None:
        """Block until fewer than so many items wait, or until `close`."""
        with self._room:
            self._room.wait_for(lambda: self._closing or len(self._waiting) < places)

    def __len__(self) -> int:
        return len(self._waiting)

    def close(self, timeout: float = 10.0) -> None:
        """Work on what waits and end the thread; wait for it `timeout` seconds at most."""
        with self._wake:
            self._closing = True
            self._wake.notify()
            self._room.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)

    def _extend(self, entries: "list[tuple[T, Future[R] | None]]") -> None:
        with self._wake:
            if self._closing:
                raise RuntimeError(f"{self._name} is closed")
            self._waiting.extend(entries)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._wake.notify()

    def _run(self) -> None:
        while batch := self._take():
            _close_old_connections()
            items = [item for item, _ in batch]
            try:
                results = self._try(items)
            except Exception as error:  # outermost loop of this thread: the callers get it
                if any(future is None for _, future in batch):
                    logger.exception("%s: a batch of %d failed", self._name, len(items))
                for _, future in batch:
                    if future is not None:
                        future.set_exception(error)
            else:
                for (_, future), result in zip(batch, results, strict=True):
                    if future is not None:
                        future.set_result(result)
        connections.close_all()

    def _take(self) -> list[tuple[T, "Future[R] | None"]]:
        with self._wake:
            while not self._waiting and not self._closing:
                self._wake.wait()
            self._wake.wait_for(self._is_ready, MAX_DELAY)
            batch = [self._waiting.popleft() for _ in range(min(self._limit, len(self._waiting)))]
            self._room.notify_all()
            return batch

    def _is_ready(self) -> bool:
        return self._closing or len(self._waiting) >= self._limit or not self._busy()

    def _try(self, items: list[T]) -> list[R]:
        for tries in count():
            try:
                return self._work(items)
            except (OperationalError, InterfaceError) as error:
                connections.close_all()
                if tries >= RETRIES and (self._closing or not self._retry_forever):
                    raise
                logger.warning("%s: %s; trying again", self._name, error)
                with self._wake:
                    self._wake.wait_for(lambda: self._closing, PAUSE * 2 ** min(tries, RETRIES))
        raise AssertionError("there is always another try")


def _close_old_connections() -> None:
    """Like Django's, without its health check, which costs a query: a batch that fails is tried again anyway."""
    for connection in connections.all(initialized_only=True):
        connection.close_if_unusable_or_obsolete()
        connection.health_check_done = True  # type: ignore[attr-defined]  # the stubs miss it
