"""What acks say about the status of their clients."""

from collections import defaultdict
from datetime import datetime
from typing import Any
from uuid import UUID

from crypto.models import Client
from crypto.services.ledger.sql.rows import Row, lock_clients

from .ack import Ack

MOMENTS = frozenset({"status_at", "expected_at"})
"""Columns that alone are no reason to write."""


def carry_over(settled: list[tuple[Row, Ack]], now: datetime) -> None:
    """Update the clients of rows that have just been settled by an ack in time. In the caller's transaction."""
    changes: dict[UUID, dict[str, Any]] = defaultdict(dict)
    for row, ack in settled:
        if ack.status and (ack.status != row.client__status or _contradicts(row, ack)):
            changes[row.client_id] |= {"status": ack.status, "status_at": now}
        if row.cls is not None and row.cls.changes_clients() and (command := row.parsed()) is not None:
            changes[row.client_id] |= command.changes(ack.success)
            if command.leaves and ack.success:
                changes[row.client_id]["expected_at"] = now
    fields = set().union(*changes.values())
    if not fields:
        return
    stored = lock_clients(list(changes)).in_bulk()
    groups: dict[tuple[Any, ...], list[UUID]] = defaultdict(list)
    for id, values in changes.items():
        if id in stored and _differs(stored[id], values):
            groups[tuple(values.items())].append(id)
    for values_, ids in groups.items():
        Client.objects.filter(pk__among=ids).update(**dict(values_))


def _contradicts(row: Row, ack: Ack) -> bool:
    return bool(row.client__expected_status) and ack.status != row.client__expected_status


def _differs(client: Client, values: dict[str, Any]) -> bool:
    """Whether there is something to write. A status that contradicts what the client acked is always written."""
    expected = values.get("expected_status", client.expected_status)
    contradicts = bool(expected) and values.get("status", expected) != expected
    return contradicts or any(
        getattr(client, name) != value for name, value in values.items() if name not in MOMENTS
    )
