"""A Redis consumer that neither one bad message nor a lost connection can stall."""

import time
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from dramatiq import Message
from dramatiq.broker import MessageProxy
from dramatiq.brokers import redis as dramatiq_redis
from dramatiq.common import compute_backoff
from dramatiq.errors import DecodeError

IDLE_POLL = 100
"""Milliseconds: the longest a message waits on an idle queue. Delay queues poll as the library does."""


class Broker(Protocol):
    """What a consumer asks of its broker, on top of the library's own."""

    delay_queues: set[str]

    def held_of(self, queue_name: str) -> set[str]:
        """Ids this process has fetched and not yet acknowledged; the consumer keeps it up to date."""
        ...

    def unacknowledged(self, queue_name: str) -> set[str]:
        """Ids that Redis counts as being with this process."""
        ...

    def bodies(self, queue_name: str, message_ids: Sequence[str]) -> list[bytes | None]:
        """What is stored under each id; None where nothing is."""
        ...

    def __getattr__(self, script: str) -> Any:
        """`do_fetch`, `do_nack` and `do_requeue`: the library's scripts in Redis."""
        ...


class RedisConsumer(dramatiq_redis._RedisConsumer):
    """One consumer thread iterates, worker threads acknowledge concurrently. After a connection error the
    library makes a new consumer; it takes back what the old one had fetched and handed to nobody."""

    broker: Broker

    def __init__(self, broker: Broker, queue_name: str, prefetch: int, timeout: int) -> None:
        self.is_delay_queue = queue_name in broker.delay_queues
        idle = timeout if self.is_delay_queue else min(timeout, IDLE_POLL)
        super().__init__(broker, queue_name, prefetch, idle)
        self.held = broker.held_of(queue_name)
        self._take_back()

    def __next__(self) -> MessageProxy | None:
        while self.message_cache or self._fetch():
            data: bytes | None = self.message_cache.pop(0)
            message = self._decode(data)
            if message is not None:
                self.held.add(message.options["redis_message_id"])
                self.queued_message_ids.add(message.message_id)
                return MessageProxy(message)
            self._bury(data)
        return None

    def ack(self, message: MessageProxy) -> None:
        super().ack(message)
        self.held.discard(message.options["redis_message_id"])

    def nack(self, message: MessageProxy) -> None:
        super().nack(message)
        self.held.discard(message.options["redis_message_id"])

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        returned = list(messages)
        super().requeue(returned)
        self.held.difference_update(message.options["redis_message_id"] for message in returned)

    def close(self) -> None:
        self._take_back()

    def _fetch(self) -> bool:
        """False after a wait that grows while the queue stays empty."""
        free = self.prefetch - self.outstanding_message_count
        self.message_cache = self.broker.do_fetch(self.queue_name, free) if free > 0 else []
        if self.message_cache:
            self.misses = 0
            return True
        self.misses, wait = compute_backoff(self.misses, max_backoff=self.timeout)
        time.sleep(wait / 1000)
        return False

    def _decode(self, data: bytes | None) -> Message[Any] | None:
        """None for what would stop the consumer or kill a worker thread."""
        if data is None:
            return None
        try:
            message = Message.decode(data)
        except DecodeError:
            return None
        sound = (
            isinstance(message.message_id, str)
            and isinstance(message.kwargs, dict)
            and isinstance(message.options, dict)
            and isinstance(message.options.get("redis_message_id"), str)
            and message.queue_name == self.queue_name
        )
        return message if sound else None

    def _bury(self, data: bytes | None) -> None:
        """Moves to the dead letters what cannot be read; its id is the one whose body reads the same."""
        self.logger.error("Unreadable message on queue %r, moving it to the dead letters.", self.queue_name)
        candidates = sorted(self.broker.unacknowledged(self.queue_name) - self.held)
        if candidates:
            bodies = self.broker.bodies(self.queue_name, candidates)
            for message_id, body in zip(candidates, bodies, strict=True):
                if body == data:
                    self.broker.do_nack(self.queue_name, message_id)

    def _take_back(self) -> None:
        if self.is_delay_queue:
            # Delayed messages wait in the consumer thread, which drops them when its connection fails.
            self.held.clear()
        stray = self.broker.unacknowledged(self.queue_name) - self.held
        self.message_cache = []
        if stray:
            self.logger.info("Returning %d messages to queue %r.", len(stray), self.queue_name)
            self.broker.do_requeue(self.queue_name, *stray)
