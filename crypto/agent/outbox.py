"""Reports that the server has not acknowledged yet."""

import sqlite3

from crypto.agent.store import Store
from crypto.wire.crypto_streaming_pb2 import ClientMessage


class Outbox:
    """One client's unacknowledged reports, at most `limit`: beyond that the oldest is dropped."""

    __slots__ = ("_client", "_limit", "_pending", "_store", "_unsent", "dropped")

    def __init__(self, store: Store, client_id: str, limit: int) -> None:
        self._store, self._client, self._limit = store, client_id, limit
        self._pending: dict[str, ClientMessage] = {}
        self._unsent: set[str] = set()
        self.dropped = 0

    async def load(self) -> None:
        self._pending = {message.message_id: message for message in await self._store.do(self._read)}

    def put(self, message: ClientMessage, *, sent: bool) -> None:
        """Keeps the report; it is on disk no later than what the store is given after it."""
        row = (self._client, message.message_id, message.SerializeToString())
        self._pending[message.message_id] = message
        self._store.later(
            lambda db: db.execute("INSERT INTO report (client, message, body) VALUES (?, ?, ?)", row)
        )
        if not sent:
            self._unsent.add(message.message_id)
        if len(self._pending) > self._limit:
            self.dropped += 1
            self.remove([next(iter(self._pending))])

    def remove(self, message_ids: list[str]) -> int:
        """Forgets these reports; returns how many of them were waiting."""
        self._unsent.difference_update(message_ids)
        gone = [
            (message_id,) for message_id in message_ids if self._pending.pop(message_id, None) is not None
        ]
        if gone:
            self._store.later(lambda db: db.executemany("DELETE FROM report WHERE message = ?", gone))
        return len(gone)

    def start_stream(self) -> tuple[list[ClientMessage], list[ClientMessage]]:
        """Reports that were never sent, which count as sent from now on, and those sent on an earlier stream."""
        unsent, self._unsent = self._unsent, set()
        pending = self._pending.items()
        return [m for key, m in pending if key in unsent], [m for key, m in pending if key not in unsent]

    def __contains__(self, message: ClientMessage) -> bool:
        return message.message_id in self._pending

    def _read(self, db: sqlite3.Connection) -> list[ClientMessage]:
        rows = db.execute("SELECT body FROM report WHERE client = ? ORDER BY seq", (self._client,))
        return [ClientMessage.FromString(body) for (body,) in rows]
