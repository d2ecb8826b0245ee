"""A Redis consumer that goes on after a bad message or a lost connection."""

import time
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from dramatiq import Message
from dramatiq.broker import MessageProxy
from dramatiq.brokers import redis as dramatiq_redis
from dramatiq.common import compute_backoff
from dramatiq.errors import DecodeError

IDLE_POLL = 100
"""Milliseconds between polls of an idle queue, at most. Delay queues poll as the library does."""


class Broker(Protocol):
    """What a consumer asks of its broker, on top of the library's own."""

    delay_queues: set[str]

    def fetched_of(self, queue_name: str) -> set[str]:
        """Redis ids of messages that this process has fetched and not acknowledged; the consumer updates the set."""
        ...

    def unacknowledged(self, queue_name: str) -> set[str]:
        """Redis ids of messages that Redis counts as being with this process."""
        ...

    def bodies(self, queue_name: str, message_ids: Sequence[str]) -> list[bytes | None]:
        """The stored message of each Redis id; None if there is none."""
        ...

    def __getattr__(self, script: str) -> Any:
        """`do_fetch`, `do_nack` and `do_requeue`: the library's scripts in Redis."""
        ...


class RedisConsumer(dramatiq_redis._RedisConsumer):
    """One consumer thread iterates, worker threads acknowledge concurrently.

    After a connection error the library makes a new consumer, which requeues messages that the old one had fetched and
    not handed to a worker.
    """

    broker: Broker

    def __init__(self, broker: Broker, queue_name: str, prefetch: int, timeout: int) -> None:
        self.is_delay_queue = queue_name in broker.delay_queues
        idle = timeout if self.is_delay_queue else min(timeout, IDLE_POLL)
        super().__init__(broker, queue_name, prefetch, idle)
        self.fetched = broker.fetched_of(queue_name)
        self._requeue_stray()

    def __next__(self) -> MessageProxy | None:
        while self.message_cache or self._fetch():
            data: bytes | None = self.message_cache.pop(0)
            message = self._decode(data)
            if message is not None:
                self.fetched.add(message.options["redis_message_id"])
                self.queued_message_ids.add(message.message_id)
                return MessageProxy(message)
            self._reject(data)
        return None

    def ack(self, message: MessageProxy) -> None:
        super().ack(message)
        self.fetched.discard(message.options["redis_message_id"])

    def nack(self, message: MessageProxy) -> None:
        super().nack(message)
        self.fetched.discard(message.options["redis_message_id"])

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        returned = list(messages)
        super().requeue(returned)
        self.fetched.difference_update(message.options["redis_message_id"] for message in returned)

    def close(self) -> None:
        self._requeue_stray()

    def _fetch(self) -> bool:
        """Fetch messages. Returns False after a pause, which grows while the queue stays empty."""
        free = self.prefetch - self.outstanding_message_count
        self.message_cache = self.broker.do_fetch(self.queue_name, free) if free > 0 else []
        if self.message_cache:
            self.misses = 0
            return True
        self.misses, wait = compute_backoff(self.misses, max_backoff=self.timeout)
        time.sleep(wait / 1000)
        return False

    def _decode(self, data: bytes | None) -> Message[Any] | None:
        """None for a message that would stop the consumer or kill a worker thread."""
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

    def _reject(self, data: bytes | None) -> None:
        """Move an unreadable message to the dead letters. Its id is found by its body."""
        self.logger.error("Unreadable message on queue %r, moving it to the dead letters.", self.queue_name)
        candidates = sorted(self.broker.unacknowledged(self.queue_name) - self.fetched)
        if candidates:
            bodies = self.broker.bodies(self.queue_name, candidates)
            for message_id, body in zip(candidates, bodies, strict=True):
                if body == data:
                    self.broker.do_nack(self.queue_name, message_id)

    def _requeue_stray(self) -> None:
        if self.is_delay_queue:
            # Delayed messages wait in the consumer thread, which drops them when its connection fails.
            self.fetched.clear()
        stray = self.broker.unacknowledged(self.queue_name) - self.fetched
        self.message_cache = []
        if stray:
            self.logger.info("Returning %d messages to queue %r.", len(stray), self.queue_name)
            self.broker.do_requeue(self.queue_name, *stray)
