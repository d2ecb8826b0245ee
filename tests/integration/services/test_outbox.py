"""Whatever happens between a row's commit and its message, the sweeper rings: late by its period, never lost."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast
from uuid import UUID

import dramatiq
import pytest
import redis
from django.db import connections
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker as StockRedisBroker
from dramatiq.brokers.stub import StubBroker

from crypto.models import Client, CommandLog, State
from crypto.services.ledger.claim import claim
from crypto.services.ledger.queue import REQUEUE_AFTER
from crypto.services.ledger.sweep import sweep
from tests.support import ledger
from tests.support.ledger import queued
from tests.support.live import live_environment
from tests.support.processes import ROOT
from tests.support.services import RedisServer
from workers.broker import RedisBroker
from workers.ticks import Tick, run_forever

PERIOD = 0.5
SLACK = 5.0
"""Seconds that a busy machine may add."""

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

DIES_AFTER_COMMIT = """
import os, sys, uuid, django
django.setup()
from django.db import transaction
from crypto.commands.ping import Ping
from crypto.services.ledger.issue import CommandRequest, issue
with transaction.atomic():
    transaction.on_commit(lambda: os._exit(9))
    issue(CommandRequest(client_id=uuid.UUID(sys.argv[1]), command=Ping()))
"""


@pytest.fixture
def broker(own_redis: RedisServer) -> Iterator[RedisBroker]:
    before = dramatiq.get_broker()
    broker = RedisBroker(url=own_redis.url)
    dramatiq.set_broker(broker)
    yield broker
    dramatiq.set_broker(before)
    broker.client.close()


@pytest.fixture
def present(transactional_db: None) -> Client:
    return ledger.client(ledger.node())


@pytest.fixture
def sweeper(broker: RedisBroker) -> Iterator[None]:
    stop = threading.Event()

    def swept() -> None:
        sweep()
        connections.close_all()

    thread = threading.Thread(target=run_forever, args=((Tick("sweep", PERIOD, swept),), stop))
    thread.start()
    yield
    stop.set()
    thread.join()


def enqueued(broker: RedisBroker) -> list[UUID]:
    try:
        bodies = cast(list[bytes], broker.client.hvals("dramatiq:default.msgs"))
    except redis.RedisError:
        return []
    return [UUID(id) for body in bodies for id in Message.decode(body).args[0]]


def wait_for_ring(broker: RedisBroker, command: CommandLog) -> None:
    """Fails if the row is not rung for once its ring is overdue and the sweeper came by."""
    deadline = time.monotonic() + REQUEUE_AFTER.total_seconds() + PERIOD + SLACK
    while command.pk not in enqueued(broker):
        assert time.monotonic() < deadline, "nobody rang"
        time.sleep(0.05)
    assert [attempt.id for attempt in claim([command.pk])] == [command.pk]


@pytest.mark.usefixtures("sweeper")
def test_redis_emptied(broker: RedisBroker, present: Client) -> None:
    command = queued(present)
    assert enqueued(broker) == [command.pk]
    broker.client.flushall()
    wait_for_ring(broker, command)


@pytest.mark.usefixtures("sweeper")
def test_redis_down_at_the_commit(own_redis: RedisServer, broker: RedisBroker, present: Client) -> None:
    own_redis.kill()
    begin = time.monotonic()
    command = queued(present)
    assert time.monotonic() - begin < SLACK, "whoever issues does not wait for Redis to come back"
    # Past the moment when the sweeper is refused, too.
    time.sleep(REQUEUE_AFTER.total_seconds() + PERIOD)
    own_redis.start()
    wait_for_ring(broker, command)


@pytest.mark.usefixtures("sweeper")
def test_redis_frozen_at_the_commit(own_redis: RedisServer, broker: RedisBroker, present: Client) -> None:
    os.kill(own_redis.process.pid, signal.SIGSTOP)
    started = time.monotonic()
    commands = [queued(present) for _ in range(3)]
    took = time.monotonic() - started
    os.kill(own_redis.process.pid, signal.SIGCONT)
    # Redis was frozen all the while: who issues goes on without its answer, the first after half a second.
    assert took < SLACK
    for command in commands:
        wait_for_ring(broker, command)


@pytest.mark.parametrize("stock", [StubBroker, StockRedisBroker])
def test_a_broker_that_knows_no_batches_and_none_of_our_queues(
    own_redis: RedisServer, broker: RedisBroker, present: Client, stock: type[dramatiq.Broker]
) -> None:
    given = StockRedisBroker(url=own_redis.url) if stock is StockRedisBroker else StubBroker()
    dramatiq.set_broker(given)
    command = queued(present, "sync_wallets")
    message = next(iter(given.consume(command.lane, timeout=5_000)))
    assert message is not None
    assert (message.actor_name, message.args) == ("deliver", ([str(command.pk)],))


@pytest.mark.usefixtures("sweeper")
def test_a_process_that_dies_between_commit_and_enqueue(
    broker: RedisBroker, present: Client, own_redis: RedisServer, tmp_path: Path
) -> None:
    env = live_environment(tmp_path, REDIS_URL=own_redis.url, DJANGO_SETTINGS_MODULE="project.settings")
    argv = [sys.executable, "-c", DIES_AFTER_COMMIT, str(present.pk)]
    died = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert died.returncode == 9, died.stderr
    command = CommandLog.objects.get()
    assert (command.state, enqueued(broker)) == (State.QUEUED, [])
    wait_for_ring(broker, command)
