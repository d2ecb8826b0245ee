import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dramatiq
import pytest
import redis
from django.conf import settings
from django_dramatiq.utils import load_middleware
from dramatiq import Message, Worker
from dramatiq.errors import ConnectionClosed

from tests.support.processes import wait_until
from tests.support.services import RedisServer
from workers.broker import LANES, MemoryBroker, RedisBroker


class Seen:
    """What an actor was called with, in any thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.values: list[int] = []

    def __call__(self, value: int) -> None:
        with self.lock:
            self.values.append(value)


def make_broker(url: str) -> RedisBroker:
    middleware = [load_middleware(path) for path in settings.DRAMATIQ_MIDDLEWARE]
    return RedisBroker(url=url, middleware=middleware)


@pytest.fixture
def broker(redis_server: RedisServer) -> Iterator[RedisBroker]:
    broker = make_broker(redis_server.url)
    yield broker
    broker.client.flushdb()
    broker.close()


@contextmanager
def working(broker: RedisBroker | MemoryBroker) -> Iterator[Worker]:
    worker = Worker(broker, worker_threads=4)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop(timeout=10_000)


def actor(
    broker: dramatiq.Broker, function: Callable[[int], None], name: str = "note", **options: Any
) -> None:
    dramatiq.actor(actor_name=name, broker=broker, **options)(function)


def message(value: int, lane: str = "default", name: str = "note") -> Message[Any]:
    return Message(queue_name=lane, actor_name=name, args=(value,), kwargs={}, options={})


def dead_letters(broker: RedisBroker, lane: str = "default") -> list[bytes]:
    return list(broker.client.hgetall(f"dramatiq:{lane}.XQ.msgs").values())


def test_batch_leaves_the_same_in_redis_as_single_sends(broker: RedisBroker) -> None:
    def stored() -> list[dict[str, Any]]:
        ids = broker.client.lrange("dramatiq:bulk", 0, -1)
        bodies = broker.client.hgetall("dramatiq:bulk.msgs")
        assert set(ids) == set(bodies)
        decoded = [json.loads(bodies[message_id]) for message_id in ids]
        assert [body["options"].pop("redis_message_id").encode() for body in decoded] == ids
        broker.client.delete("dramatiq:bulk", "dramatiq:bulk.msgs")
        return decoded

    messages = [message(number, "bulk") for number in range(5)]
    for each in messages:
        broker.enqueue(each)
    one_by_one = stored()
    broker.enqueue_many(messages)
    assert stored() == one_by_one


def test_batches_of_all_lanes_are_consumed_once_each(broker: RedisBroker) -> None:
    seen = Seen()
    actor(broker, seen)
    broker.enqueue_many(message(number, LANES[number % 4]) for number in range(2_500))
    with working(broker):
        wait_until(lambda: len(seen.values) >= 2_500, 60, "all messages")
    assert sorted(seen.values) == list(range(2_500))
    assert broker.client.keys("dramatiq:*.msgs") == []


def unreadable(name: str) -> bytes:
    sound = message(0).copy(options={"redis_message_id": name}).asdict()
    sound |= {"message_id": "always-the-same", "message_timestamp": 0}
    broken = {
        "not json": b"\x80\x04garbage",
        "not a message": b"[1, 2, 3]",
        "no id": json.dumps(sound | {"options": {}}).encode(),
        "other queue": json.dumps(sound | {"queue_name": "elsewhere"}).encode(),
        "no keywords": json.dumps(sound | {"kwargs": None}).encode(),
    }
    return broken[name]


@pytest.mark.parametrize("kind", ["not json", "not a message", "no id", "other queue", "no keywords"])
def test_unreadable_message_goes_to_dead_letters_and_stalls_nothing(broker: RedisBroker, kind: str) -> None:
    seen = Seen()
    actor(broker, seen)
    for number in range(20):
        broker.enqueue(message(number))
        if number in (0, 7):
            broker.client.hset("dramatiq:default.msgs", f"bad-{number}", unreadable(kind))
            broker.client.rpush("dramatiq:default", f"bad-{number}")
    with working(broker):
        wait_until(lambda: len(seen.values) >= 20, 30, "the good messages")
        wait_until(lambda: len(dead_letters(broker)) == 2, 30, "two dead letters")
        wait_until(lambda: not broker.fetched_of("default"), 30, "the last acknowledgement")
        assert broker.unacknowledged("default") == set()
    assert sorted(seen.values) == list(range(20))
    assert dead_letters(broker) == [unreadable(kind)] * 2


def test_id_without_a_body_is_forgotten(broker: RedisBroker) -> None:
    seen = Seen()
    actor(broker, seen)
    broker.client.rpush("dramatiq:default", "lost")
    broker.enqueue(message(1))
    with working(broker):
        wait_until(lambda: seen.values == [1], 30, "the message behind it")
        wait_until(lambda: not broker.unacknowledged("default"), 30, "nothing left in hand")


@pytest.mark.slow
def test_an_outage_longer_than_every_retry_strands_nothing(own_redis: RedisServer) -> None:
    broker = make_broker(own_redis.url)
    seen = Seen()
    reached, go_on = threading.Event(), threading.Event()

    def note(value: int) -> None:
        reached.set()
        go_on.wait(60)
        seen(value)

    actor(broker, note)
    with working(broker) as worker:
        broker.enqueue_many(message(number) for number in range(50))
        broker.enqueue(message(100), delay=1_000)
        assert reached.wait(10)
        wait_until(lambda: broker.fetched_of("default.DQ"), 30, "the delayed message in hand")
        own_redis.kill()
        go_on.set()
        # Its retries exhausted, the consumer thread drops what it had delayed.
        dropped = worker.consumers["default.DQ"].delay_queue
        wait_until(
            lambda: worker.consumers["default.DQ"].delay_queue is not dropped, 60, "the end of the retries"
        )
        own_redis.start()
        wait_until(lambda: set(seen.values) == {*range(50), 100}, 40, "all messages")
        wait_until(lambda: not broker.client.keys("dramatiq:*.msgs"), 30, "all acknowledgements")


def test_a_full_redis_refuses_and_later_goes_on(own_redis: RedisServer) -> None:
    broker = make_broker(own_redis.url)
    seen = Seen()
    actor(broker, seen)
    with working(broker), redis.Redis.from_url(own_redis.url) as admin:
        broker.enqueue(message(1), delay=500)
        wait_until(lambda: broker.fetched_of("default.DQ"), 30, "the delayed message in hand")
        admin.config_set("maxmemory", 1)
        with pytest.raises(ConnectionClosed):
            broker.enqueue(message(2))
        with pytest.raises(ConnectionClosed):
            broker.enqueue_many([message(3)])
        assert seen.values == []
        admin.config_set("maxmemory", 0)
        broker.enqueue_many([message(4)])
        wait_until(lambda: set(seen.values) == {1, 4}, 30, "both messages")
    assert sorted(seen.values) == [1, 4]


@pytest.mark.slow
def test_a_retry_that_cannot_be_enqueued_becomes_a_dead_letter(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker(own_redis.url)
    admin = redis.Redis.from_url(own_redis.url)

    def fail(value: int) -> None:
        admin.config_set("maxmemory", 1)
        raise RuntimeError("on purpose")

    actor(broker, fail, max_retries=3)
    broker.enqueue(message(1))
    with working(broker):
        wait_until(lambda: "Failed to post_process_message" in caplog.text, 30, "the refused retry")
        admin.config_set("maxmemory", 0)
        wait_until(lambda: dead_letters(broker), 30, "the dead letter")


def test_no_retries_unless_asked_for(broker: RedisBroker) -> None:
    seen = Seen()

    def fail(value: int) -> None:
        seen(value)
        raise RuntimeError("on purpose")

    actor(broker, fail)
    broker.enqueue(message(1))
    with working(broker):
        wait_until(lambda: dead_letters(broker), 30, "the dead letter")
    assert seen.values == [1]


def test_messages_fetched_but_not_begun_return_at_shutdown(broker: RedisBroker) -> None:
    started, finish = threading.Semaphore(0), threading.Event()

    def hold(value: int) -> None:
        started.release()
        finish.wait(30)

    actor(broker, hold)
    broker.enqueue_many(message(number) for number in range(30))
    worker = Worker(broker, worker_threads=2)
    worker.start()
    for _ in range(2):
        assert started.acquire(timeout=10)
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    wait_until(lambda: not any(thread.running for thread in worker.workers), 30, "the order to stop")
    finish.set()
    stopping.join(20)
    assert not stopping.is_alive()
    assert broker.client.llen("dramatiq:default") == 28
    assert broker.client.hlen("dramatiq:default.msgs") == 28


def test_memory_broker_consumes_what_its_process_enqueues() -> None:
    middleware = [load_middleware(path) for path in settings.DRAMATIQ_MIDDLEWARE]
    broker = MemoryBroker(middleware=middleware, consume=False)
    seen = Seen()

    def note(value: int) -> None:
        seen(value)
        if value % 2:
            raise RuntimeError("on purpose")

    actor(broker, note)
    broker.enqueue_many(message(number, "urgent") for number in range(300))
    with working(broker):
        wait_until(lambda: len(seen.values) == 300, 30, "all messages")
        wait_until(lambda: len(broker.dead_letters_by_queue["urgent"]) == 100, 30, "the dead letters")
    assert sorted(seen.values) == list(range(300))


def test_memory_broker_starts_its_own_worker_with_the_first_message() -> None:
    broker = MemoryBroker()
    seen = Seen()
    actor(broker, seen)
    broker.enqueue_many(message(number) for number in range(10))
    wait_until(lambda: len(seen.values) == 10, 30, "all messages")
    assert broker.worker is not None
    broker.worker.stop()
