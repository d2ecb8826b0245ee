"""The later word counts: a client that is commanded by name is no longer what earlier standing orders made it."""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from django.db.models import Max

from crypto.commands import Command
from crypto.models import Client, ClientStatus, StandingOrder
from crypto.services.ledger.sql.rows import lock_clients

BATCH = 5_000
"""Clients that one statement names at most."""


class Named(NamedTuple):
    """A client that a command was issued to."""

    id: UUID
    paused_by: int | None
    resume_owed: bool


def override(command: Command, clients: Iterable[Named]) -> None:
    """Write to their records what the command leaves the clients in. In the caller's transaction."""
    if command.leaves == ClientStatus.ACTIVE:
        ids = [client.id for client in clients if client.paused_by is not None or client.resume_owed]
        if ids:
            last = StandingOrder.objects.aggregate(last=Max("pk"))["last"] or 0
            update_clients(ids, paused_by_id=None, resumed_past=last, resume_owed=False)
    elif command.leaves == ClientStatus.PAUSED:
        update_clients([client.id for client in clients if client.resume_owed], resume_owed=False)


def still_paused_by(command: Command, paused_by: int | None) -> int | None:
    """The standing order that will keep the client paused once the command has been issued to it."""
    return None if command.leaves == ClientStatus.ACTIVE else paused_by


def update_clients(ids: list[UUID], **changes: object) -> None:
    """Locks them in the one order, batch by batch."""
    for at in range(0, len(ids), BATCH):
        batch = list(lock_clients(ids[at : at + BATCH]).values_list("pk", flat=True))
        Client.objects.filter(pk__among=batch).update(**changes)
