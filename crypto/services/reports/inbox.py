"""The inbox: collects what clients report from all streams, and stores each kind by one bulk statement."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

from django.db import DatabaseError, InterfaceError, OperationalError, transaction

from crypto.services.batching import Batcher
from crypto.services.ledger.settle import record_acks

logger = logging.getLogger(__name__)

LIMIT = 5_000
"""With more items than this waiting the inbox is `full`, and streams are not read."""

BUSY_ABOVE = 32
"""Batches wait a little for more items, except while at least one and fewer than this many items are awaited. So a
thousand clients that connect at once are done sooner, and a single one does not wait."""

Store = Callable[[list[Any]], list[Any]]
"""Stores a batch of one kind in the running transaction and returns one result an item."""


class Item(NamedTuple):
    store: Store
    record: Any


class Inbox:
    """One per streaming node. A record's future is done once it is committed."""

    def __init__(self) -> None:
        self._batcher: Batcher[Item, Any] = Batcher(
            "inbox", self._work, retry_forever=True, busy=lambda: not 0 < self._awaited < BUSY_ABOVE
        )
        self._awaited = 0

    def put(self, store: Store, record: Any) -> Future[Any]:
        """Never blocks; safe from any thread. The future's result is what `store` returned for the record, or None
        if the database refused the record permanently.
        """
        return self._batcher.put(Item(store, record))

    async def store(self, store: Store, record: Any) -> Any:
        """`put`, and wait until the record is committed."""
        self._awaited += 1
        try:
            return await asyncio.wrap_future(self.put(store, record))
        finally:
            self._awaited -= 1

    @property
    def full(self) -> bool:
        return len(self._batcher) > LIMIT

    def close(self) -> None:
        self._batcher.close()

    def _work(self, items: list[Item]) -> list[Any]:
        try:
            with transaction.atomic():
                return _store(items)
        except (OperationalError, InterfaceError):
            raise
        except DatabaseError:
            # One bad record must not fail the others: each gets a transaction of its own.
            return [_store_alone(item) for item in items]


def _store(items: list[Item]) -> list[Any]:
    kinds: dict[Store, list[int]] = defaultdict(list)
    for at, item in enumerate(items):
        kinds[item.store].append(at)
    results: list[Any] = [None] * len(items)
    # Settling locks rows of the ledger before clients; another order here could deadlock.
    for store, places in sorted(kinds.items(), key=lambda kind: kind[0] is not record_acks):
        for at, result in zip(places, store([items[at].record for at in places]), strict=True):
            results[at] = result
    return results


def _store_alone(item: Item) -> Any:
    try:
        with transaction.atomic():
            return item.store([item.record])[0]
    except (OperationalError, InterfaceError):
        raise
    except DatabaseError as error:
        logger.error("%s: record refused permanently: %s", item.store.__name__, error)
        return None
