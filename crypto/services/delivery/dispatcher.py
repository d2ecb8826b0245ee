"""The way of a command through this process: rows are claimed or inserted, sent to their nodes, and settled.

Each step works in batches: what many threads and coroutines hand in at about the same time becomes one SELECT, one
UPDATE, one message to a node and one settlement.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import Future
from functools import lru_cache
from uuid import UUID

from django.db import transaction

from crypto.commands import Failure
from crypto.conf import conf
from crypto.grpc.streaming import Outcome, OutcomeKind
from crypto.models import Client, State, clock
from crypto.models.stream_node import alive
from crypto.services import conversion
from crypto.services.batching import Batcher
from crypto.services.delivery.transport import submit
from crypto.services.ledger.attempt import Attempt, Result
from crypto.services.ledger.claim import claim
from crypto.services.ledger.issue import CommandRequest
from crypto.services.ledger.issue_inline import Inserted, insert
from crypto.services.ledger.settle import Ack, FailedAttempt, record_acks, record_failures
from crypto.services.ledger.settle.fast_path import record_fast

CLAIMABLE = 1_000
"""Ids that wait to be claimed, at most. Further messages stay in the broker, where other processes can take them."""
BUSY_ABOVE = 100
"""With more commands from the lanes in flight, acks are settled in larger batches."""

FAILURES = {
    OutcomeKind.NOT_CONNECTED: Failure.NO_ROUTE,
    OutcomeKind.NOT_HANDED_OVER: Failure.NOT_HANDED_OVER,
    OutcomeKind.INVALID: Failure.NOT_HANDED_OVER,
    OutcomeKind.TIMED_OUT: Failure.TIMEOUT,
    OutcomeKind.CONNECTION_LOST: Failure.TIMEOUT,
}


class Dispatcher:
    """One for each process; safe from any thread. Its threads start on first use, so it may be made before a fork.

    `window`: commands from the lanes in flight, at most.
    """

    def __init__(self, window: int) -> None:
        self._claims: Batcher[UUID, None] = Batcher("claim", self._claim, limit=CLAIMABLE)
        self._inserts: Batcher[CommandRequest, Inserted] = Batcher("insert", insert)
        self._endings: Batcher[Attempt, None] = Batcher(
            "settle", self._settle, 1_000, retry_forever=True, busy=lambda: self._queued > BUSY_ABOVE
        )
        self._window = window
        self._queued = 0
        self._room = threading.Condition()

    def deliver(self, ids: Iterable[UUID]) -> None:
        """Claim and send queued rows. Rows that were claimed or ended elsewhere are skipped.

        Returns before that is done. If the process dies meanwhile, rows not yet claimed are still QUEUED and the
        sweeper enqueues them again. Blocks while many ids wait, that is while the window is full.
        """
        self._claims.wait_for_room(min(CLAIMABLE, self._window))
        self._claims.put_many(ids)

    def execute(self, request: CommandRequest) -> Future[Result]:
        """Run one command inline: with a row in the ledger like any other, but without a lane.

        The future raises UnknownClient or DedupeConflict if nothing was issued. If the request does not `wait`, it is
        done as soon as the client's stream has the command (state SENT); the ack is stored when it comes.

        Raises RuntimeError inside a transaction: the row must be committed before the command is sent.
        """
        if transaction.get_connection().in_atomic_block:
            raise RuntimeError("a command cannot be executed inside a transaction: issue() it")
        result: Future[Result] = Future()
        result.set_running_or_notify_cancel()  # a caller that goes away does not cancel the command

        def on_inserted(done: Future[Inserted]) -> None:
            error = done.exception()
            inserted = done.result() if error is None else error
            if isinstance(inserted, Attempt):
                inserted.result = result
                self._send([inserted])
            elif isinstance(inserted, Result):
                result.set_result(inserted)
            else:
                result.set_exception(inserted)

        self._inserts.put(request).add_done_callback(on_inserted)
        return result

    def close(self, timeout: float = 30.0) -> None:
        """Claim nothing more, and wait until what is in flight is settled: `timeout` seconds for each step, at most."""
        self._claims.close(timeout)
        with self._room:
            self._room.wait_for(lambda: self._queued == 0, timeout)
        self._inserts.close(timeout)
        self._endings.close(timeout)

    def _claim(self, ids: list[UUID]) -> list[None]:
        claimed = 0
        while claimed < len(ids):
            room = self._wait_for_room(len(ids) - claimed)
            attempts = claim(ids[claimed : claimed + room])
            claimed += room
            with self._room:
                self._queued += len(attempts)
            self._send(attempts)
        return [None] * len(ids)

    def _wait_for_room(self, wanted: int) -> int:
        """Wait for free places in the window and return their number: at least `wanted` or a quarter of the window.

        A claim of a few rows costs as much as one of many.
        """
        enough = min(wanted, max(1, self._window // 4))
        with self._room:
            self._room.wait_for(lambda: self._window - self._queued >= enough)
            return self._window - self._queued

    def _send(self, attempts: list[Attempt]) -> None:
        nodes: dict[str, dict[str, Attempt]] = defaultdict(dict)
        for attempt in attempts:
            nodes[attempt.address][attempt.command_id] = attempt
        for address, in_flight in nodes.items():

            def on_outcomes(outcomes: list[Outcome], in_flight: dict[str, Attempt] = in_flight) -> None:
                self._on_outcomes([(in_flight[outcome.command_id], outcome) for outcome in outcomes])

            submit(address, [attempt.order() for attempt in in_flight.values()], on_outcomes)

    def _on_outcomes(self, pairs: list[tuple[Attempt, Outcome]]) -> None:
        ended = []
        for attempt, outcome in pairs:
            if outcome.kind is OutcomeKind.HANDED_OVER:
                self._done(attempt, Result(attempt.id, State.SENT, "handed over"))
                continue
            if outcome.kind is OutcomeKind.ACKED:
                attempt.ended = conversion.ack(attempt.client_id, outcome.ack)
            else:
                why = outcome.reason or outcome.kind.value
                attempt.ended = FailedAttempt(attempt.id, attempt.claim, FAILURES[outcome.kind], why)
            ended.append(attempt)
        if ended:
            self._endings.put_many(ended)

    def _settle(self, attempts: list[Attempt]) -> list[None]:
        elsewhere = _elsewhere(attempts)
        here = [attempt for attempt in attempts if attempt not in elsewhere]
        record_acks(record_fast((each, each.ended) for each in here if isinstance(each.ended, Ack)))
        states = record_failures([each.ended for each in here if isinstance(each.ended, FailedAttempt)])
        for attempt in here:
            ended = attempt.ended
            if isinstance(ended, Ack):
                self._done(attempt, Result(attempt.id, ended.state, ended.why, ended))
            elif ended is not None:
                state = states.get(attempt.id, State.TIMED_OUT)
                self._done(attempt, Result(attempt.id, state, ended.why))
        for attempt, address in elsewhere.items():
            attempt.address, attempt.rerouted, attempt.ended = address, True, None
        self._send(list(elsewhere))
        return [None] * len(attempts)

    def _done(self, attempt: Attempt, result: Result) -> None:
        if attempt.result is not None:
            attempt.result.set_result(result)
        else:
            with self._room:
                self._queued -= 1
                self._room.notify_all()


@lru_cache(maxsize=1)
def dispatcher() -> Dispatcher:
    """This process' dispatcher."""
    return Dispatcher(conf.worker_window)


def _elsewhere(attempts: list[Attempt]) -> dict[Attempt, str]:
    """Attempts whose client is on another node now, with its address. Each attempt is moved once at most."""
    lost = [
        attempt
        for attempt in attempts
        if isinstance(attempt.ended, FailedAttempt)
        and attempt.ended.failure is Failure.NO_ROUTE
        and not attempt.rerouted
    ]
    if not lost:
        return {}
    clients = {attempt.client_id for attempt in lost}
    nodes = Client.objects.filter(alive(clock.now(), "node__"), pk__among=clients)
    routes = dict(nodes.values_list("pk", "node__address"))
    found = [(attempt, routes.get(attempt.client_id)) for attempt in lost]
    return {attempt: address for attempt, address in found if address not in (None, attempt.address)}
