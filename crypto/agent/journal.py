"""Which commands a client has seen and what it answered: a command id runs its handler at most once."""

import sqlite3
import time

from crypto.agent.store import Store
from crypto.wire.common_pb2 import CommandAck
from crypto.wire.crypto_streaming_pb2 import JournalDigest

BEGUN, FINISHED, UNKNOWN = range(3)

OUTCOME_UNKNOWN = "OutcomeUnknown"
"""`CommandAck.error` of a command that a crash interrupted and that is not safe to run again."""

DIGEST_ENTRIES = 1_000
DIGEST_BYTES = 256 * 1024
"""A digest stays far below the message size limit; what is left out is presented on later connections."""

KEEP_SECONDS = 30 * 86_400.0
"""How long settled entries are kept to recognise repeats."""

KEEP_ENTRIES = 200_000
"""How many finished entries one store keeps at most, settled or not."""

PRUNE_EVERY = 1_000


class Journal:
    """One client's part of the store."""

    __slots__ = ("_client", "_store")

    def __init__(self, store: Store, client_id: str) -> None:
        self._store, self._client = store, client_id

    async def recover(self) -> None:
        """Marks what was begun and not finished as unknown. Call once at start, before any `begin`."""
        client = self._client
        await self._store.do(
            lambda db: db.execute(
                "UPDATE entry SET state = ? WHERE client = ? AND settled = 0 AND state = ?",
                (UNKNOWN, client, BEGUN),
            )
        )

    async def begin(self, command_id: str, *, idempotent: bool) -> CommandAck | None:
        """None if the handler is to run now, and that is on disk; else the answer to give instead.

        The caller must not begin an id that it is running.
        """
        return await self._store.do(lambda db: _begin(db, self._client, command_id, idempotent))

    async def finish(self, ack: CommandAck) -> None:
        """Returns when the ack is on disk; it must not be sent before that."""
        client, command, body = self._client, ack.command_id, ack.SerializeToString()
        await self._store.do(
            lambda db: db.execute(
                "UPDATE entry SET state = ?, ack = ? WHERE client = ? AND command = ?",
                (FINISHED, body, client, command),
            )
        )

    async def digest(self) -> JournalDigest:
        """The newest commands that the server has not confirmed as settled, oldest first."""
        return await self._store.do(lambda db: _digest(db, self._client))

    def settle(self, command_ids: list[str]) -> None:
        """The server has the acks of these: they are kept to recognise repeats, and not presented again."""
        client = self._client
        self._store.later(
            lambda db: db.executemany(
                "UPDATE entry SET settled = 1 WHERE client = ? AND command = ? AND state <> ?",
                [(client, command_id, BEGUN) for command_id in command_ids],
            )
        )


def _begin(db: sqlite3.Connection, client: str, command: str, idempotent: bool) -> CommandAck | None:
    inserted = db.execute(
        "INSERT INTO entry (client, command, state, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (client, command, BEGUN, time.time()),
    )
    if inserted.rowcount:
        if (inserted.lastrowid or 0) % PRUNE_EVERY == 0:
            _prune(db)
        return None
    where = (client, command)
    state, body = db.execute(
        "SELECT state, ack FROM entry WHERE client = ? AND command = ?", where
    ).fetchone()
    if state == FINISHED:
        return CommandAck.FromString(body)
    if idempotent:
        db.execute(
            "UPDATE entry SET state = ?, settled = 0 WHERE client = ? AND command = ?", (BEGUN, *where)
        )
        return None
    return CommandAck(
        command_id=command,
        success=False,
        error=OUTCOME_UNKNOWN,
        message="A crash cut this command off; it may have run.",
    )


def _digest(db: sqlite3.Connection, client: str) -> JournalDigest:
    digest, size = JournalDigest(), 0
    rows = db.execute(
        "SELECT command, state, ack FROM entry"
        " WHERE client = ? AND settled = 0 AND state <> ? ORDER BY seq DESC LIMIT ?",
        (client, BEGUN, DIGEST_ENTRIES),
    )
    fitting = []
    for row in rows:
        size += len(row[2] or row[0])
        if size > DIGEST_BYTES:
            break
        fitting.append(row)
    for command, state, body in reversed(fitting):
        if state == FINISHED:
            digest.finished.append(CommandAck.FromString(body))
        else:
            digest.unknown.append(command)
    return digest


def _prune(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM entry WHERE settled = 1 AND at < ?", (time.time() - KEEP_SECONDS,))
    newest = "(SELECT max(seq) FROM entry)"
    db.execute(f"DELETE FROM entry WHERE state = ? AND seq <= {newest} - ?", (FINISHED, KEEP_ENTRIES))
