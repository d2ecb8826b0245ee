"""The way of a command through this process: rows are claimed or inserted, handed to the wire, and settled.

Everything is gathered: whatever threads and coroutines hand in at the same time becomes one SELECT, one UPDATE, one
batch on the wire and one settlement.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import Future
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction

from crypto.commands import Failure
from crypto.grpc.streaming import Outcome, OutcomeKind
from crypto.models import Client, State, clock
from crypto.models.stream_node import alive
from crypto.services import wire as convert
from crypto.services.batching import Gatherer
from crypto.services.delivery.transport import submit
from crypto.services.ledger.attempt import Flight, Result
from crypto.services.ledger.claim import claim
from crypto.services.ledger.issue import Request
from crypto.services.ledger.issue_inline import Inline, Inserted, insert
from crypto.services.ledger.settle import Ack, Miss, land, miss
from crypto.services.ledger.settle.fast_path import land_plain

CLAIMABLE = 1_000
"""Ids that may wait to be claimed; beyond them messages stay with the broker, where other processes find them."""
CROWD = 100
"""Commands of the queues in flight above which acks are settled in larger batches."""

FAILURES = {
    OutcomeKind.NOT_CONNECTED: Failure.NO_ROUTE,
    OutcomeKind.NOT_HANDED_OVER: Failure.NOT_HANDED_OVER,
    OutcomeKind.INVALID: Failure.NOT_HANDED_OVER,
    OutcomeKind.TIMED_OUT: Failure.TIMEOUT,
    OutcomeKind.CONNECTION_LOST: Failure.TIMEOUT,
}


class Ending(NamedTuple):
    flight: Flight
    news: Ack | Miss


class Dispatcher:
    """One per process. Its threads start with the first use, so it is safe to make before a fork."""

    def __init__(self, window: int) -> None:
        self._claims: Gatherer[UUID, None] = Gatherer("claim", self._claim, limit=CLAIMABLE)
        self._inserts: Gatherer[Inline, Inserted] = Gatherer("insert", insert)
        self._endings: Gatherer[Ending, None] = Gatherer(
            "settle", self._settle, 1_000, patient=True, crowded=lambda: self._queued > CROWD
        )
        self._window = window
        self._queued = 0
        self._room = threading.Condition()

    def deliver(self, ids: Iterable[UUID]) -> None:
        """Have queued rows claimed and handed to the wire. Rows that somebody else has claimed or ended are passed
        over.

        Returns before that is done: what a process that dies had not claimed yet is still QUEUED, and the sweeper
        rings again. Blocks while many wait, which they do while the window is full.
        """
        self._claims.wait_for_room(min(CLAIMABLE, self._window))
        self._claims.put_many(ids)

    def execute(self, request: Request, wait: bool = True) -> Future[Result]:
        """Run one command now, past the queues, with the same rows in the ledger.

        The future raises UnknownClient or DedupeConflict if nothing was issued. `wait=False`: it is done as soon as
        the client's stream has the command (state SENT); the ack is stored when it comes.

        Raises RuntimeError inside a transaction: what is executed must be on record whatever becomes of the caller.
        """
        if transaction.get_connection().in_atomic_block:
            raise RuntimeError("a command cannot be executed inside a transaction: issue() it")
        result: Future[Result] = Future()
        result.set_running_or_notify_cancel()  # a caller that goes away does not cancel what is under way

        def take_off(done: Future[Inserted]) -> None:
            error = done.exception()
            inserted = done.result() if error is None else error
            if isinstance(inserted, Flight):
                inserted.result = result
                self._send([inserted])
            elif isinstance(inserted, Result):
                result.set_result(inserted)
            else:
                result.set_exception(inserted)

        self._inserts.put(Inline(request, wait)).add_done_callback(take_off)
        return result

    def close(self, timeout: float = 30.0) -> None:
        """Claim nothing more and wait until what is in flight has been settled, `timeout` seconds at most each."""
        self._claims.close(timeout)
        with self._room:
            self._room.wait_for(lambda: self._queued == 0, timeout)
        self._inserts.close(timeout)
        self._endings.close(timeout)

    def _claim(self, ids: list[UUID]) -> list[None]:
        claimed = 0
        while claimed < len(ids):
            room = self._wait_for_room(len(ids) - claimed)
            flights = claim(ids[claimed : claimed + room])
            claimed += room
            with self._room:
                self._queued += len(flights)
            self._send(flights)
        return [None] * len(ids)

    def _wait_for_room(self, wanted: int) -> int:
        """Places in the window. As many as wanted or a quarter of it at least: a claim of few costs as one of many."""
        enough = min(wanted, max(1, self._window // 4))
        with self._room:
            self._room.wait_for(lambda: self._window - self._queued >= enough)
            return self._window - self._queued

    def _send(self, flights: list[Flight]) -> None:
        nodes: dict[str, dict[str, Flight]] = defaultdict(dict)
        for flight in flights:
            nodes[flight.address][flight.command_id] = flight
        for address, airborne in nodes.items():

            def on_outcomes(outcomes: list[Outcome], airborne: dict[str, Flight] = airborne) -> None:
                self._came_back([(airborne[outcome.command_id], outcome) for outcome in outcomes])

            submit(address, [flight.order() for flight in airborne.values()], on_outcomes)

    def _came_back(self, pairs: list[tuple[Flight, Outcome]]) -> None:
        endings = []
        for flight, outcome in pairs:
            if outcome.kind is OutcomeKind.HANDED_OVER:
                self._done(flight, Result(flight.id, State.SENT, "handed over"))
            elif outcome.kind is OutcomeKind.ACKED:
                endings.append(Ending(flight, convert.ack(flight.client_id, outcome.ack)))
            else:
                why = outcome.reason or outcome.kind.value
                endings.append(Ending(flight, Miss(flight.id, flight.claim, FAILURES[outcome.kind], why)))
        if endings:
            self._endings.put_many(endings)

    def _settle(self, endings: list[Ending]) -> list[None]:
        elsewhere = _elsewhere(endings)
        here = [ending for ending in endings if ending.flight not in elsewhere]
        land(land_plain((flight, news) for flight, news in here if isinstance(news, Ack)))
        states = miss([ending.news for ending in here if isinstance(ending.news, Miss)])
        for flight, news in here:
            if isinstance(news, Ack):
                self._done(flight, Result(flight.id, news.state, news.why, news))
            else:
                self._done(flight, Result(flight.id, states.get(flight.id, State.TIMED_OUT), news.why))
        for flight, address in elsewhere.items():
            flight.address, flight.rerouted = address, True
        self._send(list(elsewhere))
        return [None] * len(endings)

    def _done(self, flight: Flight, result: Result) -> None:
        if flight.result is not None:
            flight.result.set_result(result)
        else:
            with self._room:
                self._queued -= 1
                self._room.notify_all()


@lru_cache(maxsize=1)
def dispatcher() -> Dispatcher:
    """This process' dispatcher."""
    return Dispatcher(settings.WORKER_WINDOW)


def _elsewhere(endings: list[Ending]) -> dict[Flight, str]:
    """Flights whose client is on another node by now, with its address; each is asked for once."""
    lost = [
        flight
        for flight, news in endings
        if isinstance(news, Miss) and news.failure is Failure.NO_ROUTE and not flight.rerouted
    ]
    if not lost:
        return {}
    clients = {flight.client_id for flight in lost}
    nodes = Client.objects.filter(alive(clock.now(), "node__"), pk__among=clients)
    routes = dict(nodes.values_list("pk", "node__address"))
    found = [(flight, routes.get(flight.client_id)) for flight in lost]
    return {flight: address for flight, address in found if address not in (None, flight.address)}
