"""The doorbell: Dramatiq messages that carry ids only. A lost ring costs seconds, never a command."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import dramatiq
from dramatiq import Message
from dramatiq.errors import BrokerError

logger = logging.getLogger(__name__)

ACTOR = "deliver"
"""The actor's name; it lives in `workers`, which nothing here imports."""
CHUNK = 250
"""Ids a message carries at most. Above 100 the size makes no difference to speed (measured)."""
REQUEUE_AFTER = timedelta(seconds=5)
"""A queued row whose ring nobody answered is rung for again after this long."""


def enqueue(rows: Iterable[tuple[str, UUID]]) -> bool:
    """Wake the workers of each row's lane; rows are (lane, id). Call it after commit.

    Returns False if the broker did not take it: the sweeper rings again.
    """
    lanes: dict[str, list[UUID]] = defaultdict(list)
    for lane, id in rows:
        lanes[lane].append(id)
    messages: list[Message[None]] = [
        Message(queue_name=lane, actor_name=ACTOR, args=([str(id) for id in chunk],), kwargs={}, options={})
        for lane, ids in lanes.items()
        for chunk in (ids[at : at + CHUNK] for at in range(0, len(ids), CHUNK))
    ]
    try:
        dramatiq.get_broker().enqueue_many(messages)  # type: ignore[attr-defined]  # ours, in workers.broker
    except BrokerError as error:
        logger.warning(
            "the broker does not take %d messages, the sweeper will ring again: %s", len(messages), error
        )
        return False
    return True
