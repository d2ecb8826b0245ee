"""Enqueuing: Dramatiq messages that carry the ids of rows. A lost message delays a command by seconds, no more."""

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
"""A row that is still QUEUED this long after it was enqueued is enqueued again by the sweeper."""
LONGEST_WAIT = 0.4
"""Seconds that a caller waits for the broker. Then it goes on: the sweeper will enqueue its rows."""
BACKLOG = 1_000
"""Callers whose messages wait for a broker that does not answer, at most; further ones are left to the sweeper."""

IdMessage = Message[None]


class _Sender:
    """Hands messages to the broker on a thread of its own, so that a broker that hangs blocks no caller for long."""

    def __init__(self) -> None:
        self._batcher: Batcher[list[IdMessage], None] = Batcher("enqueue", _send)
        self._unanswered: Future[None] | None = None

    def __call__(self, messages: list[IdMessage]) -> str:
        """Returns what went wrong; empty if the broker has accepted them."""
        stuck = self._unanswered is not None and not self._unanswered.done()
        if len(self._batcher) >= BACKLOG:
            return "too many wait for the broker already"
        sent = self._batcher.put(messages)
        try:
            error = sent.exception(0 if stuck else LONGEST_WAIT)
        except NoAnswer:
            self._unanswered = sent
            return "the broker does not answer"
        return "" if error is None else f"{type(error).__name__}: {error}"


@lru_cache(maxsize=1)
def _sender(pid: int) -> _Sender:
    """One for each process: a fork has none of its parent's threads."""
    return _Sender()


def enqueue(rows: Iterable[tuple[str, UUID]]) -> bool:
    """Send messages to the workers of each row's lane; rows are (lane, id). Call it after commit. Takes half a second
    at most.

    Returns False if the broker has not accepted them: the sweeper enqueues the rows later.
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
    """For brokers of other projects, which have no `enqueue_many` and perhaps not our queues."""
    for lane in {message.queue_name for message in messages} - broker.get_declared_queues():
        broker.declare_queue(lane)
    for message in messages:
        broker.enqueue(message)
