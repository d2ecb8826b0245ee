"""Dramatiq messages that tell workers of queued rows. They carry ids only: a lost one costs seconds, no command."""

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from datetime import timedelta
from functools import lru_cache
from uuid import UUID

import dramatiq
from dramatiq import Broker, Message

from crypto.services.batching import Batcher

logger = logging.getLogger(__name__)

ACTOR = "deliver"
"""The actor's name; it lives in `workers`, which nothing here imports."""
CHUNK = 250
"""Ids in one message, at most. Above 100 the number makes no difference to speed (measured)."""
REQUEUE_AFTER = timedelta(seconds=5)
"""A queued row that no worker has taken up is told of again after this long."""
PATIENCE = 0.4
"""Seconds that a caller waits for the broker. Then it goes on: the sweeper tells the workers anyway."""
BACKLOG = 1_000
"""Callers whose messages may wait for a broker that does not answer; of more, the messages are left to the sweeper."""

IdMessage = Message[None]


class _Sender:
    """Hands messages to the process' broker on a thread of its own, so that a broker that stands still stops nobody."""

    def __init__(self) -> None:
        self._batcher: Batcher[list[IdMessage], None] = Batcher("enqueue", _send)
        self._unanswered: Future[None] | None = None

    def __call__(self, messages: list[IdMessage]) -> str:
        """Returns what went wrong; empty if the broker has taken them."""
        stuck = self._unanswered is not None and not self._unanswered.done()
        if len(self._batcher) >= BACKLOG:
            return "too many wait for the broker already"
        sent = self._batcher.put(messages)
        try:
            error = sent.exception(0 if stuck else PATIENCE)
        except NoAnswer:
            self._unanswered = sent
            return "the broker does not answer"
        return "" if error is None else f"{type(error).__name__}: {error}"


@lru_cache(maxsize=1)
def _sender(pid: int) -> _Sender:
    """By process, for a fork has none of its parent's threads."""
    return _Sender()


def enqueue(rows: Iterable[tuple[str, UUID]]) -> bool:
    """Wake the workers of each row's lane; rows are (lane, id). Call it after commit. Takes half a second at most.

    Returns False if the broker has not taken it: the sweeper does it again.
    """
    lanes: dict[str, list[UUID]] = defaultdict(list)
    for lane, id in rows:
        lanes[lane].append(id)
    messages = [
        IdMessage(queue_name=lane, actor_name=ACTOR, args=([str(id) for id in chunk],), kwargs={}, options={})
        for lane, ids in lanes.items()
        for chunk in (ids[at : at + CHUNK] for at in range(0, len(ids), CHUNK))
    ]
    if not messages:
        return True
    wrong = _sender(os.getpid())(messages)
    if wrong:
        logger.warning("%d messages are left to the sweeper: %s", len(messages), wrong)
    return not wrong


def _send(batches: list[list[IdMessage]]) -> list[None]:
    messages = [message for batch in batches for message in batch]
    broker = dramatiq.get_broker()
    many = getattr(broker, "enqueue_many", None)
    if many is not None:
        many(messages)
    else:
        _send_each(broker, messages)
    return [None] * len(batches)


def _send_each(broker: Broker, messages: Sequence[IdMessage]) -> None:
    """Brokers of other projects know no batches, and perhaps not our queues."""
    for lane in {message.queue_name for message in messages} - broker.get_declared_queues():
        broker.declare_queue(lane)
    for message in messages:
        broker.enqueue(message)
