"""The agent's memory on disk: one SQLite file that journals, outboxes and states share, with group commit."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    seq INTEGER PRIMARY KEY,
    client TEXT NOT NULL,
    command TEXT NOT NULL,
    state INTEGER NOT NULL,
    ack BLOB,
    settled INTEGER NOT NULL DEFAULT 0,
    at REAL NOT NULL,
    UNIQUE (client, command)
);
CREATE INDEX IF NOT EXISTS entry_to_present ON entry (client, seq) WHERE settled = 0;
CREATE TABLE IF NOT EXISTS report (
    seq INTEGER PRIMARY KEY,
    client TEXT NOT NULL,
    message TEXT NOT NULL UNIQUE,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS report_client ON report (client, seq);
CREATE TABLE IF NOT EXISTS fact (
    client TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (client, key)
) WITHOUT ROWID;
"""


class StoreInUse(Exception):
    """Raised when another process holds the file: two agents with one journal could run a command twice."""


class StoreFailed(Exception):
    """Raised when work could not be committed: the disk is full, or gone."""


class Store:
    """Runs pieces of work on the file, in order, those that wait together in one transaction.

    Used from one event loop. With `durable` a commit waits for the disk, in a thread of its own; without it a
    commit survives the end of the process but not a power failure, and runs on the event loop, which is the fastest for
    many clients.
    """

    def __init__(self, path: Path | None, *, durable: bool = True) -> None:
        """Opens the file, or a store that lives only as long as the process when `path` is None."""
        self._db = _open(path, durable)
        self._thread = ThreadPoolExecutor(1, "agent-store") if path and durable else None
        self._waiting: list[tuple[Work[Any], asyncio.Future[Any] | None]] = []
        self._writer: asyncio.Task[None] | None = None
        self.lasting = path is not None

    def read(self, work: Work[T]) -> T:
        """Runs `work` at once, outside the queue. For start-up, before anything else uses the store."""
        with self._db:
            return work(self._db)

    async def do(self, work: Work[T]) -> T:
        """The result of `work`, once it is committed."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        self._wake()
        return await done

    def later(self, work: Work[object]) -> None:
        """Queues `work`. It is committed before, or together with, everything that is queued after it."""
        self._waiting.append((work, None))
        self._wake()

    async def close(self) -> None:
        while self._writer is not None:
            await self._writer
        if self._thread:
            self._thread.shutdown()
        self._db.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _wake(self) -> None:
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_all())

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._write(batch)
        finally:
            self._writer = None

    async def _write(self, batch: list[tuple[Work[Any], asyncio.Future[Any] | None]]) -> None:
        work = [work for work, _ in batch]
        waiting = [(n, done) for n, (_, done) in enumerate(batch) if done is not None]
        try:
            if self._thread:
                results = await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, work)
            else:
                results = self._commit(work)
        except sqlite3.Error as error:
            logger.error("Store: %s", error)
            for _, done in waiting:
                if not done.done():
                    done.set_exception(StoreFailed(str(error)))
            return
        for n, done in waiting:
            if not done.done():
                done.set_result(results[n])

    def _commit(self, batch: list[Work[Any]]) -> list[Any]:
        with self._db:
            return [work(self._db) for work in batch]


def _open(path: Path | None, durable: bool) -> sqlite3.Connection:
    db = sqlite3.connect(path or ":memory:", timeout=1.0, check_same_thread=False)
    try:
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        db.executescript(SCHEMA)
    except sqlite3.OperationalError as error:
        db.close()
        raise StoreInUse(f"{path}: {error}") from error
    return db
