"""The actors. A message carries ids only; everything else, such as attempts, stands on the rows."""

from uuid import UUID

import dramatiq
from dramatiq import Broker, Middleware, Worker

from crypto.services.delivery.dispatcher import dispatcher
from crypto.services.fleet.worker_heartbeat import Heartbeat
from crypto.tuning import tune_garbage_collection

SETTLE = 8.0
"""Seconds that a stopping worker waits for acks of what it has sent."""


class SettleBeforeExit(Middleware):
    """A stopping worker settles what it has in flight. (What takes longer is settled by the streaming server and the
    sweeper.)
    """

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        dispatcher().close(SETTLE)


class WorkerHeartbeat(Middleware):
    """Stores that this worker is alive, and its lanes."""

    def __init__(self) -> None:
        self._beats: dict[Worker, Heartbeat] = {}

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        beat = self._beats[worker] = Heartbeat(worker.consumer_whitelist or broker.get_declared_queues())
        beat.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        beat = self._beats.pop(worker, None)
        if beat is not None:
            beat.end()


class TuneGarbageCollection(Middleware):
    """Commands in flight are thousands of objects that live for a second."""

    def after_process_boot(self, broker: Broker) -> None:
        tune_garbage_collection()


# Here and not in the settings, which are loaded before the models.
for one in (SettleBeforeExit(), WorkerHeartbeat(), TuneGarbageCollection()):
    dramatiq.get_broker().add_middleware(one)


@dramatiq.actor(actor_name="deliver", max_retries=0)
def deliver(ids: list[str]) -> None:
    """Claim and send the rows. The message is done at once: the ledger says what becomes of the rows."""
    dispatcher().deliver(UUID(id) for id in ids)
