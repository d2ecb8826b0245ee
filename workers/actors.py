"""The actors. A message carries ids only; what they stand for, and how often it may be tried, is on the rows."""

from uuid import UUID

import dramatiq
from dramatiq import Broker, Middleware, Worker

from crypto.services.delivery.dispatcher import dispatcher
from crypto.services.fleet.worker_heartbeat import Heartbeat
from crypto.tuning import tune_garbage_collection

SETTLE = 8.0
"""Seconds that a stopping worker waits for acks under way."""


class SettleBeforeExit(Middleware):
    """A worker that is told to stop first settles what it has on the wire. (What it cannot wait for, the streaming
    server and the sweeper settle.)"""

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        dispatcher().close(SETTLE)


class SignsOfLife(Middleware):
    """Lets it be seen which lanes are worked on."""

    def __init__(self) -> None:
        self._beats: dict[Worker, Heartbeat] = {}

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        beat = self._beats[worker] = Heartbeat(worker.consumer_whitelist or broker.get_declared_queues())
        beat.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        beat = self._beats.pop(worker, None)
        if beat is not None:
            beat.end()


class LittleGarbage(Middleware):
    """Thousands of commands in flight are thousands of objects that live for a second."""

    def after_process_boot(self, broker: Broker) -> None:
        tune_garbage_collection()


# Here and not in the settings' list, which is loaded before there are models.
for one in (SettleBeforeExit(), SignsOfLife(), LittleGarbage()):
    dramatiq.get_broker().add_middleware(one)


@dramatiq.actor(actor_name="deliver", max_retries=0)
def deliver(ids: list[str]) -> None:
    """Has the rows claimed and handed to the wire. The message is done at once: whatever becomes of the rows stands in
    the ledger."""
    dispatcher().deliver(UUID(id) for id in ids)
