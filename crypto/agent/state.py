"""What a client remembers of itself across restarts."""

import json
import sqlite3
import uuid

from crypto.agent.store import Store
from crypto.wire.common_pb2 import CLIENT_STATUS_ACTIVE, ClientStatus


class State:
    """Status, configuration and identity epoch of one client, kept in the store.

    A paused client comes back paused. The epoch is drawn when the store is new, so a client whose disk was
    replaced is recognised as another; in a store that does not last it is empty.
    """

    __slots__ = ("_client", "_store", "config", "config_version", "identity_epoch", "status")

    def __init__(self, store: Store, client_id: str) -> None:
        self._store, self._client = store, client_id
        self.status: ClientStatus.ValueType = CLIENT_STATUS_ACTIVE
        self.config: dict[str, object] = {}
        self.config_version = 0
        self.identity_epoch = ""

    async def load(self) -> None:
        facts = await self._store.do(self._read)
        self.status = ClientStatus.Value(facts["status"]) if "status" in facts else CLIENT_STATUS_ACTIVE
        if "config" in facts:
            kept = json.loads(facts["config"])
            self.config, self.config_version = kept["document"], kept["version"]
        self.identity_epoch = facts.get("identity_epoch", "")
        if not self.identity_epoch and self._store.lasting:
            self.identity_epoch = str(uuid.uuid4())
            self._keep("identity_epoch", self.identity_epoch)

    def set_status(self, status: "ClientStatus.ValueType") -> None:
        self.status = status
        self._keep("status", ClientStatus.Name(status))

    def set_config(self, document: dict[str, object], version: int) -> None:
        self.config, self.config_version = document, version
        self._keep("config", json.dumps({"document": document, "version": version}))

    def _keep(self, key: str, value: str) -> None:
        row = (self._client, key, value)
        self._store.later(lambda db: db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?, ?)", row))

    def _read(self, db: sqlite3.Connection) -> dict[str, str]:
        return dict(db.execute("SELECT key, value FROM fact WHERE client = ?", (self._client,)).fetchall())
