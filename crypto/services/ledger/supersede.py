"""Voiding what waits: a newer command overrides older ones that its client has not been given yet."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from crypto.commands import Command
from crypto.models import CommandLog, State
from crypto.services.ledger.settle import notify_finished
from crypto.services.ledger.sql.rows import by_id, lock
from crypto.services.process import process_name


class Newer(NamedTuple):
    client_id: UUID
    command: Command
    by: UUID
    """The row of the newer command, or its operation: what the older ones will say they were superseded by."""


def supersede(newer: Iterable[Newer], now: datetime) -> None:
    """End what is void now, in the caller's transaction. What a client may have seen ends as unknown.

    An attempt that is under way goes on: its ack counts, but it will not be followed by another.
    """
    by = {(n.client_id, name): n.by for n in newer for name in n.command.supersedes}
    if not by:
        return
    clients, names = {client for client, _ in by}, {name for _, name in by}
    older = CommandLog.objects.open().filter(client__in=clients, command__in=names, created_at__lte=now)
    groups: dict[tuple[UUID, str, bool], list[UUID]] = defaultdict(list)
    for row in lock(older.filter(superseded_by=None)):
        reason = by.get((row.client_id, row.command))
        if reason is not None and row.id != reason and row.operation_id != reason:
            groups[reason, row.state, row.seen].append(row.id)
    for (reason, state, seen), ids in groups.items():
        _void(ids, reason, State(state), seen, now)


def _void(ids: list[UUID], by: UUID, state: State, seen: bool, now: datetime) -> None:
    rows = by_id(ids, state)
    if state is State.SENT:
        rows.update(superseded_by=by)
        return
    why, to = f"superseded by {by}", State.SUPERSEDED
    if seen:
        why, to = f"not tried again: {why}", State.TIMED_OUT
    rows.move(to, why=why, process=process_name(), now=now, finished_at=now, superseded_by=by)
    notify_finished(ids)
