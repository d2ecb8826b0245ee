"""Superseding: a newer command voids older ones that its client has not received yet."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from crypto.commands import Command
from crypto.models import Cause, CommandLog, State
from crypto.services.ledger.sql.rows import Row, by_id, lock
from crypto.services.ledger.void import Waiting, void


class Newer(NamedTuple):
    client_id: UUID
    command: Command
    by: UUID
    """Id of the newer command or of its operation; stored as `superseded_by` of the older ones."""


def supersede(newer: Iterable[Newer], now: datetime) -> None:
    """Void what these commands supersede, in the caller's transaction. A row its client may have seen ends TIMED_OUT.

    A sent row goes on: its ack counts, but no further attempt follows.
    """
    by = {(n.client_id, name): n.by for n in newer for name in n.command.supersedes}
    if not by:
        return
    clients, names = {client for client, _ in by}, {name for _, name in by}
    older = CommandLog.objects.open().filter(client__in=clients, command__in=names, created_at__lte=now)
    groups: dict[UUID, list[Row]] = defaultdict(list)
    for row in lock(older.filter(superseded_by=None)):
        newest = by.get((row.client_id, row.command))
        if newest is not None and newest not in (row.id, row.operation_id):
            groups[newest].append(row)
    for newest, rows in groups.items():
        waiting = [Waiting(row.id, row.seen) for row in rows if row.state == State.QUEUED]
        why = f"{Cause.SUPERSEDED.label} by {newest}"
        void(waiting, State.SUPERSEDED, cause=Cause.SUPERSEDED, why=why, now=now, superseded_by=newest)
        by_id([row.id for row in rows if row.state == State.SENT], State.SENT).update(superseded_by=newest)
