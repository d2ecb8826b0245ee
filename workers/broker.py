"""The brokers: Redis, with fixes where the library loses or strands messages, and one in memory."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Any, cast
from uuid import uuid4

import redis
from django.conf import settings
from django.utils.module_loading import autodiscover_modules
from dramatiq import Message, Middleware, Worker
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.brokers import redis as dramatiq_redis
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import ConnectionClosed
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from workers.consumer import RedisConsumer

LANES = ("urgent", "default", "bulk", "sync")

PIPELINE_SIZE = 1_000
"""Messages in one Redis transaction, at most."""

HEARTBEAT_TIMEOUT = 15_000
"""Milliseconds without a heartbeat after which other workers get a worker's messages."""

MEMORY_THREADS = 4
"""Threads of the worker that a `MemoryBroker` starts."""

ALWAYS = dramatiq_redis.MAINTENANCE_SCALE
"""Every poll looks for dead workers, which costs two look-ups; the library does so at random."""


def _client(url: str, *, attempts: int, cap: float) -> redis.Redis:
    """A client that survives a restart of Redis: at most `attempts` retries, `cap` seconds apart."""
    return redis.Redis.from_url(
        url,
        retry=Retry(ExponentialWithJitterBackoff(base=0.01, cap=cap), attempts),
        socket_connect_timeout=2,
        socket_timeout=10,
    )


class RedisBroker(dramatiq_redis.RedisBroker):
    """Raises ConnectionClosed instead of redis errors: the library retries on that error alone."""

    def __init__(
        self, *, url: str, middleware: list[Middleware] | None = None, namespace: str = "dramatiq"
    ) -> None:
        super().__init__(
            client=_client(url, attempts=10, cap=1),
            middleware=middleware,
            namespace=namespace,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            maintenance_chance=ALWAYS,
        )
        # A request or a transaction that has just committed must not wait long.
        self._enqueuing = _client(url, attempts=3, cap=0.1)
        self._fetched: defaultdict[str, set[str]] = defaultdict(set)
        for lane in LANES:
            self.declare_queue(lane)

    @property
    def consumer_class(self) -> type[Consumer]:
        return RedisConsumer

    def enqueue_many(self, messages: Iterable[Message[Any]]) -> None:
        """Sends messages in two Redis commands per thousand and queue. Each thousand is enqueued whole or not at all.

        Raises:
          ConnectionClosed: Redis did not accept a thousand. Earlier ones may have been enqueued.
        """
        by_queue: defaultdict[str, list[Message[Any]]] = defaultdict(list)
        for message in messages:
            by_queue[message.queue_name].append(message)
        for queue_name, queued in by_queue.items():
            for start in range(0, len(queued), PIPELINE_SIZE):
                self._push(queue_name, queued[start : start + PIPELINE_SIZE])

    def _push(self, queue_name: str, messages: Sequence[Message[Any]]) -> None:
        stamped = [message.copy(options={"redis_message_id": str(uuid4())}) for message in messages]
        for message in stamped:
            self.emit_before("enqueue", message, None)
        bodies = {message.options["redis_message_id"]: message.encode() for message in stamped}
        key = f"{self.namespace}:{queue_name}"
        try:
            with self._enqueuing.pipeline(transaction=True) as pipeline:
                pipeline.hset(f"{key}.msgs", mapping=bodies)
                pipeline.rpush(key, *bodies)
                pipeline.execute()
        except redis.RedisError as error:
            raise ConnectionClosed(error) from error
        for message in stamped:
            self.emit_after("enqueue", message, None)

    def fetched_of(self, queue_name: str) -> set[str]:
        """Redis ids of messages that this process has fetched and not acknowledged; a queue's consumers share it."""
        return self._fetched[queue_name]

    def unacknowledged(self, queue_name: str) -> set[str]:
        """Redis ids of messages that Redis counts as being with this process."""
        key = f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}"
        try:
            members = cast("set[bytes]", self.client.smembers(key))
        except redis.RedisError as error:
            raise ConnectionClosed(error) from error
        return {member.decode() for member in members}

    def bodies(self, queue_name: str, message_ids: Sequence[str]) -> list[bytes | None]:
        """The stored message of each Redis id; None if there is none."""
        key = f"{self.namespace}:{queue_name}.msgs"
        try:
            return cast("list[bytes | None]", self.client.hmget(key, message_ids))
        except redis.RedisError as error:
            raise ConnectionClosed(error) from error

    def _dispatch(self, command: str) -> Callable[..., Any]:
        dispatch = super()._dispatch(command)

        def guarded(queue_name: str, *args: Any) -> Any:
            try:
                return dispatch(queue_name, *args)
            except redis.RedisError as error:
                raise ConnectionClosed(error) from error

        return guarded


class _DeadLetters(list[MessageProxy]):
    """Keeps the last hundred, because nothing takes them out."""

    def append(self, message: MessageProxy) -> None:
        super().append(message)
        del self[:-100]


class MemoryBroker(StubBroker):
    """Messages live in this process and are lost with it; the sweeper enqueues their rows again.

    For installations without Redis: the first message a process enqueues starts a worker inside it.
    """

    def __init__(self, *, middleware: list[Middleware] | None = None, consume: bool = True) -> None:
        """`consume=False`: start no worker."""
        super().__init__(middleware, fail_fast_default=False)
        self.dead_letters_by_queue = defaultdict(_DeadLetters)
        self.worker: Worker | None = None
        self._consume = consume
        self._starting = Lock()
        for lane in LANES:
            self.declare_queue(lane)

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        with self._starting:
            if self._consume and self.worker is None:
                self.worker = self._start_worker()
        return super().enqueue(message, delay=delay)

    def enqueue_many(self, messages: Iterable[Message[Any]]) -> None:
        for message in messages:
            self.enqueue(message)

    def _start_worker(self) -> Worker:
        # Late: actors register themselves with the broker, so it has to exist first.
        autodiscover_modules(*settings.DRAMATIQ_AUTODISCOVER_MODULES)
        worker = Worker(self, worker_threads=MEMORY_THREADS)
        worker.start()
        return worker
