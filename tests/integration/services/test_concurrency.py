"""Many threads at the same rows: every effect once, nobody blocked for ever."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import UUID

import pytest
from django.db import connections

from crypto.commands import Failure
from crypto.models import Client, CommandLog, State
from crypto.services.ledger.attempt import Attempt
from crypto.services.ledger.cancel import cancel
from crypto.services.ledger.claim import claim
from crypto.services.ledger.settle import FailedAttempt, record_acks, record_failures
from crypto.services.ledger.sweep import sweep
from tests.support import ledger
from tests.support.ledger import ack, hurry, queued

T = TypeVar("T")

THREADS = 16
ROWS = 40

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def present(transactional_db: None) -> Client:
    return ledger.client(ledger.node())


def at_once(*calls: Callable[[], T]) -> list[T]:
    """The results of calls that start together, each in a thread of its own."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        start.wait()
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(run, call) for call in calls]]


def shuffled(ids: list[UUID], seed: int) -> list[UUID]:
    return random.Random(seed).sample(ids, len(ids))


def attempts_of(client: Client) -> list[Attempt]:
    return claim([queued(client).id for _ in range(ROWS)])


def test_each_row_is_claimed_once(present: Client) -> None:
    ids = [queued(present).id for _ in range(ROWS)]
    claims = at_once(*(lambda n=n: claim(shuffled(ids, n)) for n in range(THREADS)))
    assert sorted(attempt.id for attempts in claims for attempt in attempts) == sorted(ids)
    assert set(CommandLog.objects.values_list("state", "attempt")) == {(State.SENT, 1)}


def test_what_waited_for_its_client_is_claimed_once_and_in_order(present: Client) -> None:
    ids = [queued(present, offline="queue").id for _ in range(ROWS)]
    claims = at_once(*(lambda n=n: claim([shuffled(ids, n)[0]]) for n in range(THREADS)))
    for attempts in claims:
        taken = [ids.index(attempt.id) for attempt in attempts]
        assert taken == sorted(taken)
    started = [ids.index(attempt.id) for attempts in claims for attempt in attempts]
    assert len(started) == len(set(started))


def test_of_ack_and_miss_one_counts(present: Client) -> None:
    attempts = attempts_of(present)
    landed, missed = at_once(
        lambda: record_acks([ack(attempt) for attempt in attempts]),
        lambda: record_failures(
            [FailedAttempt(f.id, f.claim, Failure.TIMEOUT, "no ack") for f in reversed(attempts)]
        ),
    )
    assert landed == [True] * ROWS, "an ack counts, in time or not"
    assert not isinstance(missed, list)
    assert set(CommandLog.objects.values_list("state", flat=True)) == {State.SUCCEEDED}
    ledger.check(CommandLog.objects.all())


def test_an_ack_lands_once_of_however_many(present: Client) -> None:
    attempts = attempts_of(present)
    landings = at_once(*(lambda n=n: _land(attempts, n) for n in range(THREADS)))
    counted = Counter(id for landing in landings for id in landing)
    assert counted == Counter({attempt.id: 1 for attempt in attempts})


def test_sweepers_end_each_lease_once(present: Client) -> None:
    attempts = attempts_of(present)
    hurry(*attempts)
    swept = at_once(*[sweep] * 4)
    assert sum(each.timed_out for each in swept) == ROWS
    assert set(CommandLog.objects.values_list("state", "attempt")) == {(State.QUEUED, 1)}


def test_everybody_at_once(present: Client) -> None:
    """Claims, acks, misses, cancels, leases that end and sweepers, all over the same rows."""
    ids = [queued(present, name).id for name in ("ping", "pause", "resume", "ping") for _ in range(10)]
    attempts: list[Attempt] = []
    stop = threading.Event()

    def claimer(seed: int) -> None:
        for turn in range(15):
            attempts.extend(claim(shuffled(ids, seed * 100 + turn)[:20]))

    def settler(seed: int) -> None:
        chance = random.Random(seed)
        while not stop.is_set():
            some = chance.sample(attempts, min(10, len(attempts)))
            record_acks([ack(attempt) for attempt in some[:2]])
            record_failures([FailedAttempt(f.id, f.claim, Failure.TIMEOUT, "no ack") for f in some[2:8]])
            cancel([attempt.id for attempt in some[8:9]])

    def sweeper() -> None:
        while not stop.is_set():
            for row in CommandLog.objects.filter(pk__in=ids).order_by("?")[:5]:
                hurry(row)  # one by one: this is no part of the ledger and locks in no order
            sweep()

    def work() -> None:
        try:
            at_once(*(lambda n=n: claimer(n) for n in range(4)))
        finally:
            stop.set()

    at_once(work, *(lambda n=n: settler(n) for n in range(3)), sweeper, sweeper)
    ledger.check(CommandLog.objects.all())
    assert len({attempt.claim for attempt in attempts}) <= len(attempts)
    counted = Counter(attempt.id for attempt in attempts)
    assert dict(CommandLog.objects.filter(attempt__gt=0).values_list("pk", "attempt")) == counted


def _land(attempts: list[Attempt], seed: int) -> list[UUID]:
    mine = random.Random(seed).sample(attempts, len(attempts))
    landed = record_acks([ack(attempt) for attempt in mine])
    return [attempt.id for attempt, good in zip(mine, landed, strict=True) if good]
