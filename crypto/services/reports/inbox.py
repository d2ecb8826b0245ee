"""What clients report, gathered across their streams: each kind is stored with one bulk statement."""

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
"""Items that may wait; above it, `full` says that whoever reads streams should wait as well."""

CROWD = 32
"""Awaited items above which each waits a little for the others: a thousand clients that connect at the same time are
sooner done so."""

Store = Callable[[list[Any]], list[Any]]
"""Stores a batch of one kind in the running transaction and returns one result an item."""


class Item(NamedTuple):
    store: Store
    record: Any


class Inbox:
    """One per streaming node. A record's future is done once it is committed."""

    def __init__(self) -> None:
        self._batcher: Batcher[Item, Any] = Batcher(
            "inbox", self._work, retry_forever=True, busy=lambda: not 0 < self._awaited < CROWD
        )
        self._awaited = 0

    def put(self, store: Store, record: Any) -> Future[Any]:
        """Never blocks; safe from any thread. The future's result is what `store` returned for the record, or None
        if the database refused the record for good."""
        return self._batcher.put(Item(store, record))

    async def store(self, store: Store, record: Any) -> Any:
        """The same for whoever waits for it."""
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
            # One record must not take the others with it: each gets a transaction of its own.
            return [_store_alone(item) for item in items]


def _store(items: list[Item]) -> list[Any]:
    kinds: dict[Store, list[int]] = defaultdict(list)
    for at, item in enumerate(items):
        kinds[item.store].append(at)
    results: list[Any] = [None] * len(items)
    # Transactions that settle lock the ledger before the clients; in another order we could block each other.
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
        logger.error("%s: record refused for good: %s", item.store.__name__, error)
        return None
